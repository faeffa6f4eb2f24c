"""Signatures, against botocore's own signers."""

from __future__ import annotations

import posixpath
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote, urlsplit

import attrs
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from sm_local.home import Credentials, Home
from sm_local.service.database import Database
from sm_local.service.errors import ServiceError
from sm_local.service.keys import Keys
from sm_local.service.signatures import Authenticator, claimed
from sm_local.service.wire import Caller, Request

HOST = "127.0.0.1:8000"
USER = Credentials(access_key_id="SMLOCALUSER", secret_access_key="secret")
REGION = "us-east-1"

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)

texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
segments = texts.filter(lambda text: "/" not in text and text not in (".", ".."))
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)


@attrs.frozen
class Message:
    """An HTTP request as bytes."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __bytes__(self) -> bytes:
        lines = [f"{self.method} {self.target}", *(f"{k}:{v}" for k, v in self.headers)]
        return "\n".join(lines).encode("latin-1") + b"\n\n" + self.body

    @property
    def request(self) -> Request:
        return parsed(bytes(self))


def parsed(raw: bytes) -> Request:
    head, _, body = raw.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, target = first.partition(b" ")
    path, _, query = target.partition(b"?")
    headers = [(name, value) for name, _, value in (line.partition(b":") for line in lines)]
    scope = {
        "method": method.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": headers,
    }

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 3):
            yield body[start : start + 3]

    return Request.from_asgi(scope, stream())


def signed(
    service: str,
    *,
    method: str = "POST",
    path: str = "/",
    query: str = "",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    pair: Credentials = USER,
    signer: type[SigV4Auth] | None = None,
) -> Message:
    """What botocore would send."""
    request = AWSRequest(
        method=method,
        url=f"http://{HOST}{path}" + (f"?{query}" if query else ""),
        headers=headers or {},
        data=body,
    )
    request.context["client_config"] = Config()
    credentials = BotoCredentials(pair.access_key_id, pair.secret_access_key)
    signer = signer or (S3SigV4Auth if service == "s3" else SigV4Auth)
    signer(credentials, service, REGION).add_auth(request)
    parts = urlsplit(str(request.url))
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    sent = {name.lower(): value for name, value in request.headers.items()}
    return Message(method, target, tuple(({"host": HOST} | sent).items()), body)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    path = "/" + "/".join(quote(part, safe="") for part in draw(st.lists(segments, max_size=4)))
    pairs = draw(st.lists(st.tuples(texts.filter(bool), texts), max_size=3))
    names = st.sampled_from(["Content-Type", "X-Amz-Target", "x-amz-meta-a", "Range"])
    return signed(
        draw(st.sampled_from(["sagemaker", "s3", "logs", "sts", "iam", "sm-local"])),
        method=draw(st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"])),
        path=path,
        query="&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in pairs),
        headers=draw(st.dictionaries(names, header_values.filter(str.strip))),
        body=draw(st.binary(max_size=20)),
    )


def meaning(request: Request, body: bytes) -> object:
    """All of a request that matters; two that mean the same may be spelt differently."""
    path = request.path
    if claimed(request).service != "s3":
        path = posixpath.normpath(f"/./{request.raw_path}")
        path += "/" if path != "/" and request.raw_path.endswith("/") else ""
    headers = {
        name: value.split() for name, value in request.headers.items() if name != "authorization"
    }
    return request.method, path, sorted(request.query), headers, claimed(request), body


class Gate:
    """An authenticator with one user and one job."""

    def __init__(self, home: Home, *, late: float = 0.0) -> None:
        self.database = Database(home.state_db)
        keys = Keys(self.database, USER)
        self.job = keys.issue("job")
        hosts = {HOST, "localhost:8000"}
        self.authenticator = Authenticator(keys, hosts, clock=lambda: NOW.timestamp() + late)

    def admit(self, request: Request) -> tuple[Caller, bytes]:
        """Who sent the request, and its body."""

        async def admitted() -> tuple[Caller, bytes]:
            return await self.authenticator.caller(request), await request.body(1 << 20)

        # Nothing here waits for anything, and an event loop for each example takes long.
        try:
            admitted().send(None)
        except StopIteration as stop:
            result: tuple[Caller, bytes] = stop.value
            return result
        raise AssertionError("the body is there already")

    def refusal(self, request: Request) -> ServiceError:
        with pytest.raises(ServiceError) as refused:
            self.admit(request)
        return refused.value


@pytest.fixture(autouse=True)
def _one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign the same way every time, so that a failure can be had again."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: NOW)


@pytest.fixture
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    gate = Gate(Home(tmp_path_factory.mktemp("gate") / "home").create())
    yield gate
    gate.database.close()


@pytest.mark.timeout(600)  # all rounds of `make test-long`
class TestBotocore:
    """Of any shape of request."""

    def test_what_it_signs_is_let_through(self, gate: Gate) -> None:
        @given(messages())
        def check(message: Message) -> None:
            assert gate.admit(message.request) == (
                Caller(access_key_id=USER.access_key_id, owner="user"),
                message.body,
            )

        check()

    def test_any_changed_byte_is_noticed(self, gate: Gate) -> None:
        @given(messages(), st.data())
        def check(message: Message, data: st.DataObject) -> None:
            raw = bytearray(bytes(message))
            position = data.draw(st.integers(0, len(raw) - 1))
            raw[position] ^= data.draw(st.integers(1, 255))
            changed = parsed(bytes(raw))
            try:
                same = meaning(changed, bytes(raw).partition(b"\n\n")[2]) == meaning(
                    message.request, message.body
                )
            except ServiceError:
                same = False
            if not same:
                gate.refusal(changed)

        check()

    def test_a_request_of_a_job_is_the_job_s(self, gate: Gate) -> None:
        caller, _ = gate.admit(signed("s3", pair=gate.job).request)
        assert (caller.owner, caller.is_user) == ("job", False)

    def test_a_date_header_will_do(self, gate: Gate) -> None:
        message = signed("sagemaker", headers={"Date": "Fri, 02 Jan 2026 03:04:05 GMT"})
        assert "x-amz-date" not in message.request.headers
        gate.admit(message.request)

    def test_an_unsigned_payload_is_for_s3_alone(self, gate: Gate) -> None:
        headers = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
        message = signed("s3", headers=headers, body=b"body", signer=SigV4Auth)
        assert gate.admit(attrs.evolve(message, body=b"other").request)[1] == b"other"
        elsewhere = signed("logs", headers=headers, body=b"body")
        assert gate.refusal(elsewhere.request).code == "SignatureDoesNotMatch"


class TestRefusals:
    """Each with AWS's code and 403, unless noted."""

    @pytest.mark.parametrize("service", ["s3", "sagemaker"])
    @pytest.mark.parametrize("late", [timedelta(minutes=16), timedelta(minutes=-16)])
    def test_a_clock_that_is_off(self, tmp_path: Path, service: str, late: timedelta) -> None:
        gate = Gate(Home(tmp_path / "home").create(), late=late.total_seconds())
        with closing(gate.database):
            error = gate.refusal(signed(service).request)
        assert (error.code, error.status) == ("RequestExpired", 403)

    def test_a_clock_that_is_nearly_right(self, tmp_path: Path) -> None:
        gate = Gate(Home(tmp_path / "home").create(), late=14 * 60)
        with closing(gate.database):
            gate.admit(signed("sagemaker").request)

    def test_an_unknown_key(self, gate: Gate) -> None:
        other = Credentials(access_key_id="AKIAOTHER", secret_access_key="secret")
        error = gate.refusal(signed("s3", pair=other).request)
        assert (error.code, error.status) == ("InvalidClientTokenId", 403)
        assert "AKIAOTHER" in error.message

    def test_a_wrong_secret(self, gate: Gate) -> None:
        other = attrs.evolve(USER, secret_access_key="guess")
        error = gate.refusal(signed("s3", pair=other).request)
        assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)

    @pytest.mark.parametrize("host", ["example.org", "127.0.0.1", "127.0.0.1:8001", ""])
    def test_another_host(self, gate: Gate, host: str) -> None:
        error = gate.refusal(signed("s3", headers={"Host": host}).request)
        assert (error.code, error.status) == ("AccessDenied", 403)
        assert HOST in error.message

    def test_no_signature(self, gate: Gate) -> None:
        error = gate.refusal(Message("GET", "/", (("host", HOST),), b"").request)
        assert (error.code, error.status) == ("MissingAuthenticationToken", 403)

    @pytest.mark.parametrize(
        ("header", "said"),
        [
            ("AWS4-HMAC-SHA256 Credential=a/b", "must have Credential, SignedHeaders"),
            (
                "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0",
                "<key>/<date>/<region>/<service>/aws4_request",
            ),
        ],
    )
    def test_a_header_that_is_not_understood(self, gate: Gate, header: str, said: str) -> None:
        headers = (("host", HOST), ("authorization", header))
        error = gate.refusal(Message("GET", "/", headers, b"").request)
        assert (error.code, error.status) == ("IncompleteSignature", 403)
        assert said in error.message

    def test_headers_that_are_not_signed(self, gate: Gate) -> None:
        message = signed("s3")
        more = attrs.evolve(message, headers=(*message.headers, ("x-amz-acl", "public-read")))
        error = gate.refusal(more.request)
        assert (error.code, error.status) == ("AccessDenied", 403)
        assert "x-amz-acl" in error.message

    def test_a_host_that_is_not_signed(self, gate: Gate) -> None:
        message = signed("s3")
        headers = tuple((k, v.replace("host;", "")) for k, v in message.headers)
        error = gate.refusal(attrs.evolve(message, headers=headers).request)
        assert error.status == 403

    def test_a_scope_of_another_day(self, gate: Gate) -> None:
        message = signed("s3")
        date = claimed(message.request).date
        headers = tuple((k, v.replace(f"/{date}/", "/20200101/")) for k, v in message.headers)
        error = gate.refusal(attrs.evolve(message, headers=headers).request)
        assert (error.code, error.status) == ("IncompleteSignature", 403)

    def test_a_body_without_its_hash_in_s3(self, gate: Gate) -> None:
        error = gate.refusal(signed("s3", signer=SigV4Auth).request)
        assert (error.code, error.status) == ("InvalidRequest", 400)

    def test_another_body_in_s3(self, gate: Gate) -> None:
        message = signed("s3", body=b"body")
        error = gate.refusal(attrs.evolve(message, body=b"ydob").request)
        assert (error.code, error.status) == ("XAmzContentSHA256Mismatch", 400)


class TestLater:
    """What AWS has and the local service has not yet is refused by its name."""

    def test_presigned_urls(self, gate: Gate) -> None:
        message = signed("sagemaker", signer=SigV4QueryAuth)
        error = gate.refusal(message.request)
        assert (error.code, error.status) == ("NotImplemented", 501)
        assert "presigned URLs" in error.message

    def test_chunks_signed_by_version_4a(self, gate: Gate) -> None:
        headers = {"X-Amz-Content-SHA256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}
        error = gate.refusal(signed("s3", headers=headers, signer=SigV4Auth).request)
        assert (error.code, error.status) == ("NotImplemented", 501)
        assert "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD" in error.message

    def test_chunks_of_no_known_size(self, gate: Gate) -> None:
        headers = {"X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}
        error = gate.refusal(signed("s3", headers=headers, signer=SigV4Auth).request)
        assert (error.code, error.status) == ("MissingContentLength", 411)

    def test_other_algorithms(self, gate: Gate) -> None:
        headers = (("host", HOST), ("authorization", "AWS SMLOCALUSER:c2lnbmF0dXJl"))
        error = gate.refusal(Message("GET", "/", headers, b"").request)
        assert (error.code, error.status) == ("NotImplemented", 501)
