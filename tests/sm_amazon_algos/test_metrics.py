"""The metrics of jobs that AWS defines itself, and who defines them elsewhere."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sm_amazon_algos.metrics import metric_definitions
from sm_amazon_algos.plugin import sm_request
from sm_core.requests import RequestContext

IMAGE = "174872318107.dkr.ecr.us-west-2.amazonaws.com/kmeans:1"
REQUEST = {"AlgorithmSpecification": {"TrainingImage": IMAGE}, "HyperParameters": {"k": "3"}}


def context(**changes: Any) -> RequestContext:
    known = {"operation": "CreateTrainingJob", "framework": "kmeans", "backend": "local"}
    return RequestContext(service="sagemaker", **{**known, **changes})


@pytest.mark.parametrize("framework", ["kmeans", None])
def test_hook_sm_request_defines_the_metrics_of_a_job(framework: str | None) -> None:
    found = sm_request(context(framework=framework), REQUEST)
    assert found is not None
    specification = found["AlgorithmSpecification"]
    assert specification["TrainingImage"] == IMAGE
    names = {each["Name"] for each in specification["MetricDefinitions"]}
    assert names == {"train:progress", "train:throughput", "train:msd", "test:msd", "test:ssd"}
    assert "MetricDefinitions" not in REQUEST["AlgorithmSpecification"]


@pytest.mark.parametrize(
    ("changes", "specification"),
    [
        ({"backend": "aws"}, {}),
        ({"operation": "CreateModel"}, {}),
        ({"framework": "mxnet"}, {}),
        ({}, {"MetricDefinitions": [{"Name": "mine", "Regex": "(x)"}]}),
        ({"framework": None}, {"TrainingImage": "123456789012.dkr.ecr.us-west-2.amazonaws.com/x"}),
    ],
)
def test_no_metrics_are_defined_where_others_do(
    changes: dict[str, Any], specification: dict[str, Any]
) -> None:
    given = {"AlgorithmSpecification": {"TrainingImage": IMAGE, **specification}}
    assert sm_request(context(**changes), given) is None


@pytest.mark.parametrize("task", ["regressor", "binary_classifier", "multiclass_classifier"])
def test_a_request_may_have_them(task: str) -> None:
    found = metric_definitions("linear-learner", {"predictor_type": task})
    assert len(found) <= 40
    for each in found:
        assert re.compile(each["Regex"]).groups == 1
