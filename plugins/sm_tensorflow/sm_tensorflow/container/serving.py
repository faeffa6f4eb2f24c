"""Serving: SavedModels, answered as TensorFlow Serving would, the script's functions around."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from sm_core.container import payloads
from sm_core.container.context import Context
from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import BadPayload, ContainerError
from sm_core.container.inference import FunctionHandler, InferenceHandler, Request, Response
from sm_core.scripts import defined_functions, runs_as_script
from sm_tensorflow.functions import FUNCTIONS, MODEL_FUNCTIONS

__all__ = ["TensorFlowHandler", "handler"]

_JSON, _CSV, _PROTOBUF = "application/json", "text/csv", "application/octet-stream"
#: The functions of a script that are called around a SavedModel.
_OVERRIDES = ("input_fn", "output_fn", "transform_fn", "predict_fn")
_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_DEFAULT_MODEL = "SAGEMAKER_TFS_DEFAULT_MODEL_NAME"
_REQUESTS = {
    "predict": "PredictRequest",
    "classify": "ClassificationRequest",
    "regress": "RegressionRequest",
}


def handler(environment: ServingEnvironment) -> InferenceHandler:
    """What answers requests: a script's own handlers, or the defaults around a SavedModel.

    TensorFlow gets its share of the CPUs among the workers, unless the user has said otherwise; to
    be called before it is imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads_of(environment)))
    library = environment.code_dir / "lib"
    if library.is_dir():
        sys.path.insert(0, str(library))
    from sm_tensorflow.container.inferencescript import ScriptHandler, has_handlers

    script = _script_of(environment)
    if script is not None and has_handlers(script):
        return ScriptHandler(environment, script, TensorFlowHandler(environment).default_model_fn)
    return TensorFlowHandler(environment)


