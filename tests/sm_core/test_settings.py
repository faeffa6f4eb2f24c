"""Network, spot, checkpoints, metrics and variables: what they take, and what is said if not."""

from __future__ import annotations

import re
from typing import Any

import attrs
import pytest

import sm_core
from sm_core.errors import ConfigurationError
from sm_core.requests import MetricDefinition
from sm_core.settings import (
    Checkpoints,
    Network,
    Spot,
    check_kind,
    environment_of,
    metrics_of,
    whole_number,
)


def test_they_are_public_values_that_do_not_change() -> None:
    assert sm_core.Network is Network
    assert sm_core.Spot(max_wait=60) == Spot(max_wait=60)
    assert sm_core.Checkpoints("s3://b/p") == Checkpoints(s3_uri="s3://b/p")
    for value in (Network(), Spot(max_wait=1), Checkpoints()):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            value.other = 1  # type: ignore[union-attr]  # that is the test


def test_a_single_subnet_or_group_may_be_given_as_it_is() -> None:
    network = Network(subnets="subnet-1", security_groups=["sg-1", "sg-2"])
    config = network.vpc_config()
    assert config is not None
    assert (config.subnets, config.security_group_ids) == (("subnet-1",), ("sg-1", "sg-2"))
    assert Network(isolation=True).vpc_config() is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"subnets": "subnet-1"}, "subnets and security_groups belong together"),
        ({"security_groups": "sg-1"}, "subnets and security_groups belong together"),
        ({"subnets": ["s"] * 17, "security_groups": "sg-1"}, "17 subnets; AWS takes 16"),
        ({"subnets": "s", "security_groups": ["g"] * 6}, "6 security_groups; AWS takes 5"),
        ({"subnets": "s", "security_groups": ["sg 1"]}, "security_groups has 'sg 1' in it"),
        ({"subnets": [3], "security_groups": "sg-1"}, "subnets has 3 in it, which is no id"),
    ],
)
def test_a_network_that_cannot_be(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^Network: .*{re.escape(message)}"):
        Network(**given)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "3600", None, True])
def test_the_longest_wait_is_a_number_of_seconds(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^Spot: max_wait is .* whole number of seconds"):
        Spot(max_wait=wrong)


def test_checkpoints_lie_beside_the_results_unless_named() -> None:
    config = Checkpoints().config(output_path="s3://b/results/", job_name="job")
    assert (config.s3_uri, config.local_path) == ("s3://b/results/job/checkpoints", None)
    named = Checkpoints("s3://b/p", local_path="/tmp/c").config(output_path="", job_name="")
    assert (named.s3_uri, named.local_path) == ("s3://b/p", "/tmp/c")


def test_checkpoints_that_cannot_be() -> None:
    with pytest.raises(ConfigurationError, match=r"s3_uri is 'b/p'; it has the form"):
        Checkpoints("b/p")
    with pytest.raises(ConfigurationError, match=r"local_path is 'c'; give a path in the cont"):
        Checkpoints(local_path="c")


def test_another_kind_of_value_is_answered_with_an_example() -> None:
    network = Network()
    assert check_kind("network", network, Network) is network
    assert check_kind("network", None, Network) is None
    with pytest.raises(ConfigurationError, match=r"spot is True; give sm_core\.Spot\(…\), as in"):
        check_kind("spot", True, Spot)


def test_metrics() -> None:
    assert metrics_of(None) is None
    assert metrics_of({"loss": "loss=([0-9.]+)"}) == (
        MetricDefinition(name="loss", regex="loss=([0-9.]+)"),
    )


def test_all_mistakes_in_metrics_are_named_at_once() -> None:
    wrong: Any = {"": "(.)", "a": "(", "b": "loss", "c": 3, "d": "(" + "." * 500 + ")", 5: "(.)"}
    with pytest.raises(ConfigurationError, match=r"^metrics: ") as caught:
        metrics_of(wrong)
    for text in (
        "the name '' is no text of 1 to 255 characters",
        "a: '(' is no regular expression: missing )",
        "b: 'loss' has no group in parentheses",
        "c: 3 is no regular expression of 1 to 500 characters",
        "the name 5 is no text",
    ):
        assert text in str(caught.value)
    assert str(caught.value).count(";") == 5
    with pytest.raises(ConfigurationError, match="41 are given, AWS takes 40"):
        metrics_of({f"m{number}": "(.)" for number in range(41)})
    with pytest.raises(ConfigurationError, match="metrics is a list; give a dict from"):
        metrics_of([{"Name": "loss", "Regex": "(.)"}])  # type: ignore[arg-type]  # wrong


def test_variables() -> None:
    assert environment_of("env", {}, longest=512) is None
    given = {"A_1": "", "_b": "text"}
    found = environment_of("env", given, longest=512)
    assert found == given
    assert found is not given


def test_all_mistakes_in_variables_are_named_at_once_and_no_value_is_shown() -> None:
    wrong: Any = {"1A": "secret", "B": 3, "C": "secret" * 100, "D-E": "", 5: "", "F": "fine"}
    with pytest.raises(ConfigurationError, match=r"^environment: ") as caught:
        environment_of("environment", wrong, longest=512)
    for text in (
        "'1A' is no name of a variable",
        "B is a int; give text",
        "C has 600 characters, AWS allows 512",
        "'D-E' is no name",
        "5 is no name",
    ):
        assert text in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="101 variables are given, AWS takes 100"):
        environment_of("env", {f"V{number}": "" for number in range(101)}, longest=512)
    with pytest.raises(ConfigurationError, match="env is a list; give a dict from variables"):
        environment_of("env", ["A=1"], longest=512)  # type: ignore[arg-type]  # wrong


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2", None])
def test_what_is_no_count_is_named(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^initial_instance_count is .*at least 1$"):
        whole_number("initial_instance_count", value)
