"""The local boto3 session: what reaches the service, whatever the user has configured for AWS."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from sm_core.errors import LocalServiceError
from sm_local.backend import LocalSession, local_boto_session
from sm_local.home import Home
from sm_local.locks import free
from sm_local.startup import ensure_service, probe, stop_service

#: Nothing listens there: port 9 is discard.
NOWHERE = "http://127.0.0.1:9"
CONFIGURATION = f"""\
[default]
region = eu-central-1
endpoint_url = {NOWHERE}
retry_mode = sometimes
max_attempts = many
parameter_validation = false
ca_bundle = /missing
s3 =
    addressing_style = virtual
    payload_signing_enabled = true
    use_accelerate_endpoint = true
services = elsewhere
credential_process = /bin/false
[services elsewhere]
s3 =
    endpoint_url = {NOWHERE}
sagemaker =
    endpoint_url = {NOWHERE}
"""
VARIABLES = {
    "ALL_PROXY": NOWHERE,
    "AWS_ACCESS_KEY_ID": "AKIAOTHER",
    "AWS_ACCOUNT_ID": "111111111111",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "bogus",
    "AWS_AUTH_SCHEME_PREFERENCE": "bogus",
    "AWS_CA_BUNDLE": "/missing",
    "AWS_CONFIG_FILE": "/missing",
    "AWS_CSM_ENABLED": "true",
    "AWS_DATA_PATH": "/missing",
    "AWS_DEFAULTS_MODE": "bogus",
    "AWS_DEFAULT_PROFILE": "missing",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_DISABLE_REQUEST_COMPRESSION": "bogus",
    "AWS_ENDPOINT_DISCOVERY_ENABLED": "bogus",
    "AWS_ENDPOINT_URL": NOWHERE,
    "AWS_ENDPOINT_URL_S3": NOWHERE,
    "AWS_ENDPOINT_URL_SAGEMAKER": NOWHERE,
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_MAX_ATTEMPTS": "bogus",
    "AWS_METADATA_SERVICE_TIMEOUT": "bogus",
    "AWS_PROFILE": "missing",
    "AWS_REGION": "not a region!",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "bogus",
    "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES": "bogus",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "bogus",
    "AWS_RETRY_MODE": "bogus",
    "AWS_ROLE_ARN": "arn:aws:iam::111111111111:role/other",
    "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "bogus",
    "AWS_S3_USE_ARN_REGION": "bogus",
    "AWS_SDK_UA_APP_ID": "x" * 100,
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-shell",
    "AWS_SESSION_TOKEN": "token-of-the-shell",
    "AWS_SHARED_CREDENTIALS_FILE": "/missing",
    "AWS_SIGV4A_SIGNING_REGION_SET": "*",
    "AWS_STS_REGIONAL_ENDPOINTS": "bogus",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/missing",
    "BOTO_CONFIG": "/missing",
    "HTTPS_PROXY": NOWHERE,
    "HTTP_PROXY": NOWHERE,
    "HOME": "/missing",
    "NO_PROXY": "",
    "REQUESTS_CA_BUNDLE": "/missing",
    "SSL_CERT_FILE": "/missing",
    "all_proxy": NOWHERE,
    "http_proxy": NOWHERE,
    "https_proxy": NOWHERE,
    "no_proxy": "example.com",
}


@pytest.fixture
def home(shared_standin_home: Home) -> Home:
    """A home whose service runs and has noted nothing yet."""
    ensure_service(shared_standin_home)
    requests(shared_standin_home)
    return shared_standin_home


def requests(home: Home) -> list[dict[str, Any]]:
    """What has reached the service since the last call."""
    path = home.path / "requests"
    text = path.read_text() if path.exists() else ""
    path.unlink(missing_ok=True)
    return [json.loads(line) for line in text.splitlines()]


def use(session: LocalSession) -> None:
    """Upload something through a resource and ask something through a client."""
    session.resource("s3").Bucket("a.bucket").put_object(Key="a/key", Body=b"content")
    session.client("logs").describe_log_groups()


def check(home: Home) -> None:
    """Exactly the two requests of `use` arrived, signed with the home's key for its region."""
    upload, question = requests(home)
    service = probe(home)
    assert service is not None
    assert (upload["method"], upload["path"]) == ("PUT", "/a.bucket/a/key")
    target = question["headers"]["x-amz-target"]
    assert target in {"Logs_20140328.DescribeLogGroups", "SageMaker.ListTrainingJobs"}
    service_of_target = "logs" if target.startswith("Logs") else "sagemaker"
    key = home.credentials().access_key_id
    for request, name in ((upload, "s3"), (question, service_of_target)):
        headers = request["headers"]
        assert f"Credential={key}/" in headers["authorization"]
        assert f"/us-east-1/{name}/aws4_request" in headers["authorization"]
        assert headers["host"] == f"127.0.0.1:{service.port}"
        assert "x-amz-security-token" not in headers
    headers = upload["headers"]
    assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert headers["content-length"] == "7"
    assert not [name for name in headers if "checksum" in name or name == "content-encoding"]


