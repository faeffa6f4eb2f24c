"""Endpoints with several variants and instances, and updates of them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.integ


def variant(name: str, model: str, count: int = 1, weight: float = 1.0) -> dict[str, Any]:
    return {
        "VariantName": name,
        "ModelName": model,
        "InitialInstanceCount": count,
        "InstanceType": "ml.c4.xlarge",
        "InitialVariantWeight": weight,
    }


def configure(service: Any, name: str, *variants: dict[str, Any]) -> None:
    service.client("sagemaker").create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=list(variants)
    )


def create(service: Any, name: str, *variants: dict[str, Any]) -> dict[str, Any]:
    configure(service, name, *variants)
    service.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
    description: dict[str, Any] = service.endpoint(name)
    assert description["EndpointStatus"] == "InService", description.get("FailureReason")
    return description


def update(service: Any, name: str, config: str, **changes: Any) -> None:
    client = service.client("sagemaker")
    answer = client.update_endpoint(EndpointName=name, EndpointConfigName=config, **changes)
    assert answer["EndpointArn"].endswith(f":endpoint/{name}")


def settled(service: Any, name: str) -> dict[str, Any]:
    def look() -> Any:
        description = service.client("sagemaker").describe_endpoint(EndpointName=name)
        return None if description["EndpointStatus"] == "Updating" else description

    description: dict[str, Any] = service.until(look)
    return description


@pytest.fixture(scope="module")
def models(shared: Any) -> Any:
    """A service with the models ``one``, ``two`` and ``broken``."""
    for name in ("one", "two"):
        shared.model(name, Environment={"GREETING": name})
    shared.model("broken", Environment={"MODE": "fail"})
    return shared


def test_several_variants(models: Any) -> None:
    description = create(models, "two-variants", variant("A", "one", 1, 3), variant("B", "two"))
    shown = [
        (each["VariantName"], each["CurrentWeight"], each["CurrentInstanceCount"])
        for each in description["ProductionVariants"]
    ]
    assert shown == [("A", 3.0, 1), ("B", 1.0, 1)]
    for name, greeting in (("A", "one"), ("B", "two")):
        client = models.client("sagemaker-runtime")
        answer = client.invoke_endpoint(EndpointName="two-variants", Body=b"", TargetVariant=name)
        assert answer["InvokedProductionVariant"] == name
        assert models.invoke("two-variants", TargetVariant=name)["user"] == greeting
    seen = [models.invoke("two-variants")["user"] for _ in range(60)]
    assert 0 < seen.count("two") < seen.count("one")
    with pytest.raises(ClientError, match="Variant C not found"):
        models.invoke("two-variants", TargetVariant="C")
    group = "/aws/sagemaker/Endpoints/two-variants"
    streams = models.client("logs").describe_log_streams(logGroupName=group)["logStreams"]
    assert sorted(each["logStreamName"][:4] for each in streams) == ["A/i-", "B/i-"]


def test_weights_are_changed(models: Any) -> None:
    create(models, "weighed", variant("A", "one"), variant("B", "two"))
    client = models.client("sagemaker")
    wanted = [{"VariantName": "A", "DesiredWeight": 0.0}]
    client.update_endpoint_weights_and_capacities(
        EndpointName="weighed", DesiredWeightsAndCapacities=wanted
    )
    assert {models.invoke("weighed")["user"] for _ in range(10)} == {"two"}
    shown = client.describe_endpoint(EndpointName="weighed")["ProductionVariants"]
    assert [each["CurrentWeight"] for each in shown] == [0.0, 1.0]
    # Their sum is beyond what a float can be.
    largest = [{"VariantName": name, "DesiredWeight": 1e308} for name in "AB"]
    client.update_endpoint_weights_and_capacities(
        EndpointName="weighed", DesiredWeightsAndCapacities=largest
    )
    assert models.invoke("weighed")["user"] in ("one", "two")
    for refused, message in (
        ([{"VariantName": "C", "DesiredWeight": 1.0}], "weighed has no variant C"),
        ([{"VariantName": "C", "DesiredInstanceCount": 1}], "weighed has no variant C"),
        ([{"VariantName": "A", "DesiredInstanceCount": 17}], "variant A is 17; it must be 1 to 16"),
    ):
        with pytest.raises(ClientError, match=message):
            client.update_endpoint_weights_and_capacities(
                EndpointName="weighed", DesiredWeightsAndCapacities=refused
            )


def capacities(description: dict[str, Any]) -> dict[str, tuple[float, int]]:
    """Of each variant its weight and the number of its instances."""
    return {
        each["VariantName"]: (each["CurrentWeight"], each["CurrentInstanceCount"])
        for each in description["ProductionVariants"]
    }


def test_capacities_are_changed_without_down_time_and_retained(models: Any) -> None:
    create(models, "grown", variant("A", "one"))
    client = models.client("sagemaker")
    wanted = [{"VariantName": "A", "DesiredWeight": 2.0, "DesiredInstanceCount": 2}]
    with invoked_all_the_time(models, "grown") as seen:
        client.update_endpoint_weights_and_capacities(
            EndpointName="grown", DesiredWeightsAndCapacities=wanted
        )
        description = settled(models, "grown")
    assert set(seen) <= {"one"}
    assert description["EndpointStatus"] == "InService"
    assert (description["EndpointConfigName"], capacities(description)) == (
        "grown",
        {"A": (2.0, 2)},
    )
    # As many as there are already: nothing is to be started.
    client.update_endpoint_weights_and_capacities(
        EndpointName="grown",
        DesiredWeightsAndCapacities=[{"VariantName": "A", "DesiredInstanceCount": 2}],
    )
    assert client.describe_endpoint(EndpointName="grown")["EndpointStatus"] == "InService"
    configure(models, "grown-2", variant("A", "two", 1, 5), variant("B", "two", 1, 7))
    update(models, "grown", "grown-2", RetainAllVariantProperties=True)
    assert capacities(settled(models, "grown")) == {"A": (2.0, 2), "B": (7.0, 1)}
    excluded = [{"VariantPropertyType": "DesiredInstanceCount"}]
    update(
        models,
        "grown",
        "grown-2",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=excluded,
    )
    assert capacities(settled(models, "grown")) == {"A": (2.0, 1), "B": (7.0, 1)}
    update(models, "grown", "grown-2")
    assert capacities(settled(models, "grown")) == {"A": (5.0, 1), "B": (7.0, 1)}


def test_several_instances(models: Any) -> None:
    create(models, "instances", variant("A", "one", 2))
    pids = {models.invoke("instances")["pid"] for _ in range(40)}
    assert len(pids) == 2
    # One that dies is replaced; the other one answers meanwhile.
    os.kill(pids.pop(), signal.SIGKILL)

    def replaced() -> bool:
        try:
            return len({models.invoke("instances")["pid"] for _ in range(20)} - pids) == 1
        except ClientError:
            return False

    models.until(replaced)


@contextmanager
def invoked_all_the_time(service: Any, name: str) -> Iterator[list[str]]:
    """What the endpoint answers, one invocation after the other."""
    seen: list[str] = []
    over = threading.Event()

    def invoke() -> None:
        while not over.is_set():
            try:
                seen.append(service.invoke(name)["user"])
            except ClientError as error:
                seen.append(str(error))

    thread = threading.Thread(target=invoke)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_an_update_without_down_time(models: Any) -> None:
    before = create(models, "updated", variant("A", "one"))
    configure(models, "updated-2", variant("B", "two", 2))
    with invoked_all_the_time(models, "updated") as seen:
        update(models, "updated", "updated-2")
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            update(models, "updated", "updated-2")
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            models.client("sagemaker").delete_endpoint(EndpointName="updated")
        description = settled(models, "updated")
        models.until(lambda: seen[-1:] == ["two"])
    assert set(seen) == {"one", "two"}
    assert seen == sorted(seen)
    assert description["EndpointStatus"] == "InService"
    assert description["EndpointConfigName"] == "updated-2"
    assert description["LastModifiedTime"] > before["LastModifiedTime"]
    (shown,) = description["ProductionVariants"]
    assert (shown["VariantName"], shown["CurrentInstanceCount"]) == ("B", 2)
    (folder,) = models.home.endpoints.glob("updated-*")
    (old,) = folder.glob("A-*")
    models.until(lambda: '"finished"' in (old / "events.jsonl").read_text())


def test_an_update_that_fails_leaves_all_as_it_was(models: Any) -> None:
    create(models, "kept", variant("A", "one"))
    configure(models, "kept-2", variant("A", "two"), variant("B", "broken"))
    with invoked_all_the_time(models, "kept") as seen:
        update(models, "kept", "kept-2")
        description = settled(models, "kept")
    assert set(seen) <= {"one"}
    assert (description["EndpointStatus"], description["EndpointConfigName"]) == (
        "InService",
        "kept",
    )
    assert "production variant B did not pass" in description["FailureReason"]
    assert "RuntimeError: the model cannot be loaded" in description["FailureReason"]
    # It can be updated again.
    configure(models, "kept-3", variant("A", "two"))
    update(models, "kept", "kept-3")
    assert "FailureReason" not in settled(models, "kept")
    assert models.invoke("kept")["user"] == "two"


def test_updates_that_are_refused(models: Any) -> None:
    create(models, "refuses", variant("A", "one"))
    client = models.client("sagemaker")
    for name, config, message in (
        ("nobody", "refuses", 'Could not find endpoint "'),
        ("refuses", "nothing", 'Could not find endpoint configuration "'),
    ):
        with pytest.raises(ClientError, match=message):
            client.update_endpoint(EndpointName=name, EndpointConfigName=config)
    excluded = [{"VariantPropertyType": "DesiredWeight"}]
    with pytest.raises(ClientError, match="needs RetainAllVariantProperties to be true"):
        client.update_endpoint(
            EndpointName="refuses",
            EndpointConfigName="refuses",
            ExcludeRetainedVariantProperties=excluded,
        )


def test_an_update_goes_on_with_the_next_service(service: Any) -> None:
    service.model("one", Environment={"GREETING": "one"})
    ready = service.folder / "ready"
    service.model("two", Environment={"GREETING": "two", "READY_FILE": str(ready)})
    create(service, "endpoint", variant("A", "one"))
    configure(service, "next", variant("A", "two"))
    update(service, "endpoint", "next")
    service.kill()
    service.start()
    assert service.invoke("endpoint")["user"] == "one"
    ready.touch()
    assert settled(service, "endpoint")["EndpointConfigName"] == "next"
    assert service.invoke("endpoint")["user"] == "two"
    service.end()
    service.start()
    assert service.invoke("endpoint")["user"] == "two"
