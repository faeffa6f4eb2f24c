"""Which image a request gets: the rules one by one, and all of AWS's images at once."""

from __future__ import annotations

import hashlib
import itertools
import json
from importlib.resources import files
from typing import Any

import attrs
import pytest

from sm_core.errors import ImageError
from sm_core.imagechoice import image_uri, version_of_image
from sm_core.images import ImageRequest
from sm_core.imagetables import ImageTable

TABLE = {
    "ecr_domain": {"default": "amazonaws.com", "cn-north-1": "amazonaws.com.cn"},
    "main_regions": ["eu-west-1", "us-east-1"],
    "accounts": {
        "old": {"main": "111111111111", "other": {"cn-north-1": "222222222222"}},
        "new": {"main": "333333333333", "other": {"eu-south-1": "444444444444"}},
        "listed": {"other": {"us-east-1": "555555555555"}},
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
    "tag_suffixes": {"paper": {"2.0-gpu-py38-ubuntu": "cu110"}},
}
REQUEST = ImageRequest(
    framework="paper",
    region="us-east-1",
    instance_type="ml.c5.xlarge",
    scope="training",
    default_version="2.0.0",
)


def uri(**changes: Any) -> str:
    return image_uri(ImageTable.from_json(json.dumps(TABLE)), attrs.evolve(REQUEST, **changes))


OLD = "111111111111.dkr.ecr.us-east-1.amazonaws.com/sm-paper"
NEW = "333333333333.dkr.ecr.us-east-1.amazonaws.com/paper-training"


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
            {"instance_type": "ml.p3.2xlarge", "version": "2.0", "smdistributed": True},
            f"{NEW}:2.0-gpu-py38-ubuntu-cu110",
        ),
        (
            {"region": "eu-south-1"},
            "444444444444.dkr.ecr.eu-south-1.amazonaws.com/paper-training:2.0.0-cpu-py38-ubuntu",
        ),
        (
            {"region": "cn-north-1", "version": "1.4"},
            "222222222222.dkr.ecr.cn-north-1.amazonaws.com.cn/sm-paper:1.4-cpu-py2",
        ),
        # No row names a Python: the tag has none, whatever is asked for.
        (
            {"scope": "inference", "version": "1.4.1", "py_version": "py3"},
            "555555555555.dkr.ecr.us-east-1.amazonaws.com/paper-serving:1.4.1-cpu",
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
            "there is no paper image in region 'eu-west-1'",
        ),
        (
            {"instance_type": "ml.c7g.xlarge"},
            "no image of paper for training runs on ml.c7g.xlarge (graviton)",
        ),
        ({"instance_type": "ml.inf1.xlarge"}, "(inferentia); there are images for: cpu, gpu"),
        ({"instance_type": "ml.trn1.2xlarge"}, "(trainium); there are images for: cpu, gpu"),
        ({"framework": "origami"}, "there is no image of origami for training; name an image with"),
        ({"scope": "inference", "accelerator_type": "ml.eia2.medium"}, "no image of paper for eia"),
        ({"scope": "inference", "accelerator_type": "eia"}, "one is 'ml.eia2.medium' or the like"),
        ({"accelerator_type": "ml.eia2.medium"}, "and for inference only"),
        (
            {"scope": "inference", "instance_type": "ml.p3.2xlarge"},
            "no image of paper for inference runs on ml.p3.2xlarge (gpu); there are images for:",
        ),
    ],
)
def test_what_is_not_in_the_table_is_named_with_what_is(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImageError) as caught:
        uri(**changes)
    assert message in str(caught.value)


def tensorflow() -> ImageTable:
    return table_of("tensorflow")


