"""The kinds of values that hyperparameters take."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.hyperparameters import Hyperparameter
from sm_core.kinds import choice, flag, integer, number, several

COUNT = integer("how many", least=1, most=9)
COUNT_OR_AUTO = integer("how many", words=("auto",), least=1)
SHARE = number("how much", above=0, below=1)
LEVEL = number("how high", least=0, most=1, words=("auto", "balanced"))
SWITCH = flag("whether")
SWITCH_OR_AUTO = flag("whether", words=("auto",))
WAY = choice("how", ("straight", "wavy"))
METRICS = several("what", ("msd", "ssd"))
FREE = number("any")


@pytest.mark.parametrize(
    ("kind", "given_", "kept"),
    [
        (COUNT, 9, 9),
        (COUNT, "3", 3),
        (COUNT, 3.0, 3),
        (COUNT, np.int64(3), 3),
        (COUNT, np.float32(3), 3),
        (COUNT_OR_AUTO, "auto", "auto"),
        (COUNT_OR_AUTO, 12, 12),
        (SHARE, 0.5, 0.5),
        (SHARE, "1e-5", 1e-5),
        (SHARE, Decimal("0.25"), 0.25),
        (LEVEL, 1, 1.0),
        (LEVEL, 0, 0.0),
        (LEVEL, "balanced", "balanced"),
        (FREE, -3, -3.0),
        (SWITCH, True, True),
        (SWITCH, np.bool_(False), False),
        (SWITCH, "FALSE", False),
        (SWITCH_OR_AUTO, "auto", "auto"),
        (WAY, "wavy", "wavy"),
        (METRICS, "msd", ["msd"]),
        (METRICS, ("ssd", "msd"), ["ssd", "msd"]),
        (METRICS, '["msd", "ssd"]', ["msd", "ssd"]),
    ],
)
def test_what_is_meant_is_kept(kind: Hyperparameter[Any], given_: Any, kept: Any) -> None:
    found = kind.checked(given_)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("kind", "given_", "expected"),
    [
        (COUNT, 0, "a whole number of at least 1 and of at most 9"),
        (COUNT, 10, "a whole number of at least 1 and of at most 9"),
        (COUNT, 3.5, "a whole number"),
        (COUNT, "three", "a whole number"),
        (COUNT, True, "a whole number"),
        (COUNT, np.True_, "a whole number"),
        (COUNT, float("inf"), "a whole number"),
        (COUNT, "auto", "a whole number"),
        (COUNT, [3], "a whole number"),
        (COUNT_OR_AUTO, "Auto", "a whole number of at least 1, or 'auto'"),
        (SHARE, 0, "a number above 0 and below 1"),
        (SHARE, 1, "a number above 0 and below 1"),
        (SHARE, float("nan"), "a number above 0 and below 1"),
        (SHARE, False, "a number above 0 and below 1"),
        (LEVEL, 1.1, "a number of at least 0 and of at most 1, or 'auto' or 'balanced'"),
        (FREE, float("-inf"), "a number"),
        (FREE, 10**400, "a number"),
        (SWITCH, 1, "True or False"),
        (SWITCH, "yes", "True or False"),
        (SWITCH_OR_AUTO, "none", "True or False, or 'auto'"),
        (WAY, "Wavy", "'straight' or 'wavy'"),
        (WAY, 3, "'straight' or 'wavy'"),
        (METRICS, [], "a list out of 'msd', 'ssd'"),
        (METRICS, ["msd", "msd"], "a list out of"),
        (METRICS, ["max"], "a list out of"),
        (METRICS, "[msd]", "a list out of"),
        (METRICS, 3, "a list out of"),
    ],
)
def test_what_is_not_is_refused_and_what_would_do_is_said(
    kind: Hyperparameter[Any], given_: Any, expected: str
) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        kind.checked(given_)
    assert f"is {given_!r}; it must be {expected}" in str(caught.value)


def test_a_list_is_sent_as_json() -> None:
    assert METRICS.sent(METRICS.checked(("msd", "ssd"))) == '["msd", "ssd"]'
    assert COUNT.sent(3) == 3


@given(st.integers() | st.floats() | st.text() | st.booleans() | st.none() | st.lists(st.text()))
def test_any_value_is_kept_within_the_limits_or_refused(value: Any) -> None:
    for kind, low, high in ((COUNT, 1, 9), (LEVEL, 0, 1)):
        try:
            found = kind.checked(value)
        except ValueError:
            continue
        assert found in ("auto", "balanced") or low <= float(found) <= high
