"""Requests to endpoints: how large, in which charset, and how often they are sent."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config

from sm_core.errors import CodecError, RequestError
from sm_core.invocations import body_of
from sm_core.limits import PAYLOAD_LIMIT
from sm_core.predictor import Predictor
from sm_core.session import Session


def test_the_limit_is_the_service_s() -> None:
    model = botocore.session.Session().get_service_model("sagemaker-runtime")
    assert model.shape_for("BodyBlob").metadata["max"] == PAYLOAD_LIMIT


def test_text_goes_out_in_the_charset_that_is_declared() -> None:
    assert body_of("ü", "text/csv; charset=latin-1") == b"\xfc"
    file: Any = io.StringIO("ü")
    assert body_of(file, "text/csv; charset=latin-1") == b"\xfc"
    assert body_of("ü", None) == "ü".encode()
    # Bytes are what they are.
    assert body_of(io.BytesIO(b"\xfc"), "text/csv; charset=no-such") == b"\xfc"
    for content_type in ("text/csv; charset=ascii", "text/csv; charset=no-such"):
        with pytest.raises(CodecError, match=f"the text cannot be sent as {content_type}"):
            body_of("ü", content_type)


def test_what_is_no_body_is_refused() -> None:
    with pytest.raises(CodecError, match="the serializer made a list; a request is bytes, text"):
        body_of([1], None)  # type: ignore[arg-type]  # that is the point


class Trickle(io.RawIOBase):
    """A pipe: gives a little at a time, cannot be rewound."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        """At most 1 MiB."""
        taken = min(size, self.left, 1 << 20)
        self.left -= taken
        return bytes(taken)


def test_files_are_read_from_where_they_are() -> None:
    file = io.BytesIO(b"abc")
    file.seek(1)
    assert body_of(file, None) == b"bc"
    assert len(body_of(Trickle(PAYLOAD_LIMIT), None)) == PAYLOAD_LIMIT  # type: ignore[arg-type]  # has read


def test_a_pipe_that_is_too_long_is_not_read_to_its_end() -> None:
    pipe = Trickle(10 * PAYLOAD_LIMIT)
    with pytest.raises(CodecError, match=f"would have {PAYLOAD_LIMIT + 1} bytes, and an endpoint"):
        body_of(pipe, None)  # type: ignore[arg-type]  # has read
    assert pipe.left > 8 * PAYLOAD_LIMIT


Serve = Callable[..., "tuple[Session, list[str]]"]


@pytest.fixture
def serve(aws: None) -> Iterator[Serve]:
    """An endpoint on loopback that answers with each status in turn, 0 for never."""
    servers: list[ThreadingHTTPServer] = []
    done = threading.Event()

    def start(*statuses: int, code: str = "InternalFailure") -> tuple[Session, list[str]]:
        left, calls = list(statuses), list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                calls.append(self.path)
                status = left.pop(0)
                if status == 0:
                    done.wait(30)
                    return
                body = b"fine" if status == 200 else b"{}"
                self.send_response(status)
                self.send_header("x-amzn-ErrorType", code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        client = boto3.client(
            "sagemaker-runtime",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{server.server_port}",
            config=Config(read_timeout=0.3),
        )
        return Session(sagemaker_runtime_client=client), calls

    yield start
    done.set()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.integ
def test_a_slow_model_is_asked_once(serve: Serve) -> None:
    session, calls = serve(0, 200)
    with pytest.raises(RequestError, match="Read timeout on endpoint URL"):
        Predictor("e", session).predict(b"x")
    assert len(calls) == 1


@pytest.mark.integ
@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_request_that_the_model_may_have_worked_on_is_not_repeated(
    serve: Serve, status: int
) -> None:
    session, calls = serve(status, 200)
    with pytest.raises(RequestError):
        Predictor("e", session).predict(b"x")
    assert len(calls) == 1


@pytest.mark.integ
@pytest.mark.parametrize("status", [429, 503])
def test_a_request_that_no_model_saw_is_repeated(serve: Serve, status: int) -> None:
    session, calls = serve(status, 200, code="ThrottlingException")
    assert Predictor("e", session).predict(b"x") == b"fine"
    assert len(calls) == 2


def test_the_client_waits_longer_than_a_container_may_take(session: Session) -> None:
    assert session.sagemaker_runtime_client.meta.config.read_timeout == 80


def test_a_time_of_the_user_s_own_is_kept(aws: None) -> None:
    core = botocore.session.Session()
    core.set_default_client_config(Config(read_timeout=5))
    own = Session(boto3.Session(botocore_session=core, region_name="us-east-1"))
    assert own.sagemaker_runtime_client.meta.config.read_timeout == 5
