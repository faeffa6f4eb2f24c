"""Endpoints from CreateEndpoint to DeleteEndpoint, in real processes."""

from __future__ import annotations

import io
import os
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.integ

ARN = "arn:aws:sagemaker:us-east-1:000000000000"


def archive(**files: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def in_service(service: Any, name: str) -> dict[str, Any]:
    description: dict[str, Any] = service.endpoint(name)
    assert description["EndpointStatus"] == "InService", description
    return description


def server_pid(service: Any, name: str) -> int:
    pid: int = service.invoke(name)["pid"]
    return pid


def back_again(service: Any, name: str, not_pid: int) -> int:
    """The process number of the server that answers instead of the former one."""

    def another() -> int | None:
        client = service.client("sagemaker-runtime")
        try:
            pid = server_pid(service, name)
        except (client.exceptions.ServiceUnavailable, client.exceptions.ModelError):
            return None
        return None if pid == not_pid else pid

    pid: int = service.until(another)
    return pid


def delete(service: Any, name: str) -> None:
    service.client("sagemaker").delete_endpoint(EndpointName=name)

    def statuses() -> list[str]:
        found = service.client("sagemaker").list_endpoints(NameContains=name)["Endpoints"]
        return [each["EndpointStatus"] for each in found if each["EndpointName"] == name]

    assert statuses() in (["Deleting"], [])
    service.until(lambda: not statuses())
    assert not list(service.home.endpoints.glob(f"{name}-*"))


def sockets(service: Any, name: str) -> list[str]:
    """The sockets that processes of the endpoint were told."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = environ.read_bytes()
        except OSError:
            continue
        base = f"SAGEMAKER_BASE_DIR={service.home.endpoints}/{name}-".encode()
        if base in variables:
            marker = b"SMCORE_SERVER_SOCKET="
            found += [
                each.removeprefix(marker).decode()
                for each in variables.split(b"\0")
                if each.startswith(marker)
            ]
    return found


def test_an_endpoint_serves_its_model_and_goes_without_trace(shared: Any) -> None:
    shared.upload({"model.tar.gz": archive(**{"weights": "1", "code/inference.py": ""})})
    shared.deploy("serves", ModelDataUrl="s3://data/model.tar.gz", Environment={"GREETING": "hi"})
    description = in_service(shared, "serves")
    assert description["EndpointArn"] == f"{ARN}:endpoint/serves"
    (variant,) = description["ProductionVariants"]
    assert variant["VariantName"] == "AllTraffic"
    assert (variant["CurrentInstanceCount"], variant["DesiredWeight"]) == (1, 1.0)
    assert variant["DeployedImages"][0]["SpecifiedImage"] == "test"
    seen = shared.invoke("serves")
    assert seen["model"] == ["code", "inference.py", "weights"]
    assert seen["user"] == "hi"
    assert seen["key"] != shared.home.credentials().access_key_id
    (socket,) = sockets(shared, "serves")
    assert len(socket) < 100
    assert Path(socket).parent.stat().st_mode & 0o777 == 0o700
    delete(shared, "serves")
    assert not sockets(shared, "serves")
    assert not Path(socket).parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(seen["pid"], 0)


def test_configuration_and_model_stay_until_they_are_deleted(shared: Any) -> None:
    client = shared.client("sagemaker")
    shared.deploy("parts")
    in_service(shared, "parts")
    client.delete_model(ModelName="parts")
    client.delete_endpoint_config(EndpointConfigName="parts")
    assert shared.invoke("parts")["body"] == "hello"
    delete(shared, "parts")


def test_a_server_that_ends_fails_its_endpoint_at_once(shared: Any) -> None:
    shared.deploy("fails", Environment={"MODE": "fail"})
    description = shared.endpoint("fails")
    assert description["EndpointStatus"] == "Failed"
    assert description["FailureReason"].startswith(
        "The primary container for production variant AllTraffic did not pass the ping health "
        "check. Please check CloudWatch logs for this endpoint. "
        "The model server ended with exit code 1. Its last log lines:\n"
    )
    assert description["FailureReason"].endswith("\nRuntimeError: the model cannot be loaded")
    assert "ProductionVariants" not in description
    with pytest.raises(ClientError, match="Endpoint fails of account 000000000000 not found"):
        shared.invoke("fails")
    delete(shared, "fails")


def test_an_endpoint_without_environment(shared: Any) -> None:
    shared.deploy("no-environment", Image="broken")
    description = shared.endpoint("no-environment")
    assert description["FailureReason"].endswith("no solution found:\nfoo needs bar")
    delete(shared, "no-environment")


@pytest.mark.parametrize("content", [b"no archive", archive(**{"../escaped": "x"})])
def test_a_model_that_cannot_be_unpacked(shared: Any, content: bytes) -> None:
    shared.upload({"bad.tar.gz": content})
    name = f"bad-{len(content)}"
    shared.deploy(name, ModelDataUrl="s3://data/bad.tar.gz")
    description = shared.endpoint(name)
    assert description["EndpointStatus"] == "Failed"
    assert "the model data at s3://data/bad.tar.gz cannot be" in description["FailureReason"]
    assert not list(shared.home.path.rglob("escaped"))
    delete(shared, name)


def test_an_endpoint_is_in_service_when_it_answers_pings(shared: Any) -> None:
    ready = shared.folder / "ready"
    shared.deploy("pings", Environment={"READY_FILE": str(ready)})
    client = shared.client("sagemaker")
    shared.until(lambda: sockets(shared, "pings"))
    assert client.describe_endpoint(EndpointName="pings")["EndpointStatus"] == "Creating"
    with pytest.raises(ClientError, match=r'Cannot update in-progress endpoint "arn:.*/pings"'):
        client.delete_endpoint(EndpointName="pings")
    with pytest.raises(ClientError, match=r"Endpoint pings of account .* not found"):
        shared.invoke("pings")
    ready.touch()
    in_service(shared, "pings")
    delete(shared, "pings")


def test_a_server_that_dies_is_replaced(shared: Any) -> None:
    shared.deploy("dies")
    in_service(shared, "dies")
    first = server_pid(shared, "dies")
    with pytest.raises(ClientError, match=r"ModelError.*broke off without an answer"):
        shared.invoke("dies", b"die")
    second = back_again(shared, "dies", first)
    os.kill(second, signal.SIGKILL)
    back_again(shared, "dies", second)
    in_service(shared, "dies")
    delete(shared, "dies")


def test_a_server_that_cannot_be_replaced_can_be_deleted(shared: Any) -> None:
    shared.deploy("once", Environment={"MODE": "once"})
    in_service(shared, "once")
    os.kill(server_pid(shared, "once"), signal.SIGKILL)

    def unavailable() -> bool:
        try:
            shared.invoke("once")
        except ClientError as error:
            return bool(error.response["Error"]["Code"] == "ServiceUnavailable")
        return False

    shared.until(unavailable)
    delete(shared, "once")


def test_a_socket_that_is_taken_away(shared: Any) -> None:
    shared.deploy("unreachable")
    in_service(shared, "unreachable")
    first = server_pid(shared, "unreachable")
    (socket,) = sockets(shared, "unreachable")
    Path(socket).unlink()
    back_again(shared, "unreachable", first)
    delete(shared, "unreachable")


def test_endpoints_are_listed(shared: Any) -> None:
    shared.deploy("listed-1")
    shared.deploy("listed-2", Environment={"MODE": "fail"})
    in_service(shared, "listed-1")
    shared.endpoint("listed-2")
    client = shared.client("sagemaker")
    found = client.list_endpoints(NameContains="listed")["Endpoints"]
    assert [each["EndpointName"] for each in found] == ["listed-2", "listed-1"]
    found = client.list_endpoints(NameContains="listed", StatusEquals="InService")["Endpoints"]
    assert [each["EndpointName"] for each in found] == ["listed-1"]
    delete(shared, "listed-1")
    delete(shared, "listed-2")


def test_an_endpoint_outlives_its_service(service: Any) -> None:
    service.deploy("outlives")
    in_service(service, "outlives")
    pid = server_pid(service, "outlives")
    service.kill()
    os.kill(pid, 0)
    service.start()
    assert server_pid(service, "outlives") == pid


def test_an_endpoint_comes_back_with_its_service(service: Any) -> None:
    service.deploy("returns")
    in_service(service, "returns")
    pid = server_pid(service, "returns")
    service.end()
    assert not sockets(service, "returns")
    service.start()
    assert server_pid(service, "returns") != pid


def test_a_deletion_is_carried_through_before_the_service_ends(service: Any) -> None:
    service.deploy("deleted")
    in_service(service, "deleted")
    (socket,) = sockets(service, "deleted")
    service.client("sagemaker").delete_endpoint(EndpointName="deleted")
    service.end()
    assert not list(service.home.endpoints.iterdir())
    assert not Path(socket).parent.exists()
    service.start()
    assert service.client("sagemaker").list_endpoints()["Endpoints"] == []


def test_what_a_killed_service_had_begun_is_carried_through(service: Any) -> None:
    ready = service.folder / "ready"
    service.deploy("begun", Environment={"READY_FILE": str(ready)})
    service.until(lambda: sockets(service, "begun"))
    (socket,) = sockets(service, "begun")
    service.kill()
    ready.touch()
    service.start()
    in_service(service, "begun")
    assert sockets(service, "begun") == [socket]
    service.client("sagemaker").delete_endpoint(EndpointName="begun")
    service.kill()
    service.start()
    service.until(lambda: not list(service.home.endpoints.iterdir()))
    assert not sockets(service, "begun")
