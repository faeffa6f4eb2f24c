"""The client's waiting, against the real service."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sm_core.endpoints import Endpoint
from sm_core.session import Session

pytestmark = pytest.mark.integ


@pytest.fixture
def session(shared: Any) -> Session:
    clients = {"sagemaker_client": shared.client("sagemaker")}
    return Session(backend="local", **clients)


def test_an_endpoint_that_is_being_created_is_deleted_when_that_has_ended(
    shared: Any, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    client = shared.client("sagemaker")
    ready = shared.folder / "ready-to-go"
    shared.deploy("under-way", Environment={"READY_FILE": str(ready)})
    refusals: list[str] = []

    def let_go(parsed: dict[str, Any], **_: Any) -> None:
        if "Error" in parsed:
            refusals.append(parsed["Error"]["Message"])
            ready.touch()

    client.meta.events.register("after-call.sagemaker.DeleteEndpoint", let_go)
    Endpoint("under-way", session).delete()
    client.meta.events.unregister("after-call.sagemaker.DeleteEndpoint", let_go)
    assert len(refusals) == 1
    shown = capsys.readouterr().out
    assert "can be deleted only when what is under way has ended" in shown
    assert "Endpoint under-way: InService" in shown
    shared.until(lambda: client.list_endpoints(NameContains="under-way")["Endpoints"] == [])
    for describe, name in (
        (client.describe_endpoint_config, "EndpointConfigName"),
        (client.describe_model, "ModelName"),
    ):
        with pytest.raises(ClientError, match="Could not find"):
            describe(**{name: "under-way"})
