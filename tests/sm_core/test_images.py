"""Image URIs: which plugin answers, and what an instance type needs."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import attrs
import pytest

from sm_core.errors import ConfigurationError, ImageError, PluginError
from sm_core.images import ImageRequest, check_image, chip_of, family_of, resolve_image

AddPlugin = Callable[..., ModuleType]

REQUEST = ImageRequest(
    framework="paper",
    region="us-east-1",
    instance_type="ml.c5.xlarge",
    scope="training",
    default_version="2.0.0",
)


@pytest.mark.parametrize("image", ["", " ", "own: 1", "own:1\n", "i" * 256, 7])
def test_what_can_be_no_image_is_said_so(image: Any) -> None:
    with pytest.raises(ImageError, match=r"image_name .* is no URI of an image"):
        check_image("image_name", image)
    assert check_image("image_name", "i" * 255) == "i" * 255


@pytest.mark.parametrize(
    ("chip", "families"),
    [
        ("cpu", "c5 m4 m5dn t2 t3 r5 c6i c6id m7i x1e hpc6a trx"),
        ("gpu", "g4dn g5 g5g g6e p2 p3 p4d p5 p5en"),
        ("graviton", "m6g m6gd c6g c6gd c6gn c7g r6g r6gd c7gn m7gd r8g t4g im4gn is4gen"),
        ("inferentia", "inf1 inf2"),
        ("trainium", "trn1 trn1n trn2"),
    ],
)
def test_families_tell_the_processor(chip: str, families: str) -> None:
    assert {chip_of(f"ml.{family}.xlarge") for family in families.split()} == {chip}


@pytest.mark.parametrize("wrong", ["c5.xlarge", "ml.c5", "ml..xlarge", "ml", "", "ml.a.b.c"])
def test_what_is_no_instance_type_is_named(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"'{wrong}' is not an instance type; one looks"):
        family_of(wrong)


def test_an_instance_type_of_ec2_is_told_its_name_here() -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean 'ml\.c4\.xlarge'\?$"):
        family_of("c4.xlarge")


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
