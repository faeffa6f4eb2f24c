"""Warnings point at the user's own line."""

from __future__ import annotations

import pytest

from sm_core.notices import warn_user


def test_a_warning_names_the_line_that_called() -> None:
    with pytest.warns(UserWarning, match="^mind the gap$") as caught:
        warn_user("mind the gap")
    assert caught[0].filename == __file__


def test_frames_of_the_sdk_are_passed_over() -> None:
    inside: dict[str, object] = {"__name__": "sm_core.somewhere.deep", "warn_user": warn_user}
    exec("def call():\n    warn_user('mind the gap')\n", inside)
    call = inside["call"]
    assert callable(call)
    with pytest.warns(UserWarning, match="gap") as caught:
        call()
    assert caught[0].filename == __file__
