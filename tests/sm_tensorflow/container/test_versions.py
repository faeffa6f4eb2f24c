"""The line that names another version than the one that was asked for."""

from __future__ import annotations

import logging

import pytest

from sm_tensorflow.container import versions
from sm_tensorflow.functions import ASKED_VARIABLE


def test_another_version_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    versions.tell_version()
    assert caplog.messages == []
    monkeypatch.setenv(ASKED_VARIABLE, "1.12.0")
    versions.tell_version()
    (line,) = caplog.messages
    assert line.startswith("framework_version 1.12.0: TensorFlow ")
