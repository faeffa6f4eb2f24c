"""TensorFlow Serving's REST form of requests: ``instances``, ``inputs`` or ``examples``.

As the REST API of TensorFlow Serving documents it, except that it writes ``results`` where that
page has ``result``, as the program itself does.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from sm_core.container import payloads
from sm_core.container.errors import BadPayload, UnsupportedMediaType
from sm_tensorflow.container.calls import fed, run, serialized_examples
from sm_tensorflow.container.prediction import Prediction
from sm_tensorflow.container.savedmodel import Models, Signature

__all__ = ["KEYS", "RestCall", "answer", "attributes_of", "shaped"]

#: What a body in this form has one of.
KEYS = ("instances", "inputs", "examples")
_JSON = ("application/json", "application/jsonlines", "application/jsons")


@attrs.frozen(kw_only=True)
class RestCall:
    """One request.

    Attributes:
        body: with one of `KEYS`, and perhaps ``signature_name`` and ``context``.
        method: ``predict``, ``classify`` or ``regress``.
        model: its name; empty for the default one.
        version: its number; None for the newest.
    """

    body: Mapping[str, Any]
    method: str = "predict"
    model: str = ""
    version: int | None = None


def attributes_of(header: str) -> dict[str, str]:
    """The attributes ``tfs-…=…`` in the header X-Amzn-SageMaker-Custom-Attributes.

    Raises:
        BadPayload: the method is none, or the version no number.
    """
    pairs = (part.partition("=") for part in header.split(","))
    found = {name.strip(): value.strip() for name, _, value in pairs if name.strip()[:4] == "tfs-"}
    if found.get("tfs-method", "predict") not in ("predict", "classify", "regress"):
        raise BadPayload(f"tfs-method is {found['tfs-method']!r}: predict, classify or regress")
    if not found.get("tfs-model-version", "0").isdecimal():
        raise BadPayload(f"tfs-model-version is {found['tfs-model-version']!r}, which is no number")
    return found


def shaped(body: str | bytes, content_type: str) -> Mapping[str, Any]:
    """A body of any type that AWS's newer serving containers read, in the REST form.

    JSON objects with one of `KEYS` stay as they are; several values become instances, and so does
    each line of CSV.

    Raises:
        BadPayload: the body cannot be read.
        UnsupportedMediaType: its type is another.
    """
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    if content_type == "text/csv":
        return {"instances": [_line(cells) for cells in csv.reader(io.StringIO(text)) if cells]}
    if content_type not in _JSON:
        raise UnsupportedMediaType(content_type, ("application/json", "text/csv"))
    values = _values(text)
    if len(values) > 1:
        return {"instances": values}
    (value,) = values
    if isinstance(value, Mapping) and any(key in value for key in KEYS):
        return value
    is_batch = isinstance(value, list) and bool(value) and isinstance(value[0], list)
    return {"instances": value if is_batch else [value]}


def answer(call: RestCall, models: Models) -> dict[str, Any]:
    """What TensorFlow Serving answers: ``predictions``, ``outputs`` or ``results``.

    Raises:
        RequestRefused: the request is at fault.
    """
    model = models.get(call.model, call.version)
    signature = model.signature(str(call.body.get("signature_name") or ""))
    if call.method == "predict":
        return _predicted(call.body, signature)
    if signature.method != call.method:
        raise BadPayload(
            f"signature {signature.name} is for {signature.method}, and the request asks to "
            f"{call.method}"
        )
    rows = call.body.get("examples")
    if not isinstance(rows, list) or not all(isinstance(each, Mapping) for each in rows):
        raise BadPayload(f"to {call.method}, give examples: a list of objects")
    context = call.body.get("context") or {}
    decoded = [_decoded({**context, **each}) for each in rows]
    prediction = run(signature, [serialized_examples(decoded, signature)])
    if call.method == "classify":
        found = json.loads(prediction.to_json())["result"]["classifications"]
        pairs = [[[c.get("label", ""), c.get("score", 0.0)] for c in e["classes"]] for e in found]
        return {"results": pairs}
    found = json.loads(prediction.to_json())["result"]["regressions"]
    return {"results": [each["value"] for each in found]}


def _predicted(body: Mapping[str, Any], signature: Signature) -> dict[str, Any]:
    if ("instances" in body) == ("inputs" in body):
        raise BadPayload("to predict, give instances (rows) or inputs (columns), and one of them")
    if "inputs" in body:
        return {
            "outputs": _columns(run(signature, fed(_given(body["inputs"], signature), signature)))
        }
    instances = _decoded(body["instances"])
    if not isinstance(instances, list) or not instances:
        raise BadPayload("instances must be a list with at least one row")
    rows = [each for each in instances if isinstance(each, Mapping)]
    if rows and len(rows) != len(instances):
        raise BadPayload("instances must be all objects, or all values")
    if signature.takes_examples and not all(isinstance(each, bytes) for each in instances):
        given = rows or [{"inputs": each} for each in instances]
        arrays = [serialized_examples(given, signature)]
    elif rows:
        names = {name for row in rows for name in row}
        if any(set(row) != names for row in rows):
            raise BadPayload("the instances have different names of inputs")
        arrays = fed({name: [row[name] for row in rows] for name in names}, signature)
    else:
        arrays = fed(_given(instances, signature), signature)
    return {"predictions": _by_row(run(signature, arrays), len(instances))}


def _given(inputs: Any, signature: Signature) -> Mapping[str, Any]:
    decoded = _decoded(inputs)
    if isinstance(decoded, Mapping):
        return decoded
    if len(signature.inputs) > 1:
        raise BadPayload(f"the model has several inputs: {', '.join(signature.inputs)}")
    return {next(iter(signature.inputs)): decoded}


def _columns(prediction: Prediction) -> Any:
    """Outputs by name; a lone one loses its name."""
    found = {name: _encoded(array, name) for name, array in prediction.outputs.items()}
    return next(iter(found.values())) if len(found) == 1 else found


def _by_row(prediction: Prediction, count: int) -> Any:
    for name, array in prediction.outputs.items():
        if not np.shape(array) or len(array) != count:
            raise BadPayload(f"output {name} has no row for each instance: give inputs instead")
    found = {name: _encoded(array, name) for name, array in prediction.outputs.items()}
    if len(found) == 1:
        return next(iter(found.values()))
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


def _encoded(array: Any, name: str) -> Any:
    values = np.asarray(array)
    if values.dtype == object:
        return _texts(values.tolist(), binary=name.endswith("_bytes"))
    return values.tolist()


def _texts(value: Any, *, binary: bool) -> Any:
    if isinstance(value, list):
        return [_texts(each, binary=binary) for each in value]
    if not isinstance(value, bytes):
        return value
    if binary:
        return {"b64": base64.b64encode(value).decode()}
    return value.decode("utf-8", "replace")


def _decoded(value: Any) -> Any:
    """Values with ``{"b64": …}`` as bytes."""
    if isinstance(value, Mapping):
        if set(value) == {"b64"} and isinstance(value["b64"], str):
            try:
                return base64.b64decode(value["b64"], validate=True)
            except binascii.Error as error:
                raise BadPayload(f"b64 holds what is no base64: {error}") from None
        return {name: _decoded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    return value


def _values(text: str) -> Sequence[Any]:
    """The JSON values in `text`, one or several with white space between them."""
    try:
        return [payloads.value_of_json(text)]
    except BadPayload:
        decoder, found, position = json.JSONDecoder(), [], 0
        stripped = text.strip()
        while position < len(stripped):
            try:
                value, end = decoder.raw_decode(stripped, position)
            except ValueError as error:
                raise BadPayload(f"the body is not JSON: {error}") from None
            found.append(value)
            position = end
            while position < len(stripped) and stripped[position].isspace():
                position += 1
        if not found:
            raise
        return found


def _line(cells: Sequence[str]) -> Any:
    values = [_cell(each) for each in cells]
    return values[0] if len(values) == 1 else values


def _cell(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
