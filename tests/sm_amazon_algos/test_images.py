"""AWS's images of the algorithms, in all regions."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from sm_core.errors import ConfigurationError, ImageError
from sm_core.images import ImageRequest, Scope, resolve_image

ACCOUNTS = {
    "us-east-1": "382416733822.dkr.ecr.us-east-1.amazonaws.com",
    "us-east-2": "404615174143.dkr.ecr.us-east-2.amazonaws.com",
    "us-west-2": "174872318107.dkr.ecr.us-west-2.amazonaws.com",
    "eu-west-1": "438346466558.dkr.ecr.eu-west-1.amazonaws.com",
    "cn-north-1": "390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn",
    "us-gov-west-1": "226302683700.dkr.ecr.us-gov-west-1.amazonaws.com",
    "us-iso-east-1": "490574956308.dkr.ecr.us-iso-east-1.c2s.ic.gov",
    "us-isob-east-1": "765400339828.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
    "us-isof-south-1": "124985052026.dkr.ecr.us-isof-south-1.csp.hci.ic.gov",
}


def uri(
    framework: str = "kmeans",
    region: str = "us-east-1",
    instance_type: str = "ml.m5.xlarge",
    scope: Scope = "training",
) -> str:
    return resolve_image(
        ImageRequest(framework=framework, region=region, instance_type=instance_type, scope=scope)
    )


@pytest.mark.parametrize("framework", ["kmeans", "pca", "linear-learner"])
@pytest.mark.parametrize(("region", "registry"), ACCOUNTS.items())
def test_hook_sm_image(framework: str, region: str, registry: str) -> None:
    for scope in ("training", "inference"):
        assert uri(framework, region, scope=scope) == f"{registry}/{framework}:1"
    assert uri(framework, region, "ml.p3.2xlarge") == f"{registry}/{framework}:1"


def test_all_regions() -> None:
    text = files("sm_amazon_algos").joinpath("images.json").read_text(encoding="utf-8")
    regions = set(re.findall(r'"([a-z-]+-\d)": "\d{12}"', text))
    assert len(regions) == 37
    assert len({uri(region=region) for region in regions}) == 37


def test_another_region_is_named_with_the_nearest() -> None:
    with pytest.raises(ImageError, match=r"no pca image in region 'eu-west-9' .did you mean 'eu"):
        uri("pca", "eu-west-9")
    with pytest.raises(ImageError, match=r"regions: af-south-1, .*Elsewhere name an"):
        uri("pca", "mars")


@pytest.mark.parametrize("instance_type", ["ml.m6g.xlarge", "ml.c7g.large", "ml.trn1.2xlarge"])
def test_processors_that_the_images_do_not_run_on(instance_type: str) -> None:
    with pytest.raises(ImageError, match=f"no image of kmeans .* runs on {instance_type}"):
        uri(instance_type=instance_type)


def test_inferentia_is_none_of_the_images_business() -> None:
    assert uri(instance_type="ml.inf1.xlarge").endswith("/kmeans:1")


def test_what_is_no_instance_type() -> None:
    with pytest.raises(ConfigurationError, match="is not an instance type"):
        uri(instance_type="m5")
