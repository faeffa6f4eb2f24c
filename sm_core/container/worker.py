"""One process of the model server: ``python -m sm_core.container.worker <socket>``.

Started by `sm_core.container.pool` with its end of a socket pair. It loads the model, says so by an
empty response, and then answers one request after the other in its main thread, as frameworks keep
state per thread and most models cannot be called twice at once. The end of the stream is its sign
to leave.
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import resource
import signal
import socket
import sys
import traceback
from pathlib import Path
from types import FrameType

from sm_core.container.code import use_code
from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import RequestRefused
from sm_core.container.failure import log_exception
from sm_core.container.inference import Codec, InferenceHandler
from sm_core.container.logs import configure_logging
from sm_core.container.messages import (
    Request,
    Response,
    response_frame,
    text_response,
    wait_for_request,
)
from sm_core.container.plugins import container_plugins
from sm_core.container.process import end_children, end_with_supervisor, leave
from sm_core.errors import SMError

__all__ = ["answer", "run"]

logger = logging.getLogger(__name__)


def run(connection: socket.socket) -> int:
    """Load the model, then answer until the server closes `connection`; the exit code."""
    environment = ServingEnvironment.read()
    configure_logging(environment.log_level)
    use_code(environment.code_dir, environment.base_dir)
    try:
        plugins = container_plugins()
        handler: InferenceHandler = plugins.hook.sm_inference(environment=environment)
        found = plugins.collect("sm_codecs", object)
        handler.codecs = [codec for _, codec in found if isinstance(codec, Codec)]
        handler.load()
    except SMError as error:
        logger.error("the model cannot be loaded: %s", error)
        return 1
    except BaseException as error:  # noqa: BLE001  # whatever the model's code raises
        log_exception(error, environment.code_dir, text="the model cannot be loaded")
        return 1
    # The model stays as long as the process: no collection has to look at it again.
    gc.freeze()
    try:
        connection.sendall(response_frame(Response(b"", "")))
        while (request := wait_for_request(connection)) is not None:
            connection.sendall(answer(handler, request, code_dir=environment.code_dir))
    except ConnectionError:
        logger.warning("the model server has gone")
    end_children()
    return 0


def answer(handler: InferenceHandler, request: Request, *, code_dir: Path) -> bytes:
    """The frame of the response, whatever the model's code does."""
    try:
        return response_frame(handler.handle(request))
    except RequestRefused as error:
        return response_frame(text_response(error.status, str(error)))
    except BaseException as error:  # noqa: BLE001  # whatever the model's code raises
        log_exception(error, code_dir, text="the model's code raised an exception")
        text = "".join(traceback.format_exception_only(type(error), error)).strip()
        return response_frame(text_response(500, text))


def _leave_signals_to_server() -> None:
    """Let the server decide when this process ends; its children end by signals as they would."""
    own = os.getpid()

    def forgo(number: int, _frame: FrameType | None) -> None:
        if os.getpid() != own:  # a process that the model's code has forked
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forgo)


if __name__ == "__main__":
    # By SIGABRT the server ends a worker that is stuck: the log then says where, even if the
    # interpreter is held up. No memory image is wanted.
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _leave_signals_to_server()
    end_with_supervisor()
    inherited = socket.socket(fileno=int(sys.argv[1]))
    inherited.set_inheritable(False)
    leave(run(inherited))
