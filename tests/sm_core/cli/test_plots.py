"""Plots in characters."""

from __future__ import annotations

import io
import math

from hypothesis import given
from hypothesis import strategies as st

from sm_core.cli.plots import can_show_braille, plotted

RISING = [(float(second), float(second)) for second in range(10)]


def test_a_rising_line_in_ascii() -> None:
    assert plotted(RISING, width=13, height=5, braille=False) == [
        "9 |        **",
        "  |      **",
        "  |    **",
        "  |  **",
        "0 |**",
        "  0       9 s",
    ]


def test_a_rising_line_in_braille() -> None:
    assert plotted(RISING, width=8, height=2, braille=True) == [
        "9 ┤  ⢀⠤⠊",
        "0 ┤⡠⠒⠁",
        "  0  9 s",
    ]


def test_one_value_is_a_line_in_the_middle() -> None:
    lines = plotted([(0.0, 1.0), (1.0, 1.0)], width=9, height=3, braille=False)
    assert lines[1].endswith("|******")


def test_nothing_finite() -> None:
    assert plotted([(0, math.nan)], width=20, height=4, braille=True) == ["no finite values"]


@given(
    points=st.lists(st.tuples(st.floats(0, 1e9), st.floats()), max_size=30),
    width=st.integers(1, 60),
    height=st.integers(2, 9),
    braille=st.booleans(),
)
def test_any_points_can_be_shown(
    points: list[tuple[float, float]], width: int, height: int, braille: bool
) -> None:
    lines = plotted(points, width=width, height=height, braille=braille)
    if any(math.isfinite(value) for _, value in points):
        assert len(lines) == height + 1
    assert braille or "\n".join(lines).isascii()


def test_what_an_encoding_can_show() -> None:
    assert can_show_braille(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert not can_show_braille(io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
