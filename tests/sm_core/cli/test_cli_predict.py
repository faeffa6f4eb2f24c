"""``sm predict``: bodies pass unchanged, content types follow a rule."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from click.testing import Result

from sm_core.session import Session

Run = Callable[..., Result]
Answer = Callable[..., None]


@pytest.fixture
def answer(session: Session) -> Iterator[Answer]:
    """Let the endpoint ``e`` answer, if it is asked as expected."""
    with Stubber(session.sagemaker_runtime_client) as stubber:

        def add(body: bytes, **expected: Any) -> None:
            response = {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentType": "x/y"}
            stubber.add_response("invoke_endpoint", response, {"EndpointName": "e", **expected})

        yield add
        stubber.assert_no_pending_responses()


def test_any_bytes_come_back_unchanged(run: Run, answer: Answer, tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    file.write_bytes(b"\x93NUMPY\r\n\x00")
    answer(b"\xff\r\n\x00", Body=b"\x93NUMPY\r\n\x00", ContentType="application/x-npy")
    result = run("predict", "e", str(file))
    assert result.exit_code == 0, result.output
    assert result.stdout_bytes == b"\xff\r\n\x00"


def test_standard_input_is_taken_for_json(run: Run, answer: Answer) -> None:
    for arguments in ((), ("-",)):
        answer(b"[1]", Body=b"[[2]]", ContentType="application/json")
        result = run("predict", "e", *arguments, input=b"[[2]]")
        assert (result.exit_code, result.stdout) == (0, "[1]")


def test_content_types_may_be_said(run: Run, answer: Answer, tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"1,2")
    answer(b"", Body=ANY, ContentType="text/csv", Accept="text/plain")
    result = run("predict", "e", str(file), "--content-type", "text/csv", "--accept", "text/plain")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("A.CSV", "text/csv"), ("a.b.jsonl", "application/jsonlines"), ("a.JPG", "image/jpeg")],
)
def test_the_ending_tells(
    run: Run, answer: Answer, tmp_path: Path, name: str, content_type: str
) -> None:
    (tmp_path / name).touch()
    answer(b"", Body=b"", ContentType=content_type)
    assert run("predict", "e", str(tmp_path / name)).exit_code == 0


@pytest.mark.parametrize("name", ["data", "data.xyz", ".csv"])
def test_an_ending_that_tells_nothing_is_wrong_usage(
    run: Run, answer: Answer, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).touch()
    result = run("predict", "e", str(tmp_path / name))
    assert result.exit_code == 2
    assert f"the ending of {name!r} does not tell its content type" in result.stderr


def test_a_file_that_is_not_there(run: Run) -> None:
    result = run("predict", "e", "nowhere.csv")
    assert result.exit_code == 2
    assert "nowhere.csv" in result.stderr


def test_the_container_s_own_message(run: Run, session: Session) -> None:
    with Stubber(session.sagemaker_runtime_client) as stubber:
        stubber.add_client_error(
            "invoke_endpoint",
            service_error_code="ModelError",
            service_message="Received client error",
            response_meta={},
            modeled_fields={"OriginalStatusCode": 400, "OriginalMessage": "3 columns, not 2"},
        )
        result = run("predict", "e", input="[]")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "3 columns, not 2" in result.stderr
