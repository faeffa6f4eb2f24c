"""One process of the model server: ``python -m sm_core.container.worker <socket> <control>``.

Started by `sm_core.container.serving` with two inherited file descriptors: the socket to serve, and
its end of a socket pair, on which it says when it is ready and whose end of file means that the
parent has gone.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import uvicorn

from sm_core.container.app import Application
from sm_core.container.code import use_code
from sm_core.container.environment import ServingEnvironment
from sm_core.container.failure import log_exception
from sm_core.container.inference import InferenceHandler
from sm_core.container.logs import configure_logging
from sm_core.container.plugins import container_plugins
from sm_core.container.process import leave
from sm_core.container.serving import READY
from sm_core.errors import SMError

__all__ = ["run"]

logger = logging.getLogger(__name__)

#: Seconds that requests under way may take after SIGTERM; the platform kills after 30.
_GRACE = 25
#: Seconds after which an idle connection is closed.
_KEEP_ALIVE = 75


class _Server(uvicorn.Server):
    """Tells the parent once it accepts connections."""

    def __init__(self, config: uvicorn.Config, control: socket.socket) -> None:
        super().__init__(config)
        self._control = control

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._control.sendall(READY)


def run(listener: socket.socket, control: socket.socket) -> int:
    """Load the model, then serve until SIGTERM; the exit code."""
    environment = ServingEnvironment.read()
    configure_logging(environment.log_level)
    use_code(environment.code_dir, environment.base_dir)
    _end_with_parent(control)
    # One thread for all of the model's code: frameworks keep state per thread, and most models
    # cannot be called twice at once.
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
    try:
        handler = executor.submit(_load, environment).result()
    except BaseException as error:  # noqa: BLE001  # whatever the model's code raises
        if isinstance(error, SMError):
            logger.error("the model cannot be loaded: %s", error)
        else:
            log_exception(error, environment.code_dir, text="the model cannot be loaded")
        return 1
    application = Application(
        handler,
        executor=executor,
        max_payload=environment.max_payload,
        code_dir=environment.code_dir,
    )
    config = uvicorn.Config(
        application,
        lifespan="off",
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
    )
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, environment.log_level))
    _Server(config, control).run(sockets=[listener])
    return 0


def _load(environment: ServingEnvironment) -> InferenceHandler:
    handler: InferenceHandler = container_plugins().hook.sm_inference(environment=environment)
    handler.load()
    return handler


def _end_with_parent(control: socket.socket) -> None:
    def watch() -> None:
        control.recv(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    faulthandler.enable()
    inherited = [socket.socket(fileno=int(number)) for number in sys.argv[1:3]]
    leave(run(*inherited))
