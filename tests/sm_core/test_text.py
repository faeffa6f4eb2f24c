"""Text of others, fit to be shown."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.text import printable, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢\tand\nlines", "plain é 漢\tand\nlines"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[?25lhidden cursor\x1b[2J", "hidden cursor"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bcreset \x1b(B", "reset "),
        ("\x9b2Jeight bits", "eight bits"),
        # Without an end nothing of the text may be lost.
        ("\x1b]0;no end", "]0;no end"),
        ("\x1b[", "["),
        (" 50%\r100%\r\nend", " 50% 100%\nend"),
        ("nul\x00 bell\x07 delete\x7f", "nul bell delete"),
    ],
)
def test_what_steers_a_terminal_is_left_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@hypothesis.given(st.text(st.sampled_from("\x1b[]0;?m\x07\x9b\\ \ta\r\n\x00é")))
def test_no_control_character_is_left(text: str) -> None:
    assert all(c.isprintable() or c in "\t\n" for c in printable(text))


def test_long_text_is_cut() -> None:
    assert shortened("x" * 10, 10) == "x" * 10
    assert shortened("x" * 15, 10) == "xxxxxxxxxx… 5 more characters"
