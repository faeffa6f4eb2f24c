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


def test_errors_come_back_from_another_process() -> None:
    job = TrainingJobFailed("job-1", failure_reason="r", exit_code=3, log_tail=["one"])
    endpoint = EndpointFailed("e", failure_reason="r", log_tail=["one"])
    request = RequestError("no", code="ValidationException", operation="CreateModel")
    for error in (job, endpoint, request):
        copy = pickle.loads(pickle.dumps(error))
        assert str(copy) == str(error)
        assert vars(copy) == vars(error)