def tensorflow_tag(**changes: Any) -> str:
    """Repository and tag of an image of TensorFlow, the default version being 2.14.1."""
    request = attrs.evolve(REQUEST, framework="tensorflow", default_version="2.14.1", **changes)
    return image_uri(tensorflow(), request).partition("/")[2]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "tensorflow-training:2.14.1-cpu-py310"),
        # The newest version that the instance type can run, where the user named none.
        ({"instance_type": "ml.p2.xlarge"}, "tensorflow-training:2.11.0-gpu-py39"),
        (
            {"instance_type": "ml.p2.xlarge", "scope": "inference"},
            "tensorflow-inference:2.11.1-gpu",
        ),
        ({"instance_type": "ml.p2.xlarge", "version": "2.11"}, "tensorflow-training:2.11-gpu-py39"),
        ({"instance_type": "ml.p3.2xlarge"}, "tensorflow-training:2.14.1-gpu-py310"),
        (
            {"instance_type": "ml.c6g.xlarge", "scope": "inference"},
            "tensorflow-inference-graviton:2.14.1-cpu-py310-ubuntu20.04-sagemaker",
        ),
        (
            {"instance_type": "ml.c7g.xlarge", "scope": "inference", "version": "2.9"},
            "tensorflow-inference-graviton:2.9-cpu-py38-ubuntu20.04-sagemaker",
        ),
        (
            {"scope": "inference", "accelerator_type": "ml.eia2.medium"},
            "tensorflow-inference-eia:2.3.0-cpu",
        ),
        (
            {"scope": "inference", "accelerator_type": "ml.eia1.large", "version": "1.10"},
            "sagemaker-tensorflow-eia:1.10-cpu-py2",
        ),
    ],
)
def test_tensorflow(changes: dict[str, Any], expected: str) -> None:
    assert tensorflow_tag(**changes) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"instance_type": "ml.p2.xlarge", "version": "2.12"},
            "tensorflow 2.12 does not run on ml.p2.xlarge; the newest that does is 2.11.0",
        ),
        (
            {"instance_type": "ml.c6g.xlarge", "scope": "inference", "version": "2.11"},
            "there is no tensorflow 2.11 image for inference",
        ),
        ({"instance_type": "ml.c6g.xlarge"}, "no image of tensorflow for training runs on ml.c6g"),
        ({"scope": "inference", "instance_type": "ml.inf1.xlarge"}, "(inferentia)"),
    ],
)
def test_what_an_instance_type_cannot_run_is_refused_for_a_version_that_was_named(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImageError) as caught:
        tensorflow_tag(**changes)
    assert message in str(caught.value)


# Every image of AWS's: as many as AWS's own SDK 2.257.7 has, and the same

PYTHONS = (None, "py2", "py3", "py36", "py37", "py38", "py39", "py310", "py311", "py312")
#: How many URIs there are, and the beginning of the SHA-256 of them all, sorted, a line each.
FACTS = [
    ("mxnet training ml.c5.xlarge", 1_230, "9a755beb404a0c7a"),
    ("mxnet training ml.p3.2xlarge", 1_230, "afdc50eec1fd6dbd"),
    ("mxnet inference ml.c5.xlarge", 1_230, "4f2a10c62ea8490c"),
    ("mxnet inference ml.p3.2xlarge", 1_230, "b0ea441d41197c1b"),
    ("mxnet eia ml.c5.xlarge", 576, "214e815232871cd1"),
    ("tensorflow eia ml.c5.xlarge", 4_400, "d6a9bc9d228c7ed3"),
    ("tensorflow inference ml.c5.xlarge", 26_860, "1e42a304b68a77eb"),
    ("tensorflow inference ml.p3.2xlarge", 26_860, "05bd56009ca0afa7"),
    ("tensorflow inference_graviton ml.c5.xlarge", 792, "3261ded0c603be48"),
    ("tensorflow training ml.c5.xlarge", 5_924, "e3f58b410f7158db"),
    ("tensorflow training ml.p3.2xlarge", 5_924, "aa79164063e68404"),
]


def table_of(framework: str) -> ImageTable:
    packages = {"mxnet": "sm_mxnet", "tensorflow": "sm_tensorflow"}
    package = packages.get(framework, "sm_amazon_algos")
    return ImageTable.from_json(files(package).joinpath("images.json").read_bytes())


