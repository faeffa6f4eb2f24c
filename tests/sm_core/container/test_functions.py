"""User functions get the arguments that they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sm_core.container.functions import call_with_named
from sm_core.errors import SourceError

KNOWN = {"hyperparameters": {"a": 1}, "num_gpus": 0, "hosts": ["algo-1"]}


class Trainer:
    def train(self, hosts: Any) -> Any:
        return hosts


def positional_only(num_gpus: Any, missing: Any = 7, hosts: Any = 0, /, **rest: Any) -> Any:
    return num_gpus, missing, hosts, sorted(rest)


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (lambda: "nothing", "nothing"),
        (lambda num_gpus: num_gpus, 0),
        (lambda hosts, num_gpus: (hosts, num_gpus), (["algo-1"], 0)),
        (lambda num_gpus=8: num_gpus, 0),
        (lambda depth=8: depth, 8),
        (lambda *, hosts: hosts, ["algo-1"]),
        (lambda *, depth=3: depth, 3),
        (lambda *rest: rest, ()),
        (lambda **rest: sorted(rest), ["hosts", "hyperparameters", "num_gpus"]),
        (lambda num_gpus, **rest: sorted(rest), ["hosts", "hyperparameters"]),
        (positional_only, (0, 7, ["algo-1"], ["hyperparameters"])),
        (Trainer().train, ["algo-1"]),
    ],
)
def test_only_what_is_named_is_passed(function: Callable[..., Any], result: Any) -> None:
    assert call_with_named(function, KNOWN) == result


def test_an_unknown_argument_is_named_with_those_there_are() -> None:
    def train(hyperparameters: Any, num_gpu: Any) -> None: ...

    with pytest.raises(SourceError) as caught:
        call_with_named(train, KNOWN)
    assert str(caught.value) == (
        "train() requires an argument that SageMaker does not pass: num_gpu (did you mean "
        "'num_gpus'?). It may ask for any of: hyperparameters, num_gpus, hosts; give others a "
        "default, or take **kwargs"
    )


def test_what_the_function_raises_passes() -> None:
    def train() -> None:
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        call_with_named(train, KNOWN)
