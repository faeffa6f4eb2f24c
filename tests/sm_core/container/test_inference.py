"""User functions override the defaults one by one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import (
    BadPayload,
    ContainerError,
    NotAcceptable,
    RequestRefused,
    UnsupportedMediaType,
)
from sm_core.container.inference import FunctionHandler, Request, Response

Load = Callable[..., FunctionHandler]


class Adder(FunctionHandler):
    """A framework that adds a number, which is its model, to another one."""

    reads = ("application/json",)
    writes = ("application/json", "text/csv")

    def default_model_fn(self, model_dir: str) -> Any:
        return 1

    def default_input_fn(self, body: str | bytes, content_type: str, model: Any) -> Any:
        try:
            return int(body)
        except ValueError as error:
            raise BadPayload(f"no number: {error}") from None

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        return data + model

    def default_output_fn(self, prediction: Any, content_type: str) -> Any:
        return f"{prediction} as {content_type}"


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Make a handler for a script."""

    def make(script: str = "", kind: type[FunctionHandler] = Adder, **more: str) -> FunctionHandler:
        code = tmp_path / "model" / "code"
        code.mkdir(parents=True)
        if script:
            (code / "inference.py").write_text(script, encoding="utf-8")
        handler = kind(ServingEnvironment.read({"SAGEMAKER_BASE_DIR": str(tmp_path), **more}))
        handler.load()
        return handler

    yield make
    sys.modules.pop("inference", None)


def ask(handler: FunctionHandler, body: str = "2", *, accept: str = "") -> str:
    return handler.handle(Request(body.encode(), "application/json", accept)).body.decode()


def test_defaults_alone(load: Load) -> None:
    response = load().handle(Request(b"2", "Application/JSON; charset=utf-8", ""))
    assert response == Response(b"3 as application/json", "application/json")


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ("def model_fn(model_dir): return 10", "12 as application/json"),
        ("def input_fn(body, content_type): return 10", "11 as application/json"),
        ("def predict_fn(data, model): return data * 10", "20 as application/json"),
        ("def output_fn(prediction, accept): return str(prediction)", "3"),
        ("def output_fn(prediction, accept): return b'raw'", "raw"),
        ("def output_fn(prediction, accept): return (b'pair', 'image/png')", "pair"),
        ("def transform_fn(model, data, content_type, accept): return data + accept", None),
    ],
)
def test_each_function_replaces_its_default(script: str, answer: str | None, load: Load) -> None:
    assert ask(load(script)) == answer or answer is None


@pytest.mark.parametrize(
    "signature",
    [
        "request_body, request_content_type, model",
        "data, content_type, m",
        "model, data, content_type",
        "data, content_type, model=None",
        "data, content_type",
        "data, content_type, *rest",
        "data, content_type, extra=5",
    ],
)
def test_input_fn_gets_its_arguments_as_it_has_them(signature: str, load: Load) -> None:
    names = [part.strip("* ").partition("=")[0] for part in signature.split(",")]
    script = f"def input_fn({signature}):\n    global seen\n    seen = [{', '.join(names)}]\n"
    handler = load(script + "    return 0\n")
    ask(handler, "7")
    known = {"model": 1, "m": 1, "extra": 5, "rest": ()}
    expected = [
        known.get(name, "7" if "type" not in name else "application/json") for name in names
    ]
    assert sys.modules["inference"].seen == expected


def test_predict_fn_with_the_model_first(load: Load) -> None:
    assert ask(load("def predict_fn(model, data): return [model, data]")).startswith("[1, 2]")


@pytest.mark.parametrize(
    "functions",
    [
        "def input_fn(data, content_type, context): seen(context); return 2",
        "def input_fn(data, content_type, ctx): seen(ctx); return 2",
        "def input_fn(data, content_type, model, context): seen(context); return 2",
        "def input_fn(model, data, content_type, context=None): seen(context); return 2",
        "def predict_fn(data, model, context): seen(context); return data + model",
        "def predict_fn(data, model, anything): seen(anything); return data + model",
        "def predict_fn(model, data, *, context): seen(context); return data + model",
        "def output_fn(prediction, accept, context): seen(context); return str(prediction)",
        "def transform_fn(model, data, content_type, accept, context): seen(context); return '3'",
    ],
)
def test_each_function_may_ask_for_the_context(functions: str, load: Load) -> None:
    script = (
        "def seen(context):\n"
        "    assert context.get_request_header(0, 'X-Trace') == '7'\n"
        "    context.set_response_header(0, 'X-Seen', 'yes')\n"
        "    context.set_response_status(202, 'Accepted')\n"
    )
    request = Request(b"2", "application/json", "", {"x-trace": "7"})
    response = load(script + functions).handle(request)
    assert response.body.startswith(b"3")
    assert (response.status, response.headers) == (202, {"x-seen": "yes"})


