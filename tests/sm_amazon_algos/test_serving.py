"""RecordIO in a container of no framework, whose model server this plugin gives its codec."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sm_amazon_algos.codec import CODEC, CONTENT_TYPE
from sm_amazon_algos.recordio import read_records, record_body, records_to_numpy
from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import BadPayload
from sm_core.container.generic import GenericHandler
from sm_core.container.inference import Codec, Request
from sm_core.container.plugins import container_plugins


class Doubler(GenericHandler):
    """Its model takes records and returns an array."""

    def default_model_fn(self, model_dir: str) -> Any:
        return lambda records: 2 * records_to_numpy(records).features["values"]


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
    assert len(read_records(response.body)) == 2
    as_json = handler.handle(Request(body, CONTENT_TYPE, "application/json"))
    assert as_json.body == b"[[2.0,4.0],[6.0,8.0]]"


def test_damage_is_refused(handler: GenericHandler) -> None:
    with pytest.raises(BadPayload):
        handler.handle(Request(b"no records", CONTENT_TYPE, ""))
