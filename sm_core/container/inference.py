"""What answers requests: a framework's defaults, each of which a user's function may replace."""

from __future__ import annotations

import codecs
import logging
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import IO, Any, Protocol, runtime_checkable

from sm_core.container.code import import_script
from sm_core.container.context import Context
from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import BadPayload, ContainerError, NotAcceptable, UnsupportedMediaType
from sm_core.container.messages import Request, Response
from sm_core.container.negotiation import MediaType, accepted, choose, parse_media_type
from sm_core.container.signatures import FUNCTIONS, adapted

__all__ = ["FunctionHandler", "InferenceHandler", "Request", "Response"]

logger = logging.getLogger(__name__)

#: Bodies of these types reach a user's functions as text, all others as bytes.
_TEXT = ("application/json", "text/csv")
_DEFAULT_CONTENT_TYPE = "application/json"
_DEFAULT_PROGRAM = "inference.py"
#: Text encodings of Python that HTTP does not know; decoding them may take hours.
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape"})
_STEPS = ("input_fn", "predict_fn", "output_fn")


@runtime_checkable
class Codec(Protocol):
    """How bodies of one content type are written and read; `sm_core.codecs` has the class."""

    @property
    def content_type(self) -> str:
        """Media type without parameters, lower case."""

    @property
    def serializer(self) -> Callable[[Any], bytes | str | IO[bytes]]:
        """Makes a body of a value."""

    @property
    def deserializer(self) -> Callable[[IO[bytes], str], Any]:
        """Makes a value of a body and its content type."""

    @property
    def array_deserializer(self) -> Callable[[IO[bytes], str], Any] | None:
        """Makes what a model takes of them; None where `deserializer` does."""


class InferenceHandler:
    """Answers requests; one per worker process, all calls from its main thread.

    Attributes:
        codecs: those that plugins bring; set before `load`.
    """

    codecs: Sequence[Codec] = ()

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
        folder = str(self.environment.model_dir)
        context = Context(self.environment)
        if self.is_overridden("pre_model_fn"):
            self._functions["pre_model_fn"](folder, context)
        self.model = self._call("model_fn", folder, context=context)
        if self.is_overridden("model_warmup_fn"):
            self._functions["model_warmup_fn"](folder, self.model, context)

    def handle(self, request: Request) -> Response:
        """Decode, predict, encode."""
        content_type = parse_media_type(request.content_type or _DEFAULT_CONTENT_TYPE)
        transform = self._functions.get("transform_fn")
        accept = self._accept(request.accept, "output_fn" if transform is None else "transform_fn")
        context = Context(self.environment, request)
        if transform is None:
            result = self._in_steps(request.body, content_type, accept=accept, context=context)
        else:
            body = _decode(request.body, content_type)
            result = transform(self.model, body, content_type.name, accept, context)
        return context.amended(_response(result, accept))

    def _in_steps(self, data: bytes, kind: MediaType, *, accept: str, context: Context) -> Any:
        if not self.is_overridden("input_fn") and kind.name not in self.reads:
            raise UnsupportedMediaType(kind.name, self.reads)
        body = _decode(data, kind)
        given = self._call("input_fn", body, kind.name, self.model, context=context)
        prediction = self._call("predict_fn", given, self.model, context=context)
        return self._call("output_fn", prediction, accept, context=context)

    def _call(self, name: str, *arguments: Any, context: Context) -> Any:
        """Call the user's function `name`, or the framework's."""
        own = self._functions.get(name)
        if own is not None:
            return own(*arguments, context)
        default: Callable[..., Any] = getattr(self, f"default_{name}")
        return default(*arguments)

    def _accept(self, header: str, writer: str) -> str:
        supported = () if self.is_overridden(writer) else tuple(self.writes)
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
        try:
            return import_script(self.environment.code_dir, program)
        except SystemExit:
            logger.error(
                "%s ended Python while it was imported for its functions: put what it does when it "
                'runs by itself below `if __name__ == "__main__":`',
                program,
            )
            raise

    def _user_functions(self, module: ModuleType | None) -> dict[str, Callable[..., Any]]:
        """The script's functions, called in the specified order whatever order they have."""
        found = {
            name: adapted(name, getattr(module, name))
            for name in FUNCTIONS
            if callable(getattr(module, name, None))
        }
        unused = [name for name in _STEPS if name in found]
        if "transform_fn" in found and unused:
            logger.warning("the script has a transform_fn: %s not called", ", ".join(unused))
        return found

    def _refuse_missing(self) -> None:
        """Say at the start which function has neither a definition nor a default."""
        needed = ["model_fn"]
        if not self.is_overridden("transform_fn"):
            needed += _STEPS
        missing = [
            f"{name}({', '.join(FUNCTIONS[name])})"
            for name in needed
            if not self.is_overridden(name)
            and getattr(type(self), f"default_{name}")
            is getattr(FunctionHandler, f"default_{name}")
        ]
        if missing:
            script = self.environment.program or f"{_DEFAULT_PROGRAM} in the model's folder code"
            raise ContainerError(f"{script} must define {', '.join(missing)}")


def _decode(body: bytes, kind: MediaType) -> str | bytes:
    if kind.name not in _TEXT:
        return body
    charset = kind.charset or "utf-8"
    try:
        if codecs.lookup(charset).name in _NO_CHARSETS:
            raise LookupError(f"{charset} is no charset of a body")
        return body.decode(charset)
    except (ValueError, LookupError) as error:
        raise BadPayload(f"the body is no text in {charset}: {error}") from None


def _response(result: Any, content_type: str) -> Response:
    """A function's result as a response: bytes, text, or a pair with the content type."""
    if isinstance(result, tuple) and len(result) == 2:
        result, content_type = result
        if not isinstance(content_type, str):
            raise TypeError(
                f"the script returned a {type(content_type).__name__} as the content type; "
                "return a pair (body, content type) with text such as 'text/csv'"
            )
    if isinstance(result, str):
        result = result.encode()
    if not isinstance(result, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"the script returned a {type(result).__name__} as the response; "
            "return bytes, text, or a pair (body, content type)"
        )
    return Response(bytes(result), content_type)