def threads_of(environment: ServingEnvironment) -> int:
    """Threads of one operation in each worker."""
    return max(1, environment.num_cpus // environment.workers)


def _script_of(environment: ServingEnvironment) -> Path | None:
    """The user's script; None where there is none to be read."""
    script = environment.code_dir / (environment.program or "inference.py")
    return script if script.is_file() and script.suffix == ".py" else None


class TensorFlowHandler(FunctionHandler):
    """Answers by a SavedModel; the script may define ``input_fn``, ``output_fn``, ``transform_fn``.

    The model functions that training calls are no functions of serving, though one has the name of
    one that other frameworks' scripts define.
    """

    reads = (_JSON, _CSV, _PROTOBUF)
    writes = (_JSON, _PROTOBUF, _CSV)

    def __init__(self, environment: ServingEnvironment) -> None:
        super().__init__(environment)
        self._attributes: Mapping[str, str] = {}

    def default_model_fn(self, model_dir: str) -> Any:
        """The SavedModels below `model_dir`."""
        from sm_tensorflow.container.savedmodel import Models

        default = self.environment.variables.get(_DEFAULT_MODEL) or None
        return Models(Path(model_dir), default=default, threads=threads_of(self.environment))

    def handle(self, request: Request) -> Response:
        """Decode, predict, encode."""
        from sm_tensorflow.container.rest import attributes_of

        header = request.headers.get(_ATTRIBUTES)
        self._attributes = attributes_of(header) if header else {}
        return super().handle(request)

    def default_input_fn(self, body: str | bytes, content_type: str, model: Any) -> Any:
        """What `body` asks: a message, a `RestCall`, or values for the default signature."""
        if content_type == _PROTOBUF:
            return self._message(body if isinstance(body, bytes) else body.encode(), model)
        if self._attributes:
            return self._rest_call(body, content_type)
        if content_type == _CSV:
            return _rows_of_csv(str(body))
        value = payloads.value_of_json(body)
        if not isinstance(value, dict):
            return value
        tensor = _tensor_of(value)
        if tensor is not None:
            return tensor
        if _is_rest(value, model):
            from sm_tensorflow.container.rest import RestCall

            method = "predict"
            if "examples" in value:
                method = model.get().signature(str(value.get("signature_name") or "")).method
            return RestCall(body=value, method=method)
        return {name: _tensor_or(each) for name, each in value.items()}

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        """The answer: a `Prediction`, a message, or a dict of the REST form."""
        from sm_tensorflow.container import calls, rest

        if isinstance(data, rest.RestCall):
            return rest.answer(data, model)
        return calls.ask(data, model)

    def default_output_fn(self, prediction: Any, content_type: str) -> Any:
        """The answer in `content_type`."""
        if isinstance(prediction, dict):
            return payloads.json_of(prediction), _JSON
        message = prediction
        if hasattr(prediction, "to_message"):
            if content_type == _JSON:
                return prediction.to_json()
            if content_type == _CSV:
                return prediction.to_csv()
            message = prediction.to_message()
        if not hasattr(message, "SerializeToString"):
            return payloads.json_of(message)
        if content_type == _PROTOBUF:
            return message.SerializeToString()
        from google.protobuf import json_format

        return json_format.MessageToJson(message).encode()

    def _rest_call(self, body: str | bytes, content_type: str) -> Any:
        from sm_tensorflow.container.rest import RestCall, shaped

        named = self._attributes
        version = named.get("tfs-model-version")
        return RestCall(
            body=shaped(body, content_type),
            method=named.get("tfs-method", "predict"),
            model=named.get("tfs-model-name", ""),
            version=None if version is None else int(version),
        )

    def _message(self, body: bytes, model: Any) -> Any:
        """The request message for the default signature's method."""
        from google.protobuf.message import DecodeError

        from sm_tensorflow import messages

        method = model.get().signature().method
        request = getattr(messages, _REQUESTS[method])()
        try:
            request.ParseFromString(body)
        except DecodeError as error:
            raise BadPayload(f"the body is no {_REQUESTS[method]}: {error}") from None
        return _asked_otherwise(request, body)

    def _user_module(self) -> ModuleType | None:
        """The script, if it defines a function that is called here; nothing else is imported."""
        script = _script_of(self.environment)
        if script is None:
            if self.environment.program is not None:
                raise ContainerError(f"the script {self.environment.program} is not in the code")
            return None
        defined = defined_functions(script)
        if not defined & set(_OVERRIDES):
            return None
        if defined & set(MODEL_FUNCTIONS) and not runs_as_script(script, FUNCTIONS):
            from sm_tensorflow.container.compatibility import install

            install()
        return super()._user_module()

    def _user_functions(self, module: ModuleType | None) -> dict[str, Callable[..., Any]]:
        found = super()._user_functions(module)
        functions = {name: each for name, each in found.items() if name in _OVERRIDES}
        transform = getattr(module, "transform_fn", None)
        if transform is not None and _takes_three(transform):
            functions["transform_fn"] = _without_model(transform)
        output = functions.get("output_fn")
        if output is not None:
            functions["output_fn"] = lambda prediction, accept, context: output(
                prediction.to_message() if hasattr(prediction, "to_message") else prediction,
                accept,
                context,
            )
        return functions


def _takes_three(function: Callable[..., Any]) -> bool:
    """Whether it is ``transform_fn(data, content_type, accepts)``, as these containers had it."""
    import inspect

    parameters = inspect.signature(function).parameters.values()
    required = [each for each in parameters if each.default is inspect.Parameter.empty]
    return len(required) == 3 and required[0].name != "model"


def _without_model(function: Callable[..., Any]) -> Callable[..., Any]:
    def transform(model: Any, body: Any, content_type: str, accept: str, context: Context) -> Any:
        return function(body, content_type, accept)

    return transform


def _rows_of_csv(body: str) -> Any:
    """One line as a list of numbers, several as a list of them."""
    rows = payloads.rows_of_csv(body)
    return rows[0] if len(rows) == 1 else rows


def _tensor_of(value: Mapping[str, Any]) -> Any:
    """A TensorProto in protobuf's JSON; None for any other object."""
    if "dtype" not in value:
        return None
    from google.protobuf import json_format

    from sm_tensorflow.messages import TensorProto

    try:
        return json_format.ParseDict(dict(value), TensorProto())
    except (json_format.ParseError, TypeError):
        return None


def _tensor_or(value: Any) -> Any:
    tensor = _tensor_of(value) if isinstance(value, dict) else None
    return value if tensor is None else tensor


def _is_rest(value: Mapping[str, Any], model: Any) -> bool:
    """Whether an object is in TensorFlow Serving's REST form, and no features or inputs by name."""
    signature = model.get().signature(str(value.get("signature_name") or ""))
    named = {*(signature.features or ()), *(() if signature.takes_examples else signature.inputs)}
    if "signature_name" in value and "signature_name" not in named:
        return True
    if "instances" in value and "instances" not in named:
        return True
    if "examples" in value and "examples" not in named and isinstance(value["examples"], list):
        return True
    if set(value) != {"inputs"} or signature.method != "predict" or signature.takes_examples:
        return False
    inputs = value["inputs"]
    return not (isinstance(inputs, dict) and _tensor_of(inputs) is not None)


def _asked_otherwise(request: Any, body: bytes) -> Any:
    """`request`, or what `body` is where that has none of its fields: a MultiInferenceRequest."""
    from google.protobuf.message import DecodeError

    from sm_tensorflow import messages

    known = type(request)()
    known.CopyFrom(request)
    known.DiscardUnknownFields()
    if known.ByteSize() == len(body):
        return request
    for name in (*_REQUESTS.values(), "MultiInferenceRequest"):
        other = getattr(messages, name)()
        try:
            other.ParseFromString(body)
        except DecodeError:
            continue
        kept = type(other)()
        kept.CopyFrom(other)
        kept.DiscardUnknownFields()
        if kept.ByteSize() == len(body):
            return other
    return request