@pytest.mark.integ
class TestHermetic:
    def test_plain(self, home: Home) -> None:
        use(local_boto_session(home))
        check(home)

    @pytest.mark.parametrize("name", VARIABLES)
    def test_a_variable(self, home: Home, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, VARIABLES[name])
        use(LocalSession(home))
        check(home)

    def test_all_variables_at_once(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in VARIABLES.items():
            monkeypatch.setenv(name, value)
        use(LocalSession(home))
        check(home)

    @pytest.mark.parametrize("text", [CONFIGURATION, "[default\nregion", "\0\xff"])
    @pytest.mark.parametrize("place", ["variables", "home"])
    def test_a_configuration_file(
        self,
        home: Home,
        text: str,
        place: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        folder = tmp_path / ".aws"
        folder.mkdir()
        for name in ("config", "credentials"):
            (folder / name).write_bytes(text.encode("latin-1"))
        if place == "home":
            monkeypatch.setenv("HOME", str(tmp_path))
            monkeypatch.delenv("AWS_CONFIG_FILE", raising=False)
            monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE", raising=False)
        else:
            monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
            monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
        use(LocalSession(home))
        check(home)

    def test_the_session_tells_the_same(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in VARIABLES.items():
            monkeypatch.setenv(name, value)
        session = LocalSession(home)
        credentials = session.get_credentials()
        assert credentials is not None
        pair = home.credentials()
        assert credentials.access_key == pair.access_key_id
        assert credentials.secret_key == pair.secret_access_key
        assert session.region_name == "us-east-1"
        assert session.available_profiles == []

    def test_the_callers_arguments(self, home: Home) -> None:
        given = Config(
            region_name="eu-west-1",
            proxies={"http": NOWHERE},
            read_timeout=7,
            s3={"addressing_style": "virtual"},
        )
        client = LocalSession(home).client("s3", "eu-west-1", endpoint_url=NOWHERE, config=given)
        client.put_object(Bucket="bucket", Key="key", Body=b"content")
        (request,) = requests(home)
        assert request["path"] == "/bucket/key"
        assert client.meta.region_name == "us-east-1"
        assert client.meta.config.read_timeout == 7

    def test_other_sessions_are_left_alone(self, home: Home) -> None:
        LocalSession(home)
        assert (
            boto3.Session(region_name="eu-west-1")
            .client("s3")
            .meta.endpoint_url.startswith("https://")
        )

    def test_a_presigned_address_is_the_services(self, home: Home) -> None:
        client = LocalSession(home).client("s3")
        address = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
        assert address.startswith(f"{ensure_service(home).endpoint_url}/b/k?")
        assert requests(home) == []


@pytest.mark.integ
class TestStartsTheService:
    def test_not_before_the_first_client(self, standin_home: Home) -> None:
        session = LocalSession(standin_home)
        assert probe(standin_home) is None
        session.client("sagemaker")
        assert probe(standin_home) is not None

    def test_in_a_hostile_environment(self, standin_home: Home, tmp_path: Path) -> None:
        hostile = {**os.environ, **VARIABLES, "SMCORE_LOCAL_HOME": str(standin_home.path)}
        program = (
            "from sm_local.backend import local_boto_session as make\n"
            "session = make()\n"
            "session.resource('s3').Bucket('a.bucket').put_object(Key='a/key', Body=b'content')\n"
            "session.client('sagemaker').list_training_jobs()\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", program],
            env=hostile,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        check(standin_home)

    @pytest.mark.parametrize("end", ["stopped", "killed"])
    def test_again_before_a_request(self, standin_home: Home, end: str) -> None:
        client = LocalSession(standin_home).client("sagemaker")
        client.list_training_jobs()
        before = probe(standin_home)
        assert before is not None
        if end == "stopped":
            stop_service(standin_home)
        else:
            os.kill(before.pid, signal.SIGKILL)
            assert free(standin_home.service_lock, 20)
        client.list_training_jobs()
        after = probe(standin_home)
        assert after is not None
        assert after.pid != before.pid
        assert after.port == before.port

    def test_at_another_port(self, standin_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        client = LocalSession(standin_home).client("sagemaker")
        stop_service(standin_home)
        moved = ensure_service(standin_home, port=free_port())
        with pytest.raises(LocalServiceError, match=f"port {moved.port} .* make a new Session"):
            client.list_training_jobs()

    def test_that_cannot_start(self, standin_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SMCORE_LOCAL_STANDIN", "fails")
        with pytest.raises(LocalServiceError, match="the disk is on fire"):
            LocalSession(standin_home).client("s3")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
