"""A request's values become what a signature is fed, and its outputs a `Prediction`.

The rules are those of AWS's first TensorFlow containers and of TensorFlow Serving, with what they
leave to chance made whole: numbers get the type that the graph asks for, and rows their batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sm_core.container.errors import BadPayload
from sm_tensorflow.container.features import example_of
from sm_tensorflow.container.prediction import Prediction
from sm_tensorflow.container.savedmodel import Models, SavedModel, Signature, Tensor
from sm_tensorflow.messages import Example
from sm_tensorflow.tensors import array_of_tensor, is_tensor, make_tensor_proto

__all__ = ["ask", "ask_by_message", "fed", "run", "serialized_examples"]

#: The usual name of an only input.
_INPUTS = "inputs"
_REQUESTS = {
    "PredictRequest": "predict",
    "ClassificationRequest": "classify",
    "RegressionRequest": "regress",
}


def ask(data: Any, models: Models) -> Any:
    """The answer of the default model to `data`, by its default signature.

    Args:
        data: what a request or the script's ``input_fn`` made: one of TensorFlow Serving's
            requests, a ``TensorProto``, a dict, a list, an array, a scalar.
        models: that there are.

    Returns:
        a `Prediction`, or for a ``MultiInferenceRequest`` the message that answers it.

    Raises:
        BadPayload: the model cannot be asked this.
    """
    if hasattr(data, "SerializeToString") and not is_tensor(data):
        return ask_by_message(data, models)
    signature = models.get().signature()
    if signature.method == "predict":
        return _predict(data, signature)
    return run(signature, [serialized_examples(_rows(data), signature)])


def run(signature: Signature, arrays: Sequence[Any], *, method: str | None = None) -> Prediction:
    """Run `signature` on `arrays`, in the order of its inputs."""
    found = signature.run(*arrays)
    outputs = dict(zip(signature.outputs, found, strict=True))
    return Prediction(
        method=method or signature.method,
        outputs=outputs,
        dtypes={name: each.dtype for name, each in signature.outputs.items()},
    )


def serialized_examples(rows: Sequence[Mapping[str, Any]], signature: Signature) -> Any:
    """Examples with the features in `rows`, serialized.

    Raises:
        BadPayload: there are none, or one of them lacks a feature.
    """
    if not rows:
        raise BadPayload("the input is empty: give at least one example")
    found = np.empty(len(rows), object)
    features = signature.features or {}
    found[:] = [example_of(row, features) for row in rows]
    return found


def _rows(data: Any) -> list[Mapping[str, Any]]:
    """Values as rows of features: dicts as they are, everything else is the feature ``inputs``."""
    data = _of_tensor(data)
    convert = getattr(data, "tolist", None)
    if convert is not None:
        data = convert()
    if isinstance(data, Mapping):
        return [{str(name): _plain(value) for name, value in data.items()}]
    if not isinstance(data, (list, tuple)):
        return [{_INPUTS: [data]}]
    if data and all(isinstance(each, Mapping) for each in data):
        return [dict(each) for each in data]
    if data and all(isinstance(each, (list, tuple)) for each in data):
        return [{_INPUTS: list(each)} for each in data]
    return [{_INPUTS: list(data)}] if data else []


def _plain(value: Any) -> Any:
    return _of_tensor(value).reshape(-1).tolist() if is_tensor(value) else value


def _of_tensor(value: Any) -> Any:
    """The array in a tensor; anything else as it is."""
    try:
        return array_of_tensor(value) if is_tensor(value) else value
    except ValueError as error:
        raise BadPayload(str(error)) from None


def _predict(data: Any, signature: Signature) -> Prediction:
    only = next(iter(signature.inputs)) if len(signature.inputs) == 1 else None
    if signature.takes_examples and only is not None and not is_tensor(data):
        features = signature.features or {}
        is_input = isinstance(data, Mapping) and set(data) == {only} and only not in features
        if not is_input and not _is_serialized(data):
            return run(signature, [serialized_examples(_rows(data), signature)])
    if isinstance(data, Mapping):
        given = {str(name): value for name, value in data.items()}
        if only is not None and set(given) == {_INPUTS}:
            given = {only: given[_INPUTS]}
    else:
        name = only or (_INPUTS if _INPUTS in signature.inputs else None)
        if name is None:
            raise BadPayload(
                f"the model has several inputs: give an object with {_names(signature)}"
            )
        given = {name: data}
    return run(signature, fed(given, signature))


def _is_serialized(data: Any) -> bool:
    return isinstance(data, bytes) or (
        isinstance(data, (list, tuple)) and bool(data) and all(isinstance(x, bytes) for x in data)
    )


def fed(given: Mapping[str, Any], signature: Signature) -> list[Any]:
    """The arrays that `signature` is fed, in the order of its inputs.

    Raises:
        BadPayload: inputs are missing or unknown, or a value has no form in the input's type.
    """
    for name in given:
        if name not in signature.inputs:
            raise BadPayload(
                f"input {name!r} is not found in signature {signature.name}; it takes: "
                f"{_names(signature)}"
            )
    missing = [name for name in signature.inputs if name not in given]
    if missing:
        raise BadPayload(f"the input {', '.join(missing)} is missing")
    return [_array(given[name], name, tensor) for name, tensor in signature.inputs.items()]


def _array(value: Any, name: str, tensor: Tensor) -> Any:
    """`value` in the type of the input, with a batch of one where it is one row.

    AWS's servers checked no shapes: one row went without a batch, and was taken as it was.
    """
    try:
        array = array_of_tensor(
            make_tensor_proto(value, None if is_tensor(value) else tensor.dtype)
        )
        if is_tensor(value) and tensor.dtype != "DT_STRING":
            array = array_of_tensor(make_tensor_proto(array, tensor.dtype))
        elif tensor.dtype == "DT_STRING" and array.dtype != object:
            raise ValueError(f"the tensor holds {array.dtype}")
    except (TypeError, ValueError) as error:
        raise BadPayload(f"input {name} takes {_described(tensor)}: {error}") from None
    shape = tensor.shape
    if shape is None:
        return array
    if array.ndim == len(shape) - 1:
        array = array[np.newaxis]
    fits = array.ndim == len(shape) and all(
        wanted in (None, has) for wanted, has in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise BadPayload(
            f"input {name} takes {_described(tensor)}; it was given the shape {list(array.shape)}"
        )
    return array


def ask_by_message(request: Any, models: Models) -> Any:
    """The answer to one of TensorFlow Serving's requests; arguments and errors as for `ask`."""
    kind = type(request).__name__
    if kind == "MultiInferenceRequest":
        return _ask_several(request, models)
    method = _REQUESTS.get(kind)
    if method is None:
        raise BadPayload(f"a {kind} cannot be answered; there are: {', '.join(_REQUESTS)}")
    spec = request.model_spec
    model = _model(spec, models)
    signature = model.signature(spec.signature_name)
    if method == "predict":
        return _by_tensors(request, signature)
    return _by_examples(request.input, signature, method)


