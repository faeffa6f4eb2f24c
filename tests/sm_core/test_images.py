"""Image URIs: which plugin answers, and how a table of AWS's images is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import attrs
import pytest

from sm_core.errors import ConfigurationError, ImageError, PluginError
from sm_core.images import ImageRequest, ImageTable, processor, resolve_image

AddPlugin = Callable[..., ModuleType]

TABLE = {
    "ecr_domain": {"default": "amazonaws.com", "cn-north-1": "amazonaws.com.cn"},
    "main_regions": ["eu-west-1", "us-east-1"],
    "accounts": {
        "old": {"main": "111", "other": {"cn-north-1": "222"}},
        "new": {"main": "333", "other": {"eu-south-1": "444"}},
        "listed": {"other": {"us-east-1": "555"}},
    },
    "frameworks": {
        "paper": {
            "training": {
                "processors": ["cpu", "gpu"],
                "short_to_full": {"1.4": "1.4.1", "2.0": "2.0.0"},
                "images": [
                    {
                        "version": "1.4.1",
                        "python": ["py2"],
                        "repository": "sm-paper",
                        "accounts": "old",
                    },
                    {
                        "version": "1.4.1",
                        "python": ["py3"],
                        "repository": "paper-training",
                        "accounts": "new",
                    },
                    {
                        "version": "1.10.0",
                        "python": ["py36", "py310", "py37"],
                        "repository": "paper-training",
                        "accounts": "new",
                    },
                    {
                        "version": "2.0.0",
                        "python": ["py38"],
                        "repository": "paper-training",
                        "accounts": "new",
                        "tag_suffix": "ubuntu",
                    },
                ],
            },
            "inference": {
                "processors": ["cpu"],
                "short_to_full": {},
                "images": [
                    {"version": "1.4.1", "repository": "paper-serving", "accounts": "listed"}
                ],
            },
        }
    },
    "gpu_tag_suffix_for_p4d_or_smdistributed": {"paper": {"2.0-gpu-py38-ubuntu": "cu110"}},
}
REQUEST = ImageRequest(
    framework="paper",
    region="us-east-1",
    instance_type="ml.c5.xlarge",
    scope="training",
    default_version="2.0.0",
)


def uri(**changes: Any) -> str:
    return ImageTable.from_json(json.dumps(TABLE)).uri(attrs.evolve(REQUEST, **changes))


OLD = "111.dkr.ecr.us-east-1.amazonaws.com/sm-paper"
NEW = "333.dkr.ecr.us-east-1.amazonaws.com/paper-training"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, f"{NEW}:2.0.0-cpu-py38-ubuntu"),
        # The tag keeps the user's spelling of the version.
        ({"version": "1.4", "py_version": "py3"}, f"{NEW}:1.4-cpu-py3"),
        ({"version": "1.4.1", "py_version": "py3"}, f"{NEW}:1.4.1-cpu-py3"),
        # Python 2 where nothing is said and there is a choice; its row has another repository.
        ({"version": "1.4"}, f"{OLD}:1.4-cpu-py2"),
        # Without Python 2 it is the newest.
        ({"version": "1.10.0"}, f"{NEW}:1.10.0-cpu-py310"),
        ({"version": "1.10.0", "py_version": "py3"}, f"{NEW}:1.10.0-cpu-py310"),
        ({"version": "1.10.0", "py_version": "py36"}, f"{NEW}:1.10.0-cpu-py36"),
        ({"instance_type": "ml.p3.2xlarge", "version": "1.4"}, f"{OLD}:1.4-gpu-py2"),
        (
            {"instance_type": "ml.p4d.24xlarge", "version": "2.0"},
            f"{NEW}:2.0-gpu-py38-ubuntu-cu110",
        ),
        (
            {"region": "eu-south-1"},
            "444.dkr.ecr.eu-south-1.amazonaws.com/paper-training:2.0.0-cpu-py38-ubuntu",
        ),
        (
            {"region": "cn-north-1", "version": "1.4"},
            "222.dkr.ecr.cn-north-1.amazonaws.com.cn/sm-paper:1.4-cpu-py2",
        ),
        # No row names a Python: the tag has none, whatever is asked for.
        (
            {"scope": "inference", "version": "1.4.1", "py_version": "py3"},
            "555.dkr.ecr.us-east-1.amazonaws.com/paper-serving:1.4.1-cpu",
        ),
    ],
)
def test_a_table_gives_aws_s_uri(changes: dict[str, Any], expected: str) -> None:
    assert uri(**changes) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"version": "1.4.2"},
            "paper 1.4.2 image for training (did you mean '1.4.1'?); known versions: 1.4.1, 1.10.0",
        ),
        ({"version": "nine"}, "there is no paper nine image for training; known versions: 1.4.1"),
        ({"default_version": None}, "paper has no default version: give framework_version="),
        (
            {"py_version": "py2"},
            "paper 2.0.0 has no image for py_version='py2'; it has: py38",
        ),
        (
            {"region": "eu-wset-1"},
            "in region 'eu-wset-1' (did you mean 'eu-west-1'?); regions: eu-south-1, eu-west-1, us",
        ),
        (
            {"scope": "inference", "version": "1.4.1", "region": "eu-west-1"},
            "AWS publishes no paper image in region 'eu-west-1'",
        ),
        (
            {"scope": "inference", "instance_type": "ml.p3.2xlarge"},
            "paper inference has no gpu image, which ml.p3.2xlarge needs",
        ),
    ],
)
def test_what_is_not_in_the_table_is_named_with_what_is(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImageError) as caught:
        uri(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("instance_type", "kind"),
    [("ml.c5.xlarge", "cpu"), ("ml.g5.xlarge", "gpu"), ("ml.p2.xlarge", "gpu"), ("ml.m4.x", "cpu")],
)
def test_families_with_g_or_p_have_gpus(instance_type: str, kind: str) -> None:
    assert processor(instance_type) == kind


@pytest.mark.parametrize("wrong", ["c5.xlarge", "ml.c5", "ml..xlarge", "ml", "", "ml.a.b.c"])
def test_what_is_no_instance_type_is_named(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"'{wrong}' is not an instance type; one looks"):
        processor(wrong)


def test_hook_sm_image_the_first_answer_counts(add_plugin: AddPlugin) -> None:
    add_plugin(sm_image=lambda request: "from-the-first:1")
    add_plugin(sm_image=lambda request: "mine:1" if request.framework == "paper" else None)
    assert resolve_image(REQUEST) == "mine:1"
    assert resolve_image(attrs.evolve(REQUEST, framework="other")) == "from-the-first:1"


def test_an_image_that_no_plugin_has_is_an_error(no_installed_plugins: None) -> None:
    with pytest.raises(ImageError, match="no plugin has an image of 'paper' for training"):
        resolve_image(REQUEST)


def test_a_plugin_that_gives_something_else_is_named(add_plugin: AddPlugin) -> None:
    add_plugin("ann", sm_image=lambda request: 3)
    with pytest.raises(PluginError, match=r"plugin 'ann': sm_image returned a int; it must"):
        resolve_image(REQUEST)