def test_functions_around_the_loading_of_a_model(load: Load) -> None:
    handler = load(
        "calls = []\n"
        "def pre_model_fn(model_dir): calls.append('before')\n"
        "def model_fn(model_dir, context): calls.append(context.model_name); return 5\n"
        "def model_warmup_fn(model_dir, model): calls.append(model)\n"
    )
    assert sys.modules["inference"].calls == ["before", "model", 5]
    assert ask(handler) == "7 as application/json"


def test_transform_fn_wins_with_a_warning(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    script = (
        "def transform_fn(model, data, content_type, accept):\n"
        "    return (f'{model} {data!r} {content_type} {accept}', accept)\n"
        "def input_fn(data, content_type): 1 / 0\n"
    )
    assert ask(load(script), accept="text/csv") == "1 '2' application/json text/csv"
    assert "the script has a transform_fn: input_fn not called" in caplog.text


def test_json_and_csv_are_text_all_else_is_bytes(load: Load) -> None:
    handler = load(
        "def input_fn(data, content_type): return repr(data)\n"
        "def predict_fn(data, model): return data\n"
        "def output_fn(prediction, accept): return prediction\n"
    )
    assert handler.handle(Request("ä".encode(), "text/csv", "")).body == "'ä'".encode()
    latin = Request("ä".encode("latin-1"), "text/csv; charset=latin-1", "")
    assert handler.handle(latin).body == "'ä'".encode()
    assert handler.handle(Request(b"\xe4", "application/x-npy", "")).body == b"b'\\xe4'"
    assert handler.handle(Request(b"1", "", "")).body == b"'1'"
    with pytest.raises(BadPayload, match="no text in utf-8"):
        handler.handle(Request(b"\xe4", "text/csv", ""))
    for charset in (
        *("klingon", "idna", "undefined", "base64", "PunyCode", "a\0b"),
        *("unicode_escape", "raw_unicode_escape"),
    ):
        with pytest.raises(BadPayload, match="no text in "):
            handler.handle(Request(b"\xe4-.-", f"text/csv; charset={charset}", ""))


def test_what_the_defaults_cannot_do_is_refused_with_what_they_can(load: Load) -> None:
    handler = load()
    with pytest.raises(
        UnsupportedMediaType, match=r"'text/xml'; this model reads: application/json"
    ):
        handler.handle(Request(b"2", "text/xml", ""))
    with pytest.raises(NotAcceptable, match=r"'image/png'; .* application/json, text/csv"):
        ask(handler, accept="image/png")
    with pytest.raises(BadPayload, match="no number"):
        ask(handler, "two")
    assert [error.status for error in (BadPayload("x"), NotAcceptable("", ()))] == [400, 406]
    assert RequestRefused("x", status=412).status == 412


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("image/png, text/*;q=0.1", "text/csv"),
    ],
)
def test_accept_is_negotiated(accept: str, content_type: str, load: Load) -> None:
    assert load().handle(Request(b"2", "", accept)).content_type == content_type


def test_an_open_accept_takes_the_container_s_default(load: Load) -> None:
    handler = load(SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv")
    assert handler.handle(Request(b"2", "", "*/*")).content_type == "text/csv"


def test_a_custom_output_fn_gets_whatever_the_client_accepts(load: Load) -> None:
    handler = load("def output_fn(prediction, accept): return accept")
    assert ask(handler, accept="image/png;q=0.3, application/x-npy") == "application/x-npy"


def test_a_response_of_the_wrong_type_is_named(load: Load) -> None:
    with pytest.raises(TypeError, match="the script returned a dict as the response"):
        ask(load("def output_fn(prediction, accept): return {}"))


def test_a_content_type_that_is_no_text_is_named(load: Load) -> None:
    with pytest.raises(TypeError, match="the script returned a NoneType as the content type"):
        ask(load("def output_fn(prediction, accept): return b'x', None"))


def test_without_a_framework_every_function_is_needed(load: Load) -> None:
    with pytest.raises(ContainerError) as caught:
        load("def model_fn(model_dir): ...\ndef input_fn(a, b): ...", FunctionHandler)
    assert str(caught.value) == (
        "inference.py in the model's folder code must define predict_fn(input_object, model), "
        "output_fn(prediction, accept)"
    )


def test_without_a_framework_transform_fn_is_enough(load: Load) -> None:
    script = "def model_fn(model_dir): return 'm'\ndef transform_fn(m, d, c, a): return m + d"
    assert ask(load(script, FunctionHandler)) == "m2"


@hypothesis.given(st.binary(max_size=50), st.text(max_size=30), st.text(max_size=30))
def test_any_request_is_answered_or_refused(body: bytes, content_type: str, accept: str) -> None:
    handler = Adder(ServingEnvironment.read({}))
    handler.model = 1
    try:
        assert handler.handle(Request(body, content_type, accept)).content_type in Adder.writes
    except RequestRefused as error:
        assert 400 <= error.status < 500  # noqa: PT017 - both ends are right