def _model(spec: Any, models: Models) -> SavedModel:
    # The name that clients of the old containers send stands for whatever is served.
    version = spec.version.value if spec.HasField("version") else None
    known = "" if spec.name in ("", "generic_model") else spec.name
    return models.get(known, version)


def _by_tensors(request: Any, signature: Signature) -> Prediction:
    given = {name: request.inputs[name] for name in sorted(request.inputs)}
    answer = run(signature, fed(given, signature), method="predict")
    wanted = list(request.output_filter)
    unknown = [name for name in wanted if name not in answer.outputs]
    if unknown or len(set(wanted)) != len(wanted):
        known = ", ".join(answer.outputs)
        raise BadPayload(f"output_filter {wanted} names what is no output, or one twice: {known}")
    chosen = wanted or list(answer.outputs)
    return Prediction(
        method="predict",
        outputs={name: answer.outputs[name] for name in chosen},
        dtypes={name: answer.dtypes[name] for name in chosen},
    )


def _by_examples(given: Any, signature: Signature, method: str) -> Prediction:
    if signature.method != method:
        raise BadPayload(
            f"signature {signature.name} is to {signature.method}, the request asks to {method}"
        )
    kind = given.WhichOneof("kind")
    if kind is None:
        raise BadPayload("the request's input is empty: give at least one example")
    examples = list(getattr(given, kind).examples)
    if not examples:
        raise BadPayload("the request's input is empty: give at least one example")
    context = given.example_list_with_context.context if kind != "example_list" else None
    found = np.empty(len(examples), object)
    found[:] = [_with(context, each) for each in examples]
    return run(signature, [found])


def _with(context: Any, example: Any) -> bytes:
    if context is None:
        serialized: bytes = example.SerializeToString()
        return serialized
    merged = Example()
    for each in (context, example):
        for name, feature in each.features.feature.items():
            merged.features.feature[name].ParseFromString(feature.SerializeToString())
    return merged.SerializeToString()


def _ask_several(request: Any, models: Models) -> Any:
    from sm_tensorflow.messages import MultiInferenceResponse

    answer = MultiInferenceResponse()
    for task in request.tasks:
        method = task.method_name.rpartition("/")[2]
        if method not in ("classify", "regress"):
            raise BadPayload(f"a task's method_name is {task.method_name!r}")
        model = _model(task.model_spec, models)
        signature = model.signature(task.model_spec.signature_name)
        found = _by_examples(request.input, signature, method).to_message()
        result = answer.results.add()
        field = "classification_result" if method == "classify" else "regression_result"
        getattr(result, field).CopyFrom(found.result)
        result.model_spec.name = task.model_spec.name
        result.model_spec.signature_name = signature.name
    return answer


def _names(signature: Signature) -> str:
    return ", ".join(f"{name} ({_described(each)})" for name, each in signature.inputs.items())


def _described(tensor: Tensor) -> str:
    if tensor.shape is None:
        return f"{tensor.dtype} of any shape"
    sizes = ", ".join("any" if size is None else str(size) for size in tensor.shape)
    return f"{tensor.dtype} of shape [{sizes}]"
