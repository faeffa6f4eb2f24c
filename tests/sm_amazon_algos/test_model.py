"""Models of the algorithms: deployed without code."""

from __future__ import annotations

from typing import Any

import pytest

from sm_amazon_algos import KMeansModel, LinearLearnerModel, PCAModel
from sm_core.session import Session

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"


@pytest.mark.parametrize(
    ("cls", "name", "predictor"),
    [
        (KMeansModel, "kmeans", "KMeansPredictor"),
        (PCAModel, "pca", "PCAPredictor"),
        (LinearLearnerModel, "linear-learner", "LinearLearnerPredictor"),
    ],
)
def test_a_model_is_deployed(session: Session, cls: type[Any], name: str, predictor: str) -> None:
    model = cls("s3://b/model.tar.gz", ROLE, session)
    with model.deploy(1, "ml.m5.large") as found:
        assert type(found).__name__ == predictor
        client = session.sagemaker_client
        (entry,) = client.list_models()["Models"]
        described = client.describe_model(ModelName=entry["ModelName"])
        container = described["PrimaryContainer"]
        assert container["Image"] == f"382416733822.dkr.ecr.us-east-1.amazonaws.com/{name}:1"
        assert container["ModelDataUrl"] == "s3://b/model.tar.gz"
        assert container.get("Environment", {}) == {}


def test_a_script_is_refused() -> None:
    with pytest.raises(TypeError, match="entry_point"):
        KMeansModel("s3://b/model.tar.gz", ROLE, entry_point="serve.py")  # type: ignore[call-arg]  # that is the point
