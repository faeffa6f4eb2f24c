"""What a function may ask about a request, and add to its response."""

from __future__ import annotations

from sm_core.container.context import Context
from sm_core.container.environment import ServingEnvironment
from sm_core.container.messages import Request, Response


def context(**headers: str) -> Context:
    environment = ServingEnvironment.read({"SAGEMAKER_BASE_DIR": "/base"})
    return Context(environment, Request(b"", headers=headers))


def test_the_request_and_the_server() -> None:
    found = context(accept="a/b")
    assert found.get_request_header(0, "Accept") == "a/b"
    assert found.get_request_header(0, "other") is None
    assert found.get_all_request_header(0) == {"accept": "a/b"}
    assert found.system_properties["model_dir"] == "/base/model"


def test_nothing_set_changes_nothing() -> None:
    response = Response(b"1", "a/b", 200, {"x": "y"})
    assert context().amended(response) is response
    assert context().get_response_status(0) == (200, "")


def test_what_is_set_changes_the_response() -> None:
    found = context()
    found.set_response_content_type(0, "c/d")
    found.set_response_header(0, "X-Own", "1")
    assert found.get_response_content_type(0) == "c/d"
    assert found.get_response_headers(0)["x-own"] == "1"
    response = Response(b"1", "a/b", 200, {"x": "y"})
    assert found.amended(response) == Response(b"1", "c/d", 200, {"x": "y", "x-own": "1"})
    found.set_response_status(404, "none", 0)
    assert found.amended(response).status == 404
