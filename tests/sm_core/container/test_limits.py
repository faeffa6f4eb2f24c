"""The model server's bounds, from variables."""

from __future__ import annotations

import pytest

from sm_core.container.environment import ServingEnvironment
from sm_core.container.limits import ServingLimits
from sm_core.errors import ConfigurationError


def limits(**variables: str) -> ServingLimits:
    return ServingLimits.read(ServingEnvironment.read(variables))


def test_defaults_are_the_platform_s() -> None:
    found = limits()
    assert (found.answer, found.startup, found.max_payload) == (60, 600, 6 * 1024 * 1024)
    assert not found.access_log


def test_variables() -> None:
    assert limits(SAGEMAKER_MODEL_SERVER_TIMEOUT="5").answer == 5
    both = limits(SAGEMAKER_MODEL_SERVER_TIMEOUT="5", SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS="2.5")
    assert both.answer == 2.5
    assert limits(SAGEMAKER_STARTUP_TIMEOUT="7").startup == 7
    assert limits(SMCORE_SERVER_TRANSFER_TIMEOUT="8").transfer == 8
    assert limits(SMCORE_ACCESS_LOG="True").access_log


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_time_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"SAGEMAKER_STARTUP_TIMEOUT is '{text}'"):
        limits(SAGEMAKER_STARTUP_TIMEOUT=text)


def test_a_switch_is_on_or_off() -> None:
    with pytest.raises(ConfigurationError, match="SMCORE_ACCESS_LOG is 'perhaps'"):
        limits(SMCORE_ACCESS_LOG="perhaps")
