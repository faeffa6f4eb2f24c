"""Whatever options go together: each request keeps to SageMaker's own model, or is refused here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sm_core.errors import ConfigurationError
from sm_core.estimator import Estimator
from sm_core.frameworks import Framework
from sm_core.inputs import TrainingInput
from sm_core.model import Model
from sm_core.session import Session
from sm_core.settings import Checkpoints, Network, Spot

Obeys = Callable[[str, Mapping[str, Any]], None]

pytestmark = pytest.mark.usefixtures("no_installed_plugins")

ROLE = "arn:aws:iam::123456789012:role/service-role/SageMakerRole"
NETWORKS = st.builds(
    Network,
    subnets=st.sampled_from([["subnet-1"], [f"subnet-{number}" for number in range(16)]]),
    security_groups=st.sampled_from(["sg-1", [f"sg-{number}" for number in range(5)]]),
    isolation=st.booleans(),
    encrypt_traffic=st.booleans(),
)
#: Hyperparameters of several lines are refused.
LINES = st.text(max_size=300).filter(lambda text: len(text.splitlines()) < 2 and text.isprintable())
TAGS = st.dictionaries(
    st.text("aé_.:/=+-@ ", min_size=1, max_size=128), st.text("aé_.:/=+-@ ", max_size=256)
).filter(lambda tags: not any(key.lower().startswith("aws:") for key in tags))
VARIABLES = st.dictionaries(
    st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,50}\Z"), st.text(max_size=100), max_size=4
)
KEYS = st.sampled_from(["alias/key", "arn:aws:kms:us-east-1:123456789012:key/1234abcd"])
NAMES = st.from_regex(r"\A[A-Za-z0-9](-?[A-Za-z0-9]){0,62}\Z")
INPUTS = st.one_of(
    st.none(),
    st.just("s3://bucket/prefix"),
    st.dictionaries(
        st.from_regex(r"\A[A-Za-z0-9.\-_]{1,64}\Z").filter(lambda name: name != "code"),
        st.builds(
            TrainingInput,
            s3_data=st.just("s3://bucket/manifest"),
            distribution=st.sampled_from(["FullyReplicated", "ShardedByS3Key"]),
            content_type=st.sampled_from([None, "text/csv", "a/" + "b" * 254]),
            compression=st.sampled_from([None, "None", "Gzip"]),
            record_wrapping=st.sampled_from([None, "None", "RecordIO"]),
            s3_data_type=st.sampled_from(["S3Prefix", "ManifestFile"]),
            input_mode=st.sampled_from([None, "File", "Pipe"]),
            shuffle_seed=st.sampled_from([None, 0, 2**63 - 1]),
        ),
        min_size=1,
        max_size=19,
    ),
)
TRAINING = {
    "train_instance_count": st.integers(1, 100),
    "train_volume_size": st.integers(1, 16384),
    "train_max_run": st.integers(60, 28 * 86400),
    "input_mode": st.sampled_from(["File", "Pipe", "FastFile"]),
    "output_path": st.sampled_from(["s3://bucket", "s3://bucket/with a/præfix/"]),
    "output_kms_key": KEYS,
    "train_volume_kms_key": KEYS,
    "base_job_name": NAMES,
    "hyperparameters": st.dictionaries(
        st.text("abc_-", min_size=1, max_size=256), LINES, max_size=5
    ),
    "network": NETWORKS,
    "spot": st.builds(Spot, max_wait=st.integers(28 * 86400, 28 * 86400 * 2)),
    "checkpoints": st.builds(
        Checkpoints,
        st.sampled_from([None, "s3://bucket/checkpoints"]),
        local_path=st.sampled_from([None, "/opt/ml/kept"]),
    ),
    "metrics": st.dictionaries(
        st.from_regex(r"\A[a-z:_]{1,50}\Z"), st.just(r"loss=([0-9.]+)"), max_size=40
    ),
    "environment": VARIABLES,
    "tags": TAGS,
    "container_log_level": st.sampled_from([10, 50]),
    "enable_cloudwatch_metrics": st.booleans(),
    "script_mode": st.sampled_from([None, True, False]),
    "code_location": st.sampled_from([None, "bucket", "s3://bucket/prefix"]),
}
HOSTING = {
    "env": VARIABLES,
    "name": NAMES,
    "network": NETWORKS.filter(lambda network: not network.isolation),
    "tags": TAGS,
    "container_log_level": st.sampled_from([10, 50]),
    "model_server_workers": st.integers(1, 64),
    "code_location": st.sampled_from([None, "bucket", "s3://bucket/prefix"]),
}
many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def anywhere() -> Session:
    return Session(boto3.Session(region_name="us-east-1"))


@many
@given(options=st.fixed_dictionaries({}, optional=TRAINING), inputs=INPUTS, data=st.data())
def test_training_jobs(
    options: dict[str, Any],
    inputs: Any,
    data: st.DataObject,
    script: str,
    anywhere: Session,
    obeys: Obeys,
) -> None:
    code = data.draw(st.sampled_from([{}, {"entry_point": script}]))
    estimator = Estimator(
        image_name="registry.example/own:1",
        role=ROLE,
        train_instance_type="ml.c5.xlarge",
        sagemaker_session=anywhere,
        **{**options, **code},
    )
    obeys("CreateTrainingJob", estimator.training_request(inputs))


def test_everything_at_once(script: str, anywhere: Session, obeys: Obeys, paper: Framework) -> None:
    network = Network(
        subnets=["subnet-1"], security_groups=["sg-1"], isolation=True, encrypt_traffic=True
    )
    estimator = Estimator(
        framework="paper",
        entry_point=script,
        role=ROLE,
        train_instance_count=100,
        train_instance_type="ml.p3.2xlarge",
        train_volume_kms_key="alias/volume",
        output_kms_key="alias/output",
        sagemaker_session=anywhere,
        network=network,
        spot=Spot(max_wait=200_000),
        checkpoints=Checkpoints("s3://bucket/kept", local_path="/opt/ml/kept"),
        metrics={"loss": "loss=([0-9.]+)"},
        environment={"MODE": "fast"},
        tags={"team": "vision"},
    )
    request = estimator.training_request({"train": "s3://bucket/train"})
    obeys("CreateTrainingJob", request)
    assert len(request) == 15
    assert len(request["InputDataConfig"]) == 2


@many
@given(
    options=st.fixed_dictionaries({}, optional=HOSTING),
    count=st.integers(1, 100),
    key=st.one_of(st.none(), KEYS),
    name=st.one_of(st.none(), NAMES),
    data=st.data(),
)
def test_models_and_endpoints(
    options: dict[str, Any],
    count: int,
    key: str | None,
    name: str | None,
    data: st.DataObject,
    script: str,
    anywhere: Session,
    obeys: Obeys,
) -> None:
    code = data.draw(st.sampled_from([{}, {"entry_point": script}]))
    model = Model(
        "s3://bucket/model.tar.gz",
        ROLE,
        image="registry.example/own:1",
        sagemaker_session=anywhere,
        **{**options, **code},
    )
    obeys("CreateModel", model.model_request("ml.c5.xlarge"))
    requests = model.endpoint_request(count, "ml.c5.xlarge", endpoint_name=name, kms_key=key)
    for operation, request in requests.items():
        obeys(operation, request)


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("CreateTrainingJob", {"TrainingJobName": "a_b"}),
        ("DeleteModel", {"ModelName": "m", "Other": 1}),
        ("DeleteEndpoint", {"EndpointName": "e" * 64}),
        ("StopTrainingJob", {}),
    ],
)
def test_what_the_model_does_not_take_would_be_found(
    obeys: Obeys, operation: str, request_: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError, match=operation):
        obeys(operation, request_)


def test_the_session_s_own_calls_are_held_to_it(session: Session) -> None:
    with pytest.raises(AssertionError, match=r"DeleteModel: .*regular expression"):
        session.sagemaker_client.delete_model(ModelName="a_b")


def test_hyperparameters_that_are_too_long_are_refused(anywhere: Session) -> None:
    own = Estimator(
        "registry.example/own:1",
        ROLE,
        train_instance_type="ml.c5.xlarge",
        sagemaker_session=anywhere,
        hyperparameters={"a": "b" * 3000},
    )
    with pytest.raises(ConfigurationError, match="2500"):
        own.training_request()
