"""RecordIO in a container of no framework, whose model server this plugin gives its codec."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from sm_amazon_algos.codec import CODEC, CONTENT_TYPE
from sm_amazon_algos.recordio import record_body, records_to_numpy
from sm_amazon_algos.records import Record
from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import BadPayload
from sm_core.container.generic import GenericHandler
from sm_core.container.inference import Codec, Request
from sm_core.container.plugins import container_plugins


class Doubler(GenericHandler):
    """Its model returns twice what it is given, in place where that is an array."""

    def default_model_fn(self, model_dir: str) -> Any:
        return doubled


def doubled(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: doubled(values).tolist() for name, values in data.items()}
    data *= 2
    return data


@pytest.fixture
def handler() -> GenericHandler:
    handler = Doubler(ServingEnvironment.read({}))
    found = container_plugins().collect("sm_codecs", object)
    handler.codecs = [codec for _, codec in found if isinstance(codec, Codec)]
    handler.load()
    return handler


def test_the_container_knows_the_codec(handler: GenericHandler) -> None:
    assert CODEC in handler.codecs
    assert CONTENT_TYPE in handler.reads


def test_records_in_and_out(handler: GenericHandler) -> None:
    body = record_body(np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32))
    assert isinstance(body, bytes)
    response = handler.handle(Request(body, CONTENT_TYPE, CONTENT_TYPE))
    assert response.content_type == CONTENT_TYPE
    features = records_to_numpy(response.body).features
    assert features["values"].tolist() == [[2, 4], [6, 8]]
    assert features["values"].dtype == np.float32
    as_json = handler.handle(Request(body, CONTENT_TYPE, "application/json"))
    assert as_json.body == b"[[2.0,4.0],[6.0,8.0]]"


def test_sparse_records_are_a_matrix_both_ways(handler: GenericHandler) -> None:
    matrix = scipy.sparse.csr_matrix(np.array([[0, 1.5, 0], [0, 0, 0], [2, 0, 3]]))
    body = record_body(matrix)
    assert isinstance(body, bytes)
    response = handler.handle(Request(body, CONTENT_TYPE, CONTENT_TYPE))
    found = records_to_numpy(response.body).features["values"]
    assert scipy.sparse.issparse(found)
    assert (found != 2 * matrix).nnz == 0


def test_features_of_other_names_keep_them(handler: GenericHandler) -> None:
    record = Record()
    for name in ("left", "right"):
        record.features[name].float32_tensor.values.extend([1.0, 2.0])
    body = record_body(record)
    assert isinstance(body, bytes)
    response = handler.handle(Request(body, CONTENT_TYPE, "application/json"))
    assert response.body == b'{"left":[[2.0,4.0]],"right":[[2.0,4.0]]}'


def test_no_features_are_refused(handler: GenericHandler) -> None:
    with pytest.raises(BadPayload, match="there are no features"):
        handler.handle(Request(b"", CONTENT_TYPE, ""))


def test_a_client_has_records() -> None:
    body = record_body(np.array([[1.0, 2.0]]))
    assert isinstance(body, bytes)
    assert isinstance(CODEC.deserializer(io.BytesIO(body))[0], Record)


def test_damage_is_refused(handler: GenericHandler) -> None:
    with pytest.raises(BadPayload):
        handler.handle(Request(b"no records", CONTENT_TYPE, ""))
