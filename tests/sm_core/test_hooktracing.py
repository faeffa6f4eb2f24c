"""Hook calls as they are printed."""

from __future__ import annotations

import pytest

from sm_core.hooktracing import trace_call


def test_variables_of_a_container_are_named_without_their_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    container = {"Image": "own:1", "Environment": {"TOKEN": "hunter2"}}
    request = {"Containers": [container], "Environment": {"PASSWORD": "hunter2"}}
    trace_call("sm_request", [], {"request": request}, dict(request))
    printed = capsys.readouterr().err
    assert printed.startswith("hook sm_request(request={'Containers': [{'Environment': {'TOKEN': ")
    assert printed.count("'own:1'") == 2
    assert "PASSWORD" in printed
    assert "hunter2" not in printed
