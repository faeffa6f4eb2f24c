"""Tables, records and JSON, and how times are shown."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from sm_core.cli.output import moment, print_json, print_record, print_table, span

WHEN = datetime(2017, 11, 29, 12, 30, tzinfo=timezone.utc)


def test_a_table_in_a_pipe_is_aligned_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    print_table(["Name", "What"], [["a", long], ["longer", "two\nlines \x1b[31mred"]])
    assert capsys.readouterr().out.splitlines() == [
        "Name    What",
        f"a       {long}",
        "longer  two lines red",
    ]


def test_an_empty_table_has_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["Name", "What"], [])
    assert capsys.readouterr().out == "Name  What\n"


def test_a_record_leaves_out_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    print_record([("Name", "a"), ("Reason", ""), ("Inputs", "b\nc")])
    assert capsys.readouterr().out == "Name    a\nInputs  b\n        c\n"


def test_json_has_times_and_nothing_about_the_call(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"Created": WHEN, "ResponseMetadata": {"RequestId": "1"}})
    assert json.loads(capsys.readouterr().out) == {"Created": "2017-11-29T12:30:00+00:00"}


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.9, "59s"), (60, "1m00s"), (3723, "1h02m03s")]
)
def test_spans(seconds: float, text: str) -> None:
    assert span(WHEN, WHEN + timedelta(seconds=seconds)) == text


def test_what_has_not_begun_or_ended() -> None:
    assert span(None, None) == ""
    assert span(datetime.now(timezone.utc) - timedelta(minutes=5), None).startswith("5m0")
    assert moment(None) == ""
