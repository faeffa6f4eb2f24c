"""The table of images: complete, and readable by the core."""

from __future__ import annotations

import json
import os
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import tomli
import uv

from sm_core.containerspec import Device
from sm_core.imagechoice import image_uri
from sm_core.images import ImageRequest, Scope
from sm_local.environments import index_settings
from sm_mxnet.images import container_spec, image_table, version_of_image
from sm_mxnet.plugin import sm_frameworks

TABLE: dict[str, Any] = json.loads(
    files("sm_mxnet").joinpath("images.json").read_text(encoding="utf-8")
)
SCOPES: dict[str, Any] = TABLE["frameworks"]["mxnet"]
REGIONS = sorted(
    {*TABLE["main_regions"], *(r for a in TABLE["accounts"].values() for r in a["other"])}
)


def test_every_row_has_an_account_set_and_every_short_version_a_row() -> None:
    for scope in SCOPES.values():
        versions = {row["version"] for row in scope["images"]}
        assert {row["accounts"] for row in scope["images"]} <= set(TABLE["accounts"])
        assert set(scope["short_to_full"].values()) <= versions


def test_accounts_are_twelve_digits() -> None:
    for accounts in TABLE["accounts"].values():
        for account in (accounts["main"], *accounts["other"].values()):
            assert account.isdecimal()
            assert len(account) == 12


@pytest.mark.parametrize("scope", ["training", "inference"])
def test_every_image_that_is_named_is_recognised_again(scope: Scope) -> None:
    tried = 0
    for row in SCOPES[scope]["images"]:
        accounts = TABLE["accounts"][row["accounts"]]
        for region in (r for r in REGIONS if r in accounts["other"] or r in TABLE["main_regions"]):
            for python in row["python"]:
                request = ImageRequest(
                    framework="mxnet",
                    region=region,
                    instance_type="ml.c5.xlarge",
                    scope=scope,
                    version=row["version"],
                    py_version=python,
                )
                assert version_of_image(image_uri(image_table(), request)) == row["version"]
                tried += 1
    assert tried > 300


def test_the_default_version_has_images() -> None:
    (framework,) = sm_frameworks()
    default = framework.default_version
    for scope in SCOPES.values():
        if "gpu" in scope["processors"]:
            assert default in {row["version"] for row in scope["images"]}


@pytest.mark.integ
@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("python", ["3.11", pytest.param("3.10", marks=pytest.mark.long)])
def test_the_container_s_requirements_go_together(device: Device, python: str) -> None:
    spec = container_spec("1.9", device)
    core = tomli.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    toolkit = core["project"]["dependencies"], core["project"]["optional-dependencies"]["container"]
    lines = "\n".join([*spec.requirements, *toolkit[0], *toolkit[1]])
    # As installed on Linux, from wheels alone; resolving reads descriptions, no whole packages.
    options = f"--python-version {python} --python-platform x86_64-manylinux_2_28"
    command = f"pip compile - --quiet --no-header --no-annotate --only-binary :all: {options}"
    done = subprocess.run(
        [uv.find_uv_bin(), *command.split()],
        input=lines,
        env={**os.environ, **index_settings(os.environ)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = dict(line.split("==") for line in done.stdout.split())
    assert found["mxnet-cu112" if device == "gpu" else "mxnet"] == "1.9.1"
    assert found["numpy"].startswith("1.23.")
