"""The application: who is let in, what a refusal looks like, and what happens to connections."""

from __future__ import annotations

import asyncio
import html
import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import boto3
import orjson
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials
from botocore.exceptions import BotoCoreError, ClientError

from sm_local.home import REGION, Home
from sm_local.service.app import create_app
from sm_local.service.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ

PATIENCE = 20.0


@attrs.frozen
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


def send(port: int, method: str, path: str, body: Any = b"", **headers: str) -> Answer:
    """Send a request as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers=named)
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())
    finally:
        connection.close()


def signed(
    home: Home, port: int, service: str, method: str, path: str, **options: Any
) -> dict[str, str]:
    """The headers with which the user signs a request."""
    pair = home.credentials()
    request = AWSRequest(
        method=method,
        url=f"http://127.0.0.1:{port}{path}",
        headers=options.get("headers", {}),
        data=options.get("data", b""),
    )
    request.context["client_config"] = Config()
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    credentials = BotoCredentials(pair.access_key_id, pair.secret_access_key)
    signer(credentials, service, REGION).add_auth(request)
    return dict(request.headers)


def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def files(home: Home) -> list[Path]:
    return [path for path in home.blobs.rglob("*") if path.is_file()]


class TestRefusals:
    """Whoever is not known learns nothing but that, in the protocol they seem to speak."""

    def test_a_browser(self, shared: Served) -> None:
        answer = send(shared.port, "GET", "/")
        assert answer.status == 403
        assert b"<Code>AccessDenied</Code>" in answer.body
        assert answer.headers["x-amz-request-id"].encode() in answer.body

    def test_a_page_that_has_another_name_for_this_host(self, shared: Served) -> None:
        answer = send(shared.port, "GET", "/", Host="evil.example.org")
        assert answer.status == 403
        assert b"evil.example.org" in answer.body

    def test_a_json_client(self, shared: Served) -> None:
        answer = send(shared.port, "POST", "/", b"{}", X_Amz_Target="SageMaker.ListModels")
        assert answer.status == 403
        assert orjson.loads(answer.body)["__type"] == "MissingAuthenticationTokenException"
        assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"

    def test_a_query_client(self, shared: Served) -> None:
        answer = send(
            shared.port,
            "POST",
            "/",
            b"Action=GetCallerIdentity",
            Content_Type="application/x-www-form-urlencoded",
        )
        assert answer.status == 403
        assert b"<Code>MissingAuthenticationToken</Code>" in answer.body

    def test_a_head_request_has_no_body(self, shared: Served) -> None:
        answer = send(shared.port, "HEAD", "/bucket")
        assert (answer.status, answer.body) == (403, b"")

    def test_a_service_that_is_not_there(self, shared: Served) -> None:
        headers = signed(shared.context.home, shared.port, "ec2", "POST", "/")
        answer = send(shared.port, "POST", "/", **headers)
        assert answer.status == 404
        assert b"does not have the service" in answer.body

    @pytest.mark.parametrize(
        ("service", "operation"),
        [
            pytest.param("ec2", "describe_instances", id="query of ec2"),
            pytest.param("sns", "list_topics", id="query"),
            pytest.param("dynamodb", "list_tables", id="JSON"),
            pytest.param("route53", "list_hosted_zones", id="REST with XML"),
            pytest.param("lambda", "list_functions", id="REST with JSON"),
        ],
    )
    def test_its_clients_can_read_that(self, shared: Served, service: str, operation: str) -> None:
        client = shared.client(service)
        with pytest.raises(ClientError) as caught:
            getattr(client, operation)()
        error = caught.value.response["Error"]
        assert error["Code"] == "UnknownOperationException"
        assert f"does not have the service '{service}'; it has iam, s3, sm-local, sts" in (
            html.unescape(error["Message"])
        )

    def test_a_body_too_large_to_hold(self, shared: Served) -> None:
        body = bytes(9 << 20)
        headers = signed(shared.context.home, shared.port, "sts", "POST", "/", data=body)
        answer = send(shared.port, "POST", "/", body, **headers)
        assert answer.status == 413

    def test_another_body_than_was_signed(self, shared: Served) -> None:
        home = shared.context.home
        shared.context.objects.create_bucket("bucket")
        before = files(home)
        headers = signed(home, shared.port, "s3", "PUT", "/bucket/key", data=b"data")
        answer = send(shared.port, "PUT", "/bucket/key", b"atad", **headers)
        assert answer.status == 400
        assert b"<Code>XAmzContentSHA256Mismatch</Code>" in answer.body
        assert shared.context.objects.info("bucket", "key") is None
        assert files(home) == before


class TestConnections:
    def test_who_asks_before_sending_is_told_without_the_body(self, shared: Served) -> None:
        home = shared.context.home
        headers = signed(
            home,
            shared.port,
            "s3",
            "PUT",
            "/missing/key",
            headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"},
        )
        lines = ["PUT /missing/key HTTP/1.1", f"Host: 127.0.0.1:{shared.port}"]
        lines += ["Expect: 100-continue", "Content-Length: 1000000"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        with socket.create_connection(("127.0.0.1", shared.port), PATIENCE) as client:
            client.sendall("\r\n".join([*lines, "", ""]).encode())
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"NoSuchBucket" in answer
        assert b"\r\nconnection: close\r\n" in answer

    def test_a_client_that_goes_away_leaves_nothing(self, served: Served) -> None:
        home = served.context.home
        served.context.objects.create_bucket("bucket")
        headers = signed(
            home,
            served.port,
            "s3",
            "PUT",
            "/bucket/key",
            headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"},
        )
        lines = ["PUT /bucket/key HTTP/1.1", f"Host: 127.0.0.1:{served.port}"]
        lines += ["Content-Length: 10000000", *(f"{k}: {v}" for k, v in headers.items())]
        with socket.create_connection(("127.0.0.1", served.port), PATIENCE) as client:
            client.sendall("\r\n".join([*lines, "", ""]).encode() + bytes(3_000_000))
            until(lambda: bool(files(home)))
        until(lambda: not files(home))
        assert served.context.objects.info("bucket", "key") is None

    def test_requests_follow_each_other_on_a_connection(self, shared: Served) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=PATIENCE)
        ids = set()
        for _ in range(3):
            headers = signed(shared.context.home, shared.port, "s3", "GET", "/")
            connection.request("GET", "/", headers=headers)
            response = connection.getresponse()
            assert response.status == 200
            response.read()
            ids.add(response.headers["x-amz-request-id"])
        connection.close()
        assert len(ids) == 3


class TestLife:
    def test_busy_is_who_has_jobs_or_endpoints(self, served: Served) -> None:
        assert served.app.busy()
        served.jobs.names.clear()
        assert served.app.busy()
        served.endpoints.names.clear()
        assert not served.app.busy()

    def test_requests_are_noticed(self, served: Served) -> None:
        before = served.app.last_request
        until(lambda: time.monotonic() > before)
        send(served.port, "GET", "/")
        assert served.app.last_request > before

    def test_jobs_and_endpoints_live_with_it(self, serve: Callable[[], Served]) -> None:
        served = serve()
        assert served.jobs.calls == ["start"]
        assert served.endpoints.calls == ["start"]


class Process:
    """The whole service, as a process of its own."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sm_local.service", str(home.path), "--port", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: home.service_json.exists() or self.process.poll() is not None)
        described = orjson.loads(home.service_json.read_bytes())
        assert described["pid"] == self.process.pid
        self.port: int = described["port"]
        self.clients: list[Any] = []

    def client(self, service: str, **config: Any) -> Any:
        pair = self.home.credentials()
        session: Any = boto3.Session(pair.access_key_id, pair.secret_access_key, region_name=REGION)
        options = {"retries": {"total_max_attempts": 1}} | config
        client = session.client(
            service, endpoint_url=f"http://127.0.0.1:{self.port}", config=Config(**options)
        )
        self.clients.append(client)
        return client

    def peak(self) -> int:
        """The most memory it has used, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) // 1024

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        for client in self.clients:
            client.close()
        self.home.service_json.unlink(missing_ok=True)


@contextmanager
def process(home: Home) -> Iterator[Process]:
    running = Process(home)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end(signal.SIGKILL)


def test_the_whole_service_is_assembled(home: Home) -> None:
    app = create_app(home, port=8000)
    assert not app.busy()
    assert not app.shutdown_requested.is_set()
    asyncio.run(app.shutdown(stop_endpoints=False))


def test_all_services_answer(home: Home) -> None:
    with process(home) as service:
        assert service.client("sts").get_caller_identity()["Account"] == "000000000000"
        assert service.client("s3").list_buckets()["Buckets"] == []
        assert service.client("iam").get_role(RoleName="r")["Role"]["RoleName"] == "r"
        assert service.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []
        with pytest.raises(ClientError, match="Requested resource not found"):
            service.client("sagemaker").describe_training_job(TrainingJobName="j")
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            service.client("logs").get_log_events(logGroupName="g", logStreamName="s")
        with pytest.raises(ClientError, match="not found"):
            service.client("sagemaker-runtime").invoke_endpoint(EndpointName="e", Body=b"")


def test_memory_does_not_grow_with_objects(home: Home, tmp_path: Path) -> None:
    size = 300 << 20
    source = tmp_path / "large"
    with source.open("wb") as file:
        file.truncate(size)
    with process(home) as service:
        s3 = service.client("s3")
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="small", Body=b"")
        before = service.peak()
        with source.open("rb") as file:
            s3.put_object(Bucket="bucket", Key="one", Body=file)
        s3.upload_file(str(source), "bucket", "parts")
        s3.download_file("bucket", "parts", str(tmp_path / "back"))
        assert (tmp_path / "back").stat().st_size == size
        assert service.peak() - before < 40


def test_a_killed_service_has_all_that_it_confirmed(home: Home) -> None:
    """And nothing of what it did not: every object is whole, and no blob is left over."""
    confirmed: dict[str, bytes] = {}
    keys = [f"key-{number}" for number in range(4)]
    for _ in range(3):
        with process(home) as service:
            service.client("s3").create_bucket(Bucket="bucket")
            client = service.client("s3")
            threads = [
                threading.Thread(target=_put_until_it_ends, args=(client, key, confirmed))
                for key in keys
            ]
            for thread in threads:
                thread.start()
            _until_changed(confirmed)
            service.end(signal.SIGKILL)
            for thread in threads:
                thread.join()
    with process(home) as service:
        client = service.client("s3")
        for key, sent in confirmed.items():
            body = client.get_object(Bucket="bucket", Key=key)["Body"].read()
            # What was sent last may have been stored without its answer arriving.
            assert int(body.split(b" ", 1)[0]) - int(sent.split(b" ", 1)[0]) in (0, 1)
            assert len(body) == len(sent)
        service.end(signal.SIGTERM)
    database = Database(home.state_db)
    ((count,),) = database.query("SELECT count(*) FROM objects")
    database.close()
    assert len(files(home)) == count


def _until_changed(confirmed: dict[str, bytes]) -> None:
    before = dict(confirmed)
    until(lambda: confirmed != before)


def _put_until_it_ends(client: Any, key: str, confirmed: dict[str, bytes]) -> None:
    number = int(confirmed.get(key, b"0").split(b" ", 1)[0])
    while True:
        number += 1
        body = b"%d " % number
        body += b"x" * (300_000 - len(body))
        try:
            client.put_object(Bucket="bucket", Key=key, Body=body)
        except (BotoCoreError, ClientError):
            return
        confirmed[key] = body
