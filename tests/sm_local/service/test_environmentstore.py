"""Environments: handed over by a client, or found by the service's own plugins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sm_core.containerspec import ContainerSpec
from sm_core.errors import LocalServiceError
from sm_local.environmentspec import EnvironmentSpec, Wheel
from sm_local.home import ENVIRONMENT_TAG, RESERVED_BUCKET, Home
from sm_local.service.context import Context
from sm_local.service.environmentstore import Environments
from sm_local.service.errors import ServiceError

PLAIN = ContainerSpec(framework="plain", version="1")


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    context = Context.open(Home(tmp_path / "home").create(), port=8123)
    yield context
    context.database.close()


def hand_over(context: Context, spec: EnvironmentSpec) -> str:
    key = f"specs/{spec.digest}.json"
    context.objects.put_bytes(RESERVED_BUCKET, key, spec.to_json())
    return spec.digest


def test_the_tag_names_what_was_handed_over(context: Context) -> None:
    digest = hand_over(context, EnvironmentSpec(container=PLAIN))
    assert Environments(context).resolve({ENVIRONMENT_TAG: digest}, "image") == digest


def test_a_tag_that_names_nothing(context: Context) -> None:
    with pytest.raises(
        ServiceError, match=r"names the environment '0+', which was never"
    ) as caught:
        Environments(context).resolve({ENVIRONMENT_TAG: "0" * 64}, "image")
    assert caught.value.code == "ValidationException"


def test_an_image_that_no_plugin_knows(context: Context) -> None:
    with pytest.raises(
        ServiceError, match=r"knows the image nobody/knows:1; it knows those of .*mxnet"
    ):
        Environments(context).resolve({}, "nobody/knows:1")


def test_an_image_of_the_services_own_plugins(context: Context) -> None:
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38"
    digest = Environments(context).resolve({"team": "a"}, image)
    path = context.objects.path(RESERVED_BUCKET, f"specs/{digest}.json")
    assert path is not None
    spec = EnvironmentSpec.from_json(path.read_bytes())
    assert spec.container.framework == "mxnet"
    assert [wheel.filename.partition("-")[0] for wheel in spec.wheels] == ["sm_core", "sm_mxnet"]
    for wheel in spec.wheels:
        stored = context.objects.path(RESERVED_BUCKET, f"wheels/{wheel.sha256}/{wheel.filename}")
        assert stored is not None
        assert hashlib.sha256(stored.read_bytes()).hexdigest() == wheel.sha256
    assert Environments(context).resolve({}, image) == digest


def test_what_was_deleted_meanwhile(context: Context) -> None:
    environments = Environments(context)
    with pytest.raises(LocalServiceError, match=r"specification 0+ was deleted"):
        environments.ensure("0" * 64, print)
    wheel = Wheel(filename="x-1-py3-none-any.whl", sha256="0" * 64)
    digest = hand_over(context, EnvironmentSpec(container=PLAIN, wheels=(wheel,)))
    with pytest.raises(LocalServiceError, match=r"the wheel x-1-py3-none-any\.whl was never"):
        environments.ensure(digest, print)


def test_passwords_stay_while_they_are_needed(context: Context) -> None:
    specs = [
        EnvironmentSpec(container=PLAIN, index={"UV_DEFAULT_INDEX": f"https://me:hush@{host}"})
        for host in ("a.example", "b.example")
    ]
    for spec in specs:
        key = f"secrets/{hand_over(context, spec)}.json"
        context.objects.put_bytes(RESERVED_BUCKET, key, json.dumps(spec.secrets).encode())
    environments = Environments(context)
    environments.forget_secrets(lambda: [specs[0].digest])
    left = [info.key for info in context.objects.list(RESERVED_BUCKET, "secrets/")]
    assert left == [f"secrets/{specs[0].digest}.json"]


@pytest.mark.integ
def test_a_container_knows_the_index_s_passwords(context: Context) -> None:
    spec = EnvironmentSpec(
        container=PLAIN, index={"UV_DEFAULT_INDEX": "https://me:hush@index.example"}
    )
    key = f"secrets/{hand_over(context, spec)}.json"
    context.objects.put_bytes(RESERVED_BUCKET, key, json.dumps(spec.secrets).encode())
    container = Environments(context).ensure(spec.digest, print)
    assert container.index == spec.index
    assert "hush" not in repr(container)


@pytest.mark.integ
def test_an_environment_is_built_once(context: Context) -> None:
    digest = hand_over(context, EnvironmentSpec(container=PLAIN))
    lines: list[str] = []
    container = Environments(context).ensure(digest, lines.append)
    assert Path(container.python).exists()
    assert container.spec == PLAIN
    assert lines
    again: list[str] = []
    assert Environments(context).ensure(digest, again.append) == container
    assert not again
