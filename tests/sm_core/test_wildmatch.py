"""Git's wildcards, one by one; tests/sm_core/test_ignorefiles.py asks git itself."""

from __future__ import annotations

import pytest

from sm_core.wildmatch import expression_of


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a*c", ["ac", "abc"], ["a/c", "abcd"]),
        ("a?c", ["abc", "a.c"], ["ac", "a/c"]),
        # One byte, not one letter.
        ("a?c", [], ["aäc"]),
        ("a??c", ["aäc"], []),
        ("**/a", ["a", "b/a", "b/c/a"], ["ba"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab"]),
        ("x*a**b", ["xab", "xa.b"], ["xa/b"]),
        # Documented nowhere, and true of git.
        ("a**/b", ["ab", "ax/b", "a/x/b"], []),
        (r"**\/b", ["a/b", "a/x/b"], ["b"]),
        ("[ab]c", ["ac", "bc"], ["cc"]),
        ("[!ab]c", ["cc"], ["ac", "/c"]),
        ("[^ab]c", ["cc"], ["ac"]),
        ("[]a]", ["]", "a"], ["b"]),
        ("[!]a]", ["b"], ["]", "a"]),
        ("[a-c-]", ["b", "-"], ["d"]),
        ("[c-a]", ["c"], ["a", "b", "-"]),
        (r"[\]\\]", ["]", "\\"], ["a"]),
        ("[[:digit:]x]", ["7", "x"], ["a", ":"]),
        ("[[:digit]", [":", "[", "d"], ["7"]),
        (r"\*\a\\", ["*a\\"], ["xa\\"]),
        ("a.+$", ["a.+$"], ["ab"]),
    ],
)
def test_what_a_pattern_matches(pattern: str, yes: list[str], no: list[str]) -> None:
    expression = expression_of(pattern.encode())
    assert expression is not None
    assert [each for each in yes if expression.fullmatch(each.encode()) is None] == []
    assert [each for each in no if expression.fullmatch(each.encode()) is not None] == []


@pytest.mark.parametrize("pattern", ["[a", "[]", "[!]", "a\\", "[[:nothing:]]"])
def test_what_matches_nothing(pattern: str) -> None:
    assert expression_of(pattern.encode()) is None
