"""The service's process for tests: the real application, with ready-made environments.

It is found as the real one is, by ``sm local`` too.

Started as ``python driver.py HOME PORT ENVIRONMENT``. ENVIRONMENT is a folder with ``bin/python``.
An image whose name begins with ``broken`` has an environment that cannot be built, one that begins
with ``slow`` one that takes until it is given up or the file ``built`` appears in ENVIRONMENT.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import uvicorn

from sm_core.containerspec import ContainerSpec
from sm_local.environments import EnvironmentFailed
from sm_local.home import Home, write_private
from sm_local.locks import take
from sm_local.service.app import Application, SageMakerService, storage_services
from sm_local.service.aws_json import JsonService
from sm_local.service.context import Context
from sm_local.service.endpoints import Endpoints
from sm_local.service.environmentstore import Container, Environments
from sm_local.service.logs import Logs
from sm_local.service.runtime import Runtime
from sm_local.service.sagemaker import SageMaker
from sm_local.service.training import Training

SCRIPT = str(Path(__file__).with_name("container.py"))


class ReadyMade(Environments):
    """One environment for all images, with this interpreter in it."""

    def __init__(self, context: Context, folder: Path) -> None:
        super().__init__(context)
        self._folder = folder

    def resolve(
        self,
        tags: Mapping[str, str],
        image: str,
        *,
        hosts: int = 1,
        instance_type: str = "",
    ) -> str:
        return image

    def ensure(self, digest: str, log: Callable[[str], None]) -> Container:
        log("building the environment")
        if digest.startswith("broken"):
            raise EnvironmentFailed("no solution found:\nfoo needs bar")
        while digest.startswith("slow") and not (self._folder / "built").exists():
            time.sleep(0.02)
            log("still building")
        spec = ContainerSpec(
            framework="test",
            version="1",
            train=(SCRIPT, "train"),
            serve=(SCRIPT, "serve"),
            environment={"FROM_SPEC": "yes"},
        )
        return Container(folder=self._folder, spec=spec)


async def main(home: Home, port: int, folder: Path) -> None:
    """Serve until SIGTERM."""
    if take(home.service_lock, 20) is None:
        raise RuntimeError(f"another service runs in {home.path}")
    context = Context.open(home, port=port)
    environments = ReadyMade(context, folder)
    jobs = Training(context, environments=environments, parallel=1)
    endpoints = Endpoints(context, environments=environments)
    control_plane = SageMaker(context, jobs, endpoints, environments=environments)
    services = {
        **storage_services(context),
        "sagemaker": SageMakerService(
            JsonService("sagemaker", control_plane.operations),
            Runtime(context, endpoints).invoke_endpoint,
        ),
        "logs": JsonService("logs", Logs(context).operations, invalid="InvalidParameterException"),
    }
    app = Application(context, services, port=port, jobs=jobs, endpoints=endpoints)
    await app.startup()
    config = uvicorn.Config(
        app,
        port=port,
        lifespan="off",
        ws="none",
        log_level="warning",
        # As the real one: a client that does not try again may pause between two requests.
        timeout_keep_alive=60,
        timeout_graceful_shutdown=2,
    )
    description = {
        "pid": os.getpid(),
        "port": port,
        "version": version("sm-local"),
        "started": time.time(),
    }
    write_private(home.service_json, json.dumps(description).encode())
    # Uvicorn hands the signal on when it has ended; there is more to do then.
    signal.signal(signal.SIGTERM, lambda *_: None)
    await uvicorn.Server(config).serve()
    home.service_json.unlink()
    await app.shutdown(stop_endpoints=True)


if __name__ == "__main__":
    os.umask(0o077)
    asyncio.run(main(Home(Path(sys.argv[1])), int(sys.argv[2]), Path(sys.argv[3])))
