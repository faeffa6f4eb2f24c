"""The exception tree: as drawn, complete, and readable."""

from __future__ import annotations

import inspect
import pickle
import re

import sm_core
from sm_core import errors
from sm_core.errors import EndpointFailed, RequestError, SMError, TrainingJobFailed


def classes() -> dict[str, type]:
    return {
        name: cls
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, SMError)
    }


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn: dict[str, str] = {}
    above = [""] * 5
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ((?:│   |    )*)(?:[├└]── )?([A-Z]\w+)( {2,}\S.*)?$", line)
        if match and (match[2] == "SMError" or match[3]):
            depth = 0 if match[2] == "SMError" else len(match[1]) // 4 + 1
            above[depth] = match[2]
            drawn[match[2]] = above[depth - 1] if depth else "Exception"
    assert drawn == {name: cls.__mro__[1].__name__ for name, cls in classes().items()}


def test_all_are_public() -> None:
    assert set(errors.__all__) == set(classes())
    assert set(errors.__all__) <= set(sm_core.__all__)


def test_a_failed_job_says_why_and_shows_the_log() -> None:
    error = TrainingJobFailed(
        "job-1", failure_reason="AlgorithmError: oh no", exit_code=3, log_tail=["one", "two"]
    )
    assert str(error) == (
        "training job job-1 failed: AlgorithmError: oh no\nlast log lines:\n  one\n  two"
    )
    assert (error.job_name, error.exit_code, error.log_tail) == ("job-1", 3, ("one", "two"))
    assert str(TrainingJobFailed("j", failure_reason="r")) == "training job j failed: r"


def test_the_text_of_an_error_can_be_read_at_a_glance() -> None:
    lines = ["x" * 50_000_000, "\x1b[2Jlast"]
    error = TrainingJobFailed("j", failure_reason="r\x1b[0m\nmore", log_tail=lines)
    assert str(error) == (
        "training job j failed: r\nmore\nlast log lines:\n"
        f"  {'x' * 1000}… 49999000 more characters\n  last"
    )
    assert error.log_tail == tuple(lines)
    many = [f"{number} " + "x" * 5000 for number in range(20)]
    text = str(EndpointFailed("e", failure_reason="r" * 100_000, log_tail=many))
    assert 6 * 1024 < len(text) <= 8192
    assert "… 95923 more characters" in text
    assert text.splitlines()[-1].startswith("  19 xxx")


def test_log_lines_in_a_reason_are_not_shown_twice() -> None:
    tail = ["loading", "Traceback:", "  File x", "OSError: no model"]
    reason = "It failed. The server ended. Its last log lines:\n  File x\nOSError: no model"
    error = EndpointFailed("e", failure_reason=reason, log_tail=tail)
    assert str(error) == (
        "endpoint e failed: It failed. The server ended.\nlast log lines:\n"
        "  loading\n  Traceback:\n    File x\n  OSError: no model"
    )
    assert error.failure_reason == reason


def test_what_every_worker_logs_is_shown_once() -> None:
    block = ["Traceback:", "  File x", "OSError: no model"]
    tail = ["loading", "loading", *block, *block, *block, "ended"]
    error = EndpointFailed("e", failure_reason="r", log_tail=tail)
    assert str(error) == (
        "endpoint e failed: r\nlast log lines:\n"
        "  loading\n  loading\n  Traceback:\n    File x\n  OSError: no model\n  ended"
    )
    assert error.log_tail == tuple(tail)


def test_errors_come_back_from_another_process() -> None:
    job = TrainingJobFailed("job-1", failure_reason="r", exit_code=3, log_tail=["one"])
    endpoint = EndpointFailed("e", failure_reason="r", log_tail=["one"])
    request = RequestError("no", code="ValidationException", operation="CreateModel")
    for error in (job, endpoint, request):
        copy = pickle.loads(pickle.dumps(error))
        assert str(copy) == str(error)
        assert vars(copy) == vars(error)
