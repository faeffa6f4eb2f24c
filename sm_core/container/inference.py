"""What answers requests: a framework's defaults, each of which a user's function may replace."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from sm_core.container.code import import_script
from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import BadPayload, ContainerError, NotAcceptable, UnsupportedMediaType
from sm_core.container.negotiation import accepted, choose, parse_media_type

__all__ = ["FunctionHandler", "InferenceHandler", "Request", "Response"]

logger = logging.getLogger(__name__)

#: Bodies of these types reach a user's functions as text, all others as bytes.
_TEXT = ("application/json", "text/csv")
_DEFAULT_CONTENT_TYPE = "application/json"
_DEFAULT_PROGRAM = "inference.py"
_SIGNATURES = {
    "model_fn": "model_fn(model_dir)",
    "input_fn": "input_fn(request_body, request_content_type, model)",
    "predict_fn": "predict_fn(input_object, model)",
    "output_fn": "output_fn(prediction, content_type)",
}


class Request(NamedTuple):
    """One request to ``/invocations``.

    Attributes:
        body: as it came.
        content_type: the Content-Type header; "" if there was none.
        accept: the Accept header; "" if there was none.
    """

    body: bytes
    content_type: str = ""
    accept: str = ""


class Response(NamedTuple):
    """What goes back, with status 200."""

    body: bytes
    content_type: str


class InferenceHandler:
    """Answers requests; one per worker process, all calls from one thread."""

    def load(self) -> None:
        """Make ready; called once, before the worker reports healthy.

        An exception ends the server.
        """

    def handle(self, request: Request) -> Response:
        """Answer one `request`.

        Raises:
            RequestRefused: the request is at fault. Any other exception answers 500 with its type
                and message.
        """
        raise NotImplementedError


class FunctionHandler(InferenceHandler):
    """Answers by ``model_fn``, ``input_fn``, ``predict_fn``, ``output_fn``; or ``transform_fn``.

    A plugin derives from this, overrides the ``default_…`` methods and lists the content types that
    they read and write. `environment` says where model and script are.
    """

    #: Content types that `default_input_fn` reads.
    reads: Sequence[str] = ()
    #: Content types that `default_output_fn` writes.
    writes: Sequence[str] = ()

    def __init__(self, environment: ServingEnvironment) -> None:
        self.environment = environment
        self.model: Any = None
        self._functions: dict[str, Callable[..., Any]] = {}

    def default_model_fn(self, model_dir: str) -> Any:
        """The model in the folder `model_dir`."""
        raise NotImplementedError

    def default_input_fn(self, body: str | bytes, content_type: str, model: Any) -> Any:
        """What `body` stands for: text for JSON and CSV, bytes otherwise.

        Args:
            body: of the request.
            content_type: its type, without parameters.
            model: what `model_fn` loaded.
        """
        raise NotImplementedError

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        """The prediction of `model` for `data`."""
        raise NotImplementedError

    def default_output_fn(self, prediction: Any, content_type: str) -> Any:
        """`prediction` in `content_type`: bytes, text, or a pair of either and a content type."""
        raise NotImplementedError

    def is_overridden(self, name: str) -> bool:
        """Whether the user's script defines the function `name`."""
        return name in self._functions

    def load(self) -> None:
        """Import the user's script and load the model."""
        self._functions = self._user_functions(self._user_module())
        self._refuse_missing()
        self.model = self._step("model_fn")(str(self.environment.model_dir))

    def handle(self, request: Request) -> Response:
        """Decode, predict, encode."""
        content_type = parse_media_type(request.content_type or _DEFAULT_CONTENT_TYPE)
        transform = self._functions.get("transform_fn")
        accept = self._accept(request.accept, "output_fn" if transform is None else "transform_fn")
        body = _decode(request.body, content_type.name, content_type.charset)
        if transform is not None:
            return _response(transform(self.model, body, content_type.name, accept), accept)
        if not self.is_overridden("input_fn") and content_type.name not in self.reads:
            raise UnsupportedMediaType(content_type.name, self.reads)
        data = self._step("input_fn")(body, content_type.name, self.model)
        prediction = self._step("predict_fn")(data, self.model)
        return _response(self._step("output_fn")(prediction, accept), accept)

    def _step(self, name: str) -> Callable[..., Any]:
        """The user's function `name`, or the framework's."""
        default: Callable[..., Any] = getattr(self, f"default_{name}")
        return self._functions.get(name, default)

    def _accept(self, header: str, writer: str) -> str:
        supported = () if self.is_overridden(writer) else self.writes
        chosen = choose(accepted(header), supported, default=self.environment.default_accept)
        if chosen is None:
            raise NotAcceptable(header, supported)
        return chosen

    def _user_module(self) -> ModuleType | None:
        program = self.environment.program
        if program is None:
            program = _DEFAULT_PROGRAM
            if not (self.environment.code_dir / program).is_file():
                return None
        return import_script(self.environment.code_dir, program)

    def _user_functions(self, module: ModuleType | None) -> dict[str, Callable[..., Any]]:
        """The script's functions, called in the specified order whatever order they have."""
        steps: dict[str, _Adapt] = {"input_fn": _input, "predict_fn": _predict, "output_fn": _plain}
        adapters: dict[str, _Adapt] = {"model_fn": _plain, "transform_fn": _plain, **steps}
        found = {
            name: adapt(getattr(module, name))
            for name, adapt in adapters.items()
            if callable(getattr(module, name, None))
        }
        unused = [name for name in steps if name in found]
        if "transform_fn" in found and unused:
            logger.warning("the script has a transform_fn: %s not called", ", ".join(unused))
        return found

    def _refuse_missing(self) -> None:
        """Say at the start which function has neither a definition nor a default."""
        needed = ["model_fn"]
        if not self.is_overridden("transform_fn"):
            needed += ["input_fn", "predict_fn", "output_fn"]
        missing = [
            _SIGNATURES[name]
            for name in needed
            if not self.is_overridden(name)
            and getattr(type(self), f"default_{name}")
            is getattr(FunctionHandler, f"default_{name}")
        ]
        if missing:
            script = self.environment.program or f"{_DEFAULT_PROGRAM} in the model's folder code"
            raise ContainerError(f"{script} must define {', '.join(missing)}")


