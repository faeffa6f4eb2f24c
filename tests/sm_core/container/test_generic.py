"""A container of no framework: the user's model, with defaults for JSON, CSV and npy."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from sm_core.container import generic
from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import (
    BadPayload,
    ContainerError,
    RequestRefused,
    UnsupportedMediaType,
)
from sm_core.container.generic import GenericHandler
from sm_core.container.inference import Request

Load = Callable[..., GenericHandler]
JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Make a handler for a script."""

    def make(script: str) -> GenericHandler:
        code = tmp_path / "model" / "code"
        code.mkdir(parents=True)
        (code / "inference.py").write_text(script, encoding="utf-8")
        handler = GenericHandler(ServingEnvironment.read({"SAGEMAKER_BASE_DIR": str(tmp_path)}))
        handler.load()
        return handler

    yield make
    sys.modules.pop("inference", None)


DOUBLE = "def model_fn(model_dir): return lambda data: data * 2\n"


@pytest.mark.parametrize("accept", [JSON, CSV, NPY])
@pytest.mark.parametrize("content_type", [JSON, CSV, NPY])
def test_every_type_in_and_out(content_type: str, accept: str, load: Load) -> None:
    npy = io.BytesIO()
    np.save(npy, np.array([[1.5, 2]]))
    bodies = {JSON: b"[[1.5, 2]]", CSV: b"1.5,2\n", NPY: npy.getvalue()}
    response = load(DOUBLE).handle(Request(bodies[content_type], content_type, accept))
    assert response.content_type == accept
    if accept == NPY:
        assert np.load(io.BytesIO(response.body)).tolist() == [[3, 4]]
    else:
        assert response.body == {JSON: b"[[3.0,4.0]]", CSV: b"3.0,4.0\n"}[accept]


def test_a_model_with_predict(load: Load) -> None:
    handler = load(
        "class Sum:\n"
        "    def predict(self, data): return data.sum(axis=1)\n"
        "def model_fn(model_dir): return Sum()\n"
    )
    assert handler.handle(Request(b"[[1, 2], [3, 4]]", JSON, CSV)).body == b"3\n7\n"


def test_json_that_is_no_array_stays_as_it_is(load: Load) -> None:
    handler = load("def model_fn(model_dir): return lambda data: data['rows']\n")
    assert handler.handle(Request(b'{"rows": [1, [2]]}', JSON, "")).body == b"[1,[2]]"


def test_model_fn_is_needed_and_must_return_something_to_ask(load: Load, tmp_path: Path) -> None:
    with pytest.raises(ContainerError, match=r"must define model_fn\(model_dir\)$"):
        GenericHandler(ServingEnvironment.read({"SAGEMAKER_BASE_DIR": str(tmp_path)})).load()
    with pytest.raises(ContainerError, match="model_fn returned a dict; without predict_fn"):
        load("def model_fn(model_dir): return {}")


def test_without_numpy_there_are_lists(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generic, "find_spec", lambda name: None)
    handler = load("def model_fn(model_dir): return lambda data: [sum(row) for row in data]\n")
    assert handler.handle(Request(b"1,2\n3,4", CSV, JSON)).body == b"[3.0,7.0]"
    assert handler.handle(Request(b"[[1, 2]]", JSON, CSV)).body == b"3\n"
    with pytest.raises(UnsupportedMediaType, match=r"reads: application/json, text/csv$"):
        handler.handle(Request(b"", NPY, ""))


def test_a_bad_payload_is_refused(load: Load) -> None:
    handler = load(DOUBLE)
    for content_type in (JSON, CSV, NPY):
        with pytest.raises(BadPayload):
            handler.handle(Request(b"[1, ", content_type, ""))


@hypothesis.given(
    st.binary() | st.text().map(str.encode),
    st.sampled_from([JSON, CSV, NPY]) | st.text(),
    st.sampled_from([JSON, CSV, NPY]) | st.text(),
)
def test_any_request_is_answered_or_refused(body: bytes, content_type: str, accept: str) -> None:
    handler = GenericHandler(ServingEnvironment.read({}))
    handler.model = echo
    try:
        handler.handle(Request(body, content_type, accept))
    except RequestRefused as error:
        assert 400 <= error.status < 500  # noqa: PT017  # both ends are right
    except TypeError:
        # JSON that has no form in CSV or npy; it was the model that returned it.
        assert accept != JSON


def echo(data: Any) -> Any:
    return data
