"""What the plugin promises to the core."""

from __future__ import annotations

import pytest

from sm_core.frameworks import get_framework
from sm_core.hyperparameters import settled
from sm_core.testing import FrameworkConformance

HEAVY = (*FrameworkConformance.heavy, "google.protobuf", "scipy")


@pytest.mark.integ
class TestKMeansConformance(FrameworkConformance):
    """The suite for every framework plugin."""

    plugin = "sm_amazon_algos.plugin"
    framework = "kmeans"
    instance_types = ("ml.c5.xlarge", "ml.p3.2xlarge")
    heavy = HEAVY


@pytest.mark.integ
class TestPCAConformance(TestKMeansConformance):
    """The same of PCA."""

    framework = "pca"


@pytest.mark.integ
class TestLinearLearnerConformance(TestKMeansConformance):
    """The same of LinearLearner."""

    framework = "linear-learner"
    has_container = False


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("kmeans", "kmeans"),
        ("KMeans", "kmeans"),
        ("PCA", "pca"),
        ("linear-learner", "linear-learner"),
        ("linear_learner", "linear-learner"),
        ("LinearLearner", "linear-learner"),
    ],
)
def test_the_frameworks(name: str, found: str) -> None:
    framework = get_framework(name)
    assert framework.name == found
    assert not framework.script
    assert framework.hyperparameter_encoding == "text"
    assert framework.default_channel == "train"
    assert framework.content_type == framework.accept == "application/x-recordio-protobuf"


def test_hook_sm_hyperparameters_tells_the_containers_what_they_need() -> None:
    given = {"k": 3, "feature_dim": 2}
    assert settled(get_framework("kmeans"), given) == {**given, "force_dense": True}
    sparse = {**given, "force_dense": False}
    assert settled(get_framework("kmeans"), sparse) == sparse
    assert settled(get_framework("linear-learner"), {}) == {"predictor_type": "binary_classifier"}
    assert settled(None, {"a": 1}) == {"a": 1}
