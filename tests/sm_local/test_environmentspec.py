"""The specification travels as JSON and is found again by its digest."""

from __future__ import annotations

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.containerspec import ContainerSpec
from sm_core.errors import LocalServiceError
from sm_local.environmentspec import EnvironmentSpec, Wheel

WHEEL = Wheel(filename="sm_core-0.1.0-py3-none-any.whl", sha256="0" * 64)
SPEC = EnvironmentSpec(
    container=ContainerSpec(
        framework="mxnet",
        version="1.9.1",
        distributions=("sm-mxnet",),
        requirements=("mxnet==1.9.1", "numpy<1.24"),
        platforms=("linux-x86_64",),
        environment={"B": "2", "A": "1"},
    ),
    wheels=(WHEEL,),
    index={"UV_DEFAULT_INDEX": "https://user:hush@index.example/simple"},
)


def test_round_trip() -> None:
    again = EnvironmentSpec.from_json(SPEC.to_json())
    assert again.with_secrets(SPEC.secrets) == SPEC
    assert isinstance(again.container.requirements, tuple)
    assert again.digest == SPEC.digest


def test_the_order_of_mappings_does_not_count() -> None:
    document = json.loads(SPEC.to_json())
    document["container"]["environment"] = {"A": "1", "B": "2"}
    reordered = json.dumps(dict(reversed(document.items())), indent=1).encode()
    assert EnvironmentSpec.from_json(reordered).digest == SPEC.digest


@given(st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.text()))
def test_any_text(version: str, requirements: list[str], environment: dict[str, str]) -> None:
    spec = EnvironmentSpec(
        container=ContainerSpec(
            framework="x",
            version=version,
            requirements=tuple(requirements),
            environment=environment,
        )
    )
    assert EnvironmentSpec.from_json(spec.to_json()) == spec
    assert len(spec.digest) == 64


def test_passwords_are_not_shown() -> None:
    assert "hush" not in repr(SPEC)
    assert "index.example" in repr(SPEC)


def test_passwords_are_apart() -> None:
    spec = attrs.evolve(
        SPEC, index={**SPEC.index, "UV_INDEX_A_PASSWORD": "hush", "UV_HTTP_TIMEOUT": "3"}
    )
    assert b"hush" not in spec.to_json()
    assert spec.secrets == {
        "UV_DEFAULT_INDEX": "https://user:hush@index.example/simple",
        "UV_INDEX_A_PASSWORD": "hush",
    }
    assert EnvironmentSpec.from_json(spec.to_json()).index == {
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "UV_HTTP_TIMEOUT": "3",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"color": "red"}, "unknown fields: color", id="unknown field"),
        pytest.param({"wheels": None}, r"wheels", id="null"),
        pytest.param({"container": {"framework": "x"}}, "version", id="missing field"),
        pytest.param(
            {"container": {"framework": 5, "version": "1"}}, "5 is not a text", id="number"
        ),
        pytest.param(
            {"container": {"framework": "x", "version": "1", "device": "tpu"}}, "tpu", id="device"
        ),
        pytest.param(
            {"wheels": [{"filename": "../x.whl", "sha256": "0" * 64}]},
            "not the file name of a wheel",
            id="path as a file name",
        ),
        pytest.param(
            {"wheels": [{"filename": WHEEL.filename, "sha256": "0"}]}, "SHA-256", id="digest"
        ),
        pytest.param({"index": {"LD_PRELOAD": "x"}}, "LD_PRELOAD", id="other variable"),
    ],
)
def test_mistakes_are_named(change: dict[str, object], message: str) -> None:
    document = json.dumps({**json.loads(SPEC.to_json()), **change}).encode()
    with pytest.raises(LocalServiceError, match=message) as caught:
        EnvironmentSpec.from_json(document)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b"null", b"\xff"])
def test_no_specification_at_all(document: bytes) -> None:
    with pytest.raises(LocalServiceError, match="not an environment specification"):
        EnvironmentSpec.from_json(document)


def test_parts_are_checked_when_made() -> None:
    with pytest.raises(ValueError, match="not the file name of a wheel"):
        Wheel(filename="sm_core.tar.gz", sha256="0" * 64)
    with pytest.raises(ValueError, match="LD_PRELOAD"):
        EnvironmentSpec(container=SPEC.container, index={"LD_PRELOAD": "x"})
