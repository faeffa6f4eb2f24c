"""The path of examples/quickstart.py on a real account: it starts machines and costs money."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sm_core import Estimator, Session

pytestmark = pytest.mark.aws

EXAMPLES = Path(__file__).parents[2] / "examples"
#: Name or ARN of a role that SageMaker may assume.
ROLE_VARIABLE = "AWS_SAGEMAKER_ROLE"


@pytest.fixture
def session() -> Session:
    import boto3

    own = boto3.Session()
    if own.get_credentials() is None:
        pytest.skip("no AWS credentials: configure a profile, or set AWS_ACCESS_KEY_ID and so on")
    if own.region_name is None:
        pytest.skip("no AWS region: set AWS_DEFAULT_REGION")
    return Session(own)


@pytest.fixture
def role() -> str:
    name = os.environ.get(ROLE_VARIABLE)
    if not name:
        pytest.skip(f"no role: name one that SageMaker may assume in {ROLE_VARIABLE}")
    return name


def test_the_quickstart_on_aws(session: Session, role: str, tmp_path: Path) -> None:
    digits = load_digits()
    table = np.column_stack([digits.data, digits.target])
    np.savetxt(tmp_path / "digits.csv", table[:-300], fmt="%d", delimiter=",")
    inputs = session.upload_data(tmp_path / "digits.csv", key_prefix="sm-core-test/digits")
    estimator = Estimator(
        framework="mxnet",
        # The newest of AWS's images that calls the script's functions.
        framework_version="1.2.1",
        py_version="py3",
        entry_point=str(EXAMPLES / "train.py"),
        role=role,
        train_instance_count=1,
        train_instance_type="ml.c5.xlarge",
        train_max_run=3600,
        sagemaker_session=session,
    )
    estimator.fit({"train": inputs.rpartition("/")[0]})
    with estimator.deploy(initial_instance_count=1, instance_type="ml.c5.xlarge") as predictor:
        answers = predictor.predict(table[-300:, :64].tolist())
    assert np.mean(np.argmax(answers, axis=1) == table[-300:, 64]) > 0.85
