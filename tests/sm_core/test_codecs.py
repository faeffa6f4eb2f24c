"""The registry of codecs: content types read, and found."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import ModuleType

import pytest

from sm_core.codecs import (
    Codec,
    Deserializer,
    Serializer,
    charset,
    codec_for,
    decode_by_content_type,
    find_codec,
)
from sm_core.errors import CodecError
from sm_core.formats import csv_serializer, json_serializer

AddPlugin = Callable[..., ModuleType]


def test_a_codec_is_found_by_media_type() -> None:
    assert codec_for("Application/JSON; charset=utf-8").serializer is json_serializer
    assert decode_by_content_type(io.BytesIO(b"a,b"), "text/csv; header=absent") == [["a", "b"]]


def test_an_unknown_content_type_names_those_there_are() -> None:
    with pytest.raises(CodecError) as caught:
        codec_for("image/jpeg")
    text = str(caught.value)
    assert "there is no codec for content type 'image/jpeg'; there are: application/json" in text
    assert "sm_core.bytes_deserializer" in text


def test_hook_sm_codecs_a_plugin_s_codec_wins_over_the_core_s(add_plugin: AddPlugin) -> None:
    own = Codec(
        content_type="application/JSON",
        serializer=Serializer("application/json", lambda payload: "own"),
        deserializer=Deserializer("application/json", lambda body, content_type: "own"),
    )
    new = Codec(content_type="x/y", serializer=own.serializer, deserializer=own.deserializer)
    add_plugin(sm_codecs=lambda: [own, new])
    assert codec_for("application/json") is own
    assert decode_by_content_type(io.BytesIO(b"{}"), "X/Y; a=b") == "own"
    assert codec_for("text/csv").serializer is csv_serializer


@pytest.mark.parametrize(
    ("content_type", "codec"),
    [
        ("application/x-ndjson", "application/jsonlines"),
        ("TEXT/JSON", "application/json"),
        ("application/problem+json; charset=utf-8", "application/json"),
    ],
)
def test_other_names_of_a_format_find_it(content_type: str, codec: str) -> None:
    assert codec_for(content_type) is codec_for(codec)


def test_an_answer_without_a_type_is_bytes() -> None:
    assert find_codec("") is None
    assert decode_by_content_type(io.BytesIO(b"\x00"), "") == b"\x00"


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("", "utf-8"),
        ("text/csv", "utf-8"),
        ("text/csv; Charset=Latin-1", "latin-1"),
        ('text/csv;header="a;charset=x"; charset="UTF-16"', "utf-16"),
    ],
)
def test_the_charset_of_a_header(content_type: str, name: str) -> None:
    assert charset(content_type) == name
