"""The service's application on a free port of the loopback interface, and boto3 clients for it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import boto3
import botocore.session
import pytest
import uvicorn
from botocore.config import Config
from botocore.loaders import Loader

from sm_local.home import REGION, Credentials, Home
from sm_local.service.app import Application, Service, storage_services
from sm_local.service.context import Context

#: Keeps the models it has read, which is most of the time that making a client takes.
LOADER = Loader(extra_search_paths=[str(Path(boto3.__file__).parent / "data")])


class Lives:
    """Stands in for training jobs and endpoints, which have tests of their own."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.calls: list[str] = []

    async def start(self) -> None:
        self.calls.append("start")

    async def stop(self) -> None:
        self.calls.append("stop")

    async def stop_all(self) -> list[str]:
        self.calls.append("stop_all")
        stopped, self.names = self.names, []
        return stopped

    async def stop_job(self, name: str) -> None:
        self.calls.append(f"stop {name}")
        self.names.remove(name)

    def running(self) -> list[str]:
        return list(self.names)


@attrs.define
class Served:
    """An application that answers.

    Attributes:
        app: the application.
        context: its parts.
        port: where it listens.
        jobs: stands in for the training jobs.
        endpoints: stands in for the endpoints.
        clients: that were made, to be closed at the end.
    """

    app: Application
    context: Context
    port: int
    jobs: Lives
    endpoints: Lives
    clients: list[Any] = attrs.field(factory=list, init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, pair: Credentials | None = None, **config: Any) -> Any:
        """A boto3 client that signs with `pair`, or else as the user."""
        pair = pair or self.context.home.credentials()
        core = botocore.session.get_session()
        core.register_component("data_loader", LOADER)
        session: Any = boto3.Session(
            botocore_session=core,
            aws_access_key_id=pair.access_key_id,
            aws_secret_access_key=pair.secret_access_key,
            region_name=REGION,
        )
        options: dict[str, Any] = {
            "retries": {"total_max_attempts": 1},
            "s3": {"addressing_style": "path"},
        }
        client = session.client(
            service,
            endpoint_url=self.url,
            config=Config(**(options | config)),
        )
        self.clients.append(client)
        return client


Serve = Callable[..., Served]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def serve(home: Home) -> Iterator[Serve]:
    """Starts an application of the storage services and of those given."""
    with ExitStack() as stack:

        def start(services: Mapping[str, Service] | None = None) -> Served:
            return stack.enter_context(_served(home, services or {}))

        yield start


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An application of the storage services for the tests of a module."""
    with _served(Home(tmp_path_factory.mktemp("shared") / "home").create(), {}) as served:
        yield served


@pytest.fixture(scope="module")
def shared_s3(shared: Served) -> Any:
    client = shared.client("s3")
    client.create_bucket(Bucket="bucket")
    return client


@pytest.fixture
def s3(shared_s3: Any, shared: Served) -> Iterator[Any]:
    """A client, and a bucket that is empty again afterwards."""
    yield shared_s3
    for info in shared.context.objects.list("bucket"):
        shared.context.objects.delete("bucket", info.key)


@contextmanager
def _served(home: Home, services: Mapping[str, Service]) -> Iterator[Served]:
    ready = threading.Event()
    running: list[tuple[Served, uvicorn.Server]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        async def run() -> None:
            context = Context.open(home, port=port)
            jobs, endpoints = Lives("job-1"), Lives("endpoint-1")
            app = Application(
                context,
                {**storage_services(context), **services},
                port=port,
                jobs=jobs,
                endpoints=endpoints,
            )
            await app.startup()
            config = uvicorn.Config(
                app, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=2
            )
            server = uvicorn.Server(config)
            running.append((Served(app, context, port, jobs, endpoints), server))
            ready.set()
            await server.serve(sockets=[listener])
            await app.shutdown(stop_endpoints=True)

        thread = threading.Thread(target=asyncio.run, args=(run(),))
        thread.start()
        assert ready.wait(10)
        served, server = running[0]
        try:
            yield served
        finally:
            for client in served.clients:
                client.close()
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