def regions_of(tables: list[ImageTable]) -> list[str]:
    return sorted(
        {
            region
            for table in tables
            for accounts in table.accounts.values()
            for region in (*accounts.other, *table.main_regions)
        }
    )


REGIONS = regions_of([table_of("mxnet"), table_of("tensorflow"), table_of("kmeans")])


def request_of(framework: str, scope: str, instance_type: str, **others: Any) -> ImageRequest:
    """A request that leads to the images of `scope`, one of a table's."""
    if scope == "inference_graviton":
        instance_type = "ml.c6g.xlarge"
    return ImageRequest(
        framework=framework,
        scope="training" if scope == "training" else "inference",
        instance_type=instance_type,
        accelerator_type="ml.eia2.medium" if scope == "eia" else None,
        **others,
    )


def uris(framework: str, scope: str, instance_type: str) -> list[str]:
    """All URIs that there are, of every version, Python and region."""
    table = table_of(framework)
    images = table.frameworks[framework][scope]
    found = []
    for version in sorted({*images.short_to_full, *(each.version for each in images.images)}):
        full = images.full(version)
        known = [p for each in images.images if each.version == full for p in each.python]
        # AWS's SDK guesses no Python where there is a choice.
        pythons = [p for p in PYTHONS if p in known or (p is None and len(known) < 2)]
        for python, region in itertools.product(pythons, REGIONS):
            request = request_of(
                framework,
                scope,
                instance_type,
                region=region,
                version=version,
                py_version=python,
            )
            try:
                uri = image_uri(table, request)
            except ImageError:
                continue
            # Where tags name no Python, any may be asked for.
            found += [uri] if known else [uri] * len(PYTHONS)
    return sorted(found)


@pytest.mark.parametrize(("case", "count", "digest"), FACTS)
def test_every_image_of_aws(case: str, count: int, digest: str) -> None:
    framework, scope, instance_type = case.split()
    found = uris(framework, scope, instance_type)
    assert len(found) == count
    assert hashlib.sha256("\n".join(found).encode()).hexdigest()[:16] == digest


def test_there_are_as_many_images_as_aws_s_sdk_has() -> None:
    assert len(REGIONS) == 42
    frameworks = sum(count for _, count, _ in FACTS)
    algorithms = (
        3 * 2 * 37 * 3 * 2
    )  # of each, in each scope and region, three spellings, CPU and GPU
    assert frameworks + algorithms == 77_588


# The way back


@pytest.mark.parametrize("framework", ["mxnet", "tensorflow"])
def test_every_image_is_recognised_again(framework: str) -> None:
    table = table_of(framework)
    for scope in ("training", "inference", "eia"):
        for image in table.frameworks[framework][scope].images:
            request = request_of(
                framework,
                scope,
                "ml.c5.xlarge",
                region="us-west-2",
                version=image.version,
                py_version=image.python[0] if image.python else None,
            )
            uri = image_uri(table, request)
            assert version_of_image(table, framework, uri) == image.version
            other = {"mxnet": "tensorflow"}.get(framework, "mxnet")
            assert version_of_image(table_of(other), other, uri) is None


@pytest.mark.parametrize(
    "image",
    [
        f"{NEW}",
        NEW.replace("33", "43") + ":2.0-cpu-py38",
        NEW.replace("amazonaws.com", "amazonaws.com.evil.org") + ":2.0-cpu-py38",
        NEW.replace("paper-training", "other") + ":2.0-cpu-py38",
        "paper-training:2.0-cpu-py38",
        f"evil.org/{NEW}:2.0-cpu-py38",
    ],
)
def test_what_is_none_of_the_table_s_is_not_recognised(image: str) -> None:
    table = ImageTable.from_json(json.dumps(TABLE))
    assert version_of_image(table, "paper", f"{NEW}:2.0-cpu-py38") == "2.0"
    assert version_of_image(table, "paper", image) is None