def _decode(body: bytes, content_type: str, charset: str | None) -> str | bytes:
    if content_type not in _TEXT:
        return body
    try:
        return body.decode(charset or "utf-8")
    except (UnicodeDecodeError, LookupError) as error:
        raise BadPayload(f"the body is no text in {charset or 'utf-8'}: {error}") from None


_Adapt = Callable[[Callable[..., Any]], Callable[..., Any]]


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _input(function: Callable[..., Any]) -> Callable[..., Any]:
    """Called with body, content type and model; takes them so, without model, or model first."""
    parameters = _positional(function)
    if parameters and parameters[0].name == "model":
        return lambda body, content_type, model: function(model, body, content_type)
    third = parameters[2] if len(parameters) > 2 else None
    if third is not None and (third.name == "model" or third.default is inspect.Parameter.empty):
        return function
    return lambda body, content_type, model: function(body, content_type)


def _predict(function: Callable[..., Any]) -> Callable[..., Any]:
    """Called with input and model; takes them so, or model first."""
    parameters = _positional(function)
    if parameters and parameters[0].name == "model":
        return lambda data, model: function(model, data)
    return function


def _positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Parameters that may be given by position; none if the signature cannot be read."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [entry for entry in parameters if entry.kind in kinds]


def _response(result: Any, content_type: str) -> Response:
    """A function's result as a response: bytes, text, or a pair with the content type."""
    if isinstance(result, tuple) and len(result) == 2:
        result, content_type = result
    if isinstance(result, str):
        result = result.encode()
    if not isinstance(result, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"the script returned a {type(result).__name__} as the response; "
            "return bytes, text, or a pair (body, content type)"
        )
    return Response(bytes(result), str(content_type))
