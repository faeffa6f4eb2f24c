"""Answers for models of no particular framework: JSON, CSV and npy around the user's model."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from sm_core.container import payloads
from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import BadPayload, ContainerError
from sm_core.container.inference import Codec, FunctionHandler
from sm_core.errors import CodecError

__all__ = ["GenericHandler"]

_JSON, _CSV, _NPY = "application/json", "text/csv", "application/x-npy"


class GenericHandler(FunctionHandler):
    """Needs ``model_fn``. Arrays are numpy's where numpy is installed, and lists where not.

    Content types of plugins' codecs are read and written too: as arrays, or in the values that
    those have.
    """

    def __init__(self, environment: ServingEnvironment) -> None:
        super().__init__(environment)
        self._has_numpy = find_spec("numpy") is not None
        types: Sequence[str] = (_JSON, _CSV, _NPY) if self._has_numpy else (_JSON, _CSV)
        self.reads = self.writes = types
        self._codecs: dict[str, Codec] = {}

    def load(self) -> None:
        """Load the model, and refuse one that the default cannot call."""
        self._codecs = {
            codec.content_type: codec
            for codec in self.codecs
            if codec.content_type not in self.reads
        }
        self.reads = self.writes = (*self.reads, *self._codecs)
        super().load()
        if self.is_overridden("transform_fn") or self.is_overridden("predict_fn"):
            return
        if not (callable(self.model) or callable(getattr(self.model, "predict", None))):
            raise ContainerError(
                f"model_fn returned a {type(self.model).__name__}; without predict_fn or "
                "transform_fn in the script, it must have a method predict, or be callable"
            )

    def default_input_fn(self, body: str | bytes, content_type: str, model: Any) -> Any:
        """Numbers as an array; any other JSON as Python values."""
        codec = self._codecs.get(content_type)
        if codec is not None:
            return _decoded(codec, body)
        if content_type == _NPY and isinstance(body, bytes):
            from sm_core.container.arrays import array_of_npy

            return array_of_npy(body)
        if content_type == _CSV:
            rows = payloads.rows_of_csv(str(body))
            if not self._has_numpy:
                return rows
            from sm_core.container.arrays import array_of

            return array_of(rows)
        if not self._has_numpy:
            return payloads.value_of_json(body)
        from sm_core.container.arrays import array_of_json

        return array_of_json(body)

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        """What the model's ``predict`` returns, or the model itself when it is called."""
        predict = getattr(model, "predict", None)
        return predict(data) if callable(predict) else model(data)

    def default_output_fn(self, prediction: Any, content_type: str) -> bytes:
        """An array, or anything that makes lists and numbers, in the accepted type."""
        codec = self._codecs.get(content_type)
        if codec is not None:
            return _encoded(codec, prediction)
        if content_type == _NPY:
            from sm_core.container.arrays import npy_of

            return npy_of(prediction)
        if content_type == _CSV:
            return payloads.csv_of(prediction)
        return payloads.json_of(prediction)


def _decoded(codec: Codec, body: str | bytes) -> Any:
    data = body.encode() if isinstance(body, str) else body
    try:
        decode = codec.array_deserializer or codec.deserializer
        return decode(io.BytesIO(data), codec.content_type)
    except CodecError as error:
        raise BadPayload(str(error)) from None


def _encoded(codec: Codec, prediction: Any) -> bytes:
    body = codec.serializer(prediction)
    if isinstance(body, str):
        return body.encode()
    return body if isinstance(body, bytes) else body.read()
