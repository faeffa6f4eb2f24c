"""Models: their requests, and how they are deployed."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

import sm_core
from sm_core.errors import ConfigurationError, EndpointFailed, SourceError, UnknownBackendError
from sm_core.frameworks import Framework
from sm_core.model import Model, container_def, production_variant
from sm_core.predictor import Predictor
from sm_core.requests import RequestContext
from sm_core.session import Session
from sm_core.settings import Network

AddPlugin = Callable[..., ModuleType]
LeftOver = Callable[[], list[str]]
Statuses = Callable[..., None]

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
DATA = "s3://models/model.tar.gz"


def own(session: Session | None = None, **options: Any) -> Model:
    """A model in a container of the user's own."""
    return Model(DATA, ROLE, image="registry.example/own:1", sagemaker_session=session, **options)


def validated(request: dict[str, Any], operation: str, session: Session) -> dict[str, Any]:
    model = session.sagemaker_client.meta.service_model.operation_model(operation)
    report = ParamValidator().validate(request, model.input_shape)
    assert not report.has_errors(), report.generate_report()
    return request


# Options


def test_options_by_position_and_in_other_spellings() -> None:
    for model in (
        Model(DATA, "role", image="i"),
        Model(DATA, role="role", image_uri="i"),
        Model(model_data=DATA, role="role", image_name="i"),
    ):
        assert (model.model_data, model.role, model.image) == (DATA, "role", "i")


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        ((), {"image": "i"}, "Model needs model_data"),
        ((DATA,), {}, "Model needs image, or a framework's own class such as MXNetModel"),
        ((DATA,), {"image": "i", "image_uri": "j"}, "two spellings of one option"),
        ((DATA,), {"imaeg": "i"}, "Model has no option 'imaeg'; did you mean 'image'?"),
        ((DATA, "r", "i"), {}, "Model takes at most 2 positional arguments (model_data, role)"),
    ],
)
def test_a_mistake_in_the_options_is_explained(
    args: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        Model(*args, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("option", [{"source_dir": "code"}, {"dependencies": ["lib"]}])
def test_code_that_nothing_would_use_is_refused(option: dict[str, Any]) -> None:
    (name,) = option
    with pytest.raises(TypeError, match=f"{name} without entry_point: name the script that uses"):
        own(**option)


def test_a_missing_script_is_named_at_once() -> None:
    with pytest.raises(SourceError, match=r"'absent\.py' does not exist"):
        own(entry_point="absent.py")


# The request


def test_a_container_of_one_s_own_gets_only_the_user_s_variables(session: Session) -> None:
    request = own(session, name="model", env={"A": "1"}).model_request("ml.c5.xlarge")
    assert validated(request, "CreateModel", session) == {
        "ModelName": "model",
        "PrimaryContainer": {
            "Image": "registry.example/own:1",
            "ModelDataUrl": DATA,
            "Environment": {"A": "1"},
        },
        "ExecutionRoleArn": ROLE,
    }


def test_a_script_is_named_to_the_container(session: Session, script: str, code_key: str) -> None:
    model = own(
        session,
        name="model",
        entry_point=script,
        code_location="code",
        container_log_level=10,
        model_server_workers=2,
        enable_cloudwatch_metrics=True,
        env={"SAGEMAKER_REGION": "elsewhere"},
        tags={"team": "vision"},
    )
    request = validated(model.model_request("ml.c5.xlarge"), "CreateModel", session)
    assert request["PrimaryContainer"]["Environment"] == {
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "10",
        "SAGEMAKER_ENABLE_CLOUDWATCH_METRICS": "true",
        "SAGEMAKER_REGION": "elsewhere",
        "SAGEMAKER_PROGRAM": "train.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://code/{code_key}",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "2",
    }
    assert request["Tags"] == [{"Key": "team", "Value": "vision"}]


def test_a_framework_s_image_is_that_of_the_instance_type(
    session: Session, paper: Framework
) -> None:
    model = paper.model_class()(DATA, ROLE, sagemaker_session=session)
    image = "us-east-1.example/paper-inference:2.0-ml.c5.xlarge"
    assert model.serving_image("quick") == image
    container = model.model_request("quick")["PrimaryContainer"]
    assert container["Image"] == image
    assert container["Environment"]["SAGEMAKER_REGION"] == "us-east-1"


def test_an_image_of_one_s_own_wins_over_the_framework_s(
    session: Session, paper: Framework
) -> None:
    model = paper.model_class()(DATA, ROLE, image="mine:1", sagemaker_session=session)
    assert model.serving_image("ml.c5.xlarge") == "mine:1"


def test_showing_a_request_calls_nothing_and_asks_the_hooks(
    add_plugin: AddPlugin, offline: None, script: str
) -> None:
    sending: list[bool] = []

    def sm_request(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
        sending.append(context.sending)
        return {**request, "EnableNetworkIsolation": True}

    add_plugin(sm_request=sm_request)
    session = Session(boto3.Session(region_name="us-east-1"))
    request = own(session, entry_point=script).model_request("ml.c5.xlarge")
    assert request["EnableNetworkIsolation"] is True
    assert sending == [False]


def test_an_instance_type_brings_its_back_end(
    session: Session, paper: Framework, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    model = paper.model_class()(DATA, ROLE)
    assert "us-east-1.example/" in model.model_request("quick")["PrimaryContainer"]["Image"]
    with pytest.raises(ConfigurationError, match="no AWS region is configured"):
        model.serving_image("ml.c5.xlarge")


@pytest.mark.parametrize(
    "data", ["model.tar.gz", "/tmp/model.tar.gz", "https://b/m", "s3://", "s3://b", "s3://b/", None]
)
def test_model_data_must_be_in_s3(session: Session, data: Any) -> None:
    model = Model(data, ROLE, image="i", sagemaker_session=session)
    with pytest.raises(ConfigurationError, match=r"is not of the form 's3://bucket/key'; ses"):
        model.model_request("ml.c5.xlarge")


def test_workers_are_counted() -> None:
    with pytest.raises(ConfigurationError, match="model_server_workers is 0; give a whole number"):
        Model(DATA, ROLE, image="i", model_server_workers=0)


# Deploying


@pytest.mark.parametrize("count", [0, -1, "2", 1.5, True])
def test_instances_are_counted_before_anything_is_made(
    session: Session, left_over: LeftOver, count: Any
) -> None:
    with pytest.raises(ConfigurationError, match=r"initial_instance_count is .* give a whole"):
        own(session).deploy(count, "ml.c5.xlarge")
    assert left_over() == []


def test_deploy_makes_three_things_and_a_predictor(session: Session, left_over: LeftOver) -> None:
    predictor = own(session, name="model", tags={"team": "vision"}).deploy(2, "ml.c5.xlarge")
    assert type(predictor) is Predictor
    assert predictor.endpoint == "model"
    assert left_over() == ["model", "model", "model"]
    config = session.sagemaker_client.describe_endpoint_config(EndpointConfigName="model")
    (variant,) = config["ProductionVariants"]
    assert variant["InitialInstanceCount"] == 2
    assert variant["InstanceType"] == "ml.c5.xlarge"
    assert variant["VariantName"] == "AllTraffic"


def test_each_deployment_has_a_name_of_its_own(session: Session, left_over: LeftOver) -> None:
    model = own(session)
    names = {model.deploy(instance_type="quick").endpoint for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith("own-") for name in names)
    assert model.deploy(instance_type="quick", endpoint_name="exact").endpoint == "exact"


def test_the_back_end_s_own_instance_type_is_translated(session: Session) -> None:
    own(session, name="model").deploy(instance_type="quick")
    config = session.sagemaker_client.describe_endpoint_config(EndpointConfigName="model")
    assert config["ProductionVariants"][0]["InstanceType"] == "ml.c5.xlarge"


def test_other_spellings_of_deploy(session: Session) -> None:
    own(session, name="model").deploy(min_instances=3, deploy_instance_type="ml.c5.xlarge")
    config = session.sagemaker_client.describe_endpoint_config(EndpointConfigName="model")
    assert config["ProductionVariants"][0]["InitialInstanceCount"] == 3


@pytest.mark.parametrize(
    ("args", "keywords", "message"),
    [
        ((), {}, "deploy needs instance_type, for example 'ml.c5.xlarge'"),
        ((1,), {"min_instances": 2}, "'initial_instance_count' and 'min_instances', two spellings"),
        (
            (),
            {"instance_type": "a", "deploy_instance_type": "b"},
            "'instance_type' and 'deploy_instance_type', two spellings",
        ),
        (
            (),
            {"instance_typ": "a"},
            "deploy has no option 'instance_typ'; did you mean 'instance",
        ),
    ],
)
def test_a_mistake_in_deploy_is_explained(
    session: Session, args: tuple[Any, ...], keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        own(session).deploy(*args, **keywords)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "deployment", "message"),
    [
        ({"name": "under_score"}, {}, "name 'under_score' is no name that SageMaker takes"),
        ({}, {"endpoint_name": "-e"}, "endpoint_name '-e' is no name that SageMaker takes"),
    ],
)
def test_what_is_wrong_is_found_before_anything_is_made(
    session: Session,
    script: str,
    left_over: LeftOver,
    options: dict[str, Any],
    deployment: dict[str, Any],
    message: str,
) -> None:
    model = own(session, entry_point=script, **options)
    with pytest.raises(ConfigurationError) as caught:
        model.deploy(instance_type="quick", **deployment)
    assert message in str(caught.value)
    assert left_over() == []
    assert session.client("s3").list_buckets()["Buckets"] == []


def test_the_code_is_uploaded(session: Session, script: str) -> None:
    own(session, name="model", entry_point=script).deploy(instance_type="quick")
    variables = session.sagemaker_client.describe_model(ModelName="model")["PrimaryContainer"]
    uri = variables["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    assert session.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"] > 0


def test_a_deployment_that_fails_leaves_nothing(
    session: Session, left_over: LeftOver, endpoint_status: Statuses
) -> None:
    endpoint_status("Failed", reason="no ping")
    with pytest.raises(EndpointFailed, match="no ping"):
        own(session).deploy(instance_type="quick")
    assert left_over() == []


def test_a_predictor_that_cannot_be_made_takes_the_endpoint_with_it(
    session: Session, left_over: LeftOver
) -> None:
    def refuse(endpoint: str, given: Session) -> Any:
        raise RuntimeError(f"no predictor of {endpoint}")

    with pytest.raises(RuntimeError, match="no predictor of e"):
        own(session, predictor_cls=refuse).deploy(instance_type="quick", endpoint_name="e")
    assert left_over() == []


def test_who_makes_the_predictor(session: Session, paper: Framework) -> None:
    def make(endpoint: str, given: Session) -> tuple[str, Session]:
        return (endpoint, given)

    made = own(session, predictor_cls=make).deploy(instance_type="quick", endpoint_name="e")
    assert made == ("e", session)
    model = paper.model_class()(DATA, ROLE, sagemaker_session=session)
    predictor = model.deploy(instance_type="quick")
    assert type(predictor) is paper.predictor_class()
    assert predictor.sagemaker_session is session


def test_what_is_given_of_codecs_is_the_predictor_s(session: Session, paper: Framework) -> None:
    model = paper.model_class()(
        DATA, ROLE, sagemaker_session=session, serializer=sm_core.csv_serializer, accept="text/csv"
    )
    predictor = model.deploy(instance_type="quick")
    assert predictor.content_type == "text/csv"
    assert (predictor.deserializer, predictor.accept) == ("auto", "text/csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"env": {"A": 1}}, "env: A is a int; give text"),
        ({"env": {"A": "x" * 1025}}, "env: A has 1025 characters, AWS allows 1024"),
        ({"network": "subnet-1"}, "network is 'subnet-1'; give sm_core.Network(…)"),
        ({"tags": {"aws:a": ""}}, "tags: 'aws:a'"),
        ({"deserializer": "json"}, "deserializer is 'json'; give a function of body and content"),
    ],
)
def test_a_value_that_cannot_be_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        own(**options)


def test_network(session: Session) -> None:
    network = Network(subnets="subnet-1", security_groups="sg-1", isolation=True)
    request = validated(
        own(session, network=network).model_request("ml.c5.xlarge"), "CreateModel", session
    )
    assert request["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert request["EnableNetworkIsolation"] is True


def test_the_session_is_made_when_it_is_needed_and_kept(no_installed_plugins: None) -> None:
    model = own()
    assert model.sagemaker_session is model.sagemaker_session
    assert model.sagemaker_session.backend.name == "aws"


def test_local_is_no_instance_type_of_another_back_end(session: Session) -> None:
    with pytest.raises(ConfigurationError, match="'local' belongs to the back end 'local', but"):
        own(session).deploy(instance_type="local")
    with pytest.raises(UnknownBackendError, match="pip install sm-local"):
        own().deploy(instance_type="local")


# Helpers for those who make requests themselves


def test_container_def_and_production_variant_fit_aws_s_requests(session: Session) -> None:
    container = container_def("image:1", DATA, env={"A": "1"})
    request = {"ModelName": "m", "PrimaryContainer": container, "ExecutionRoleArn": ROLE}
    validated(request, "CreateModel", session)
    assert container_def("image:1") == {"Image": "image:1", "Environment": {}}
    variant = sm_core.production_variant("m", "ml.c5.xlarge", initial_weight=0.5)
    assert variant == production_variant("m", "ml.c5.xlarge", initial_weight=0.5)
    validated(
        {"EndpointConfigName": "c", "ProductionVariants": [variant]},
        "CreateEndpointConfig",
        session,
    )
    assert variant["InitialVariantWeight"] == 0.5


def test_endpoint_request_shows_what_deploy_sends(session: Session, offline: None) -> None:
    model = own(session, name="model", tags={"team": "vision"})
    shown = model.endpoint_request(2, "quick", endpoint_name="endpoint", kms_key="key")
    for operation, request in shown.items():
        validated(request, operation, session)
    assert list(shown) == ["CreateEndpointConfig", "CreateEndpoint"]
    (variant,) = shown["CreateEndpointConfig"]["ProductionVariants"]
    assert (variant["ModelName"], variant["InitialInstanceCount"]) == ("model", 2)
    assert shown["CreateEndpointConfig"]["KmsKeyId"] == "key"
    assert shown["CreateEndpoint"] == {
        "EndpointName": "endpoint",
        "EndpointConfigName": "endpoint",
        "Tags": [{"Key": "team", "Value": "vision"}],
    }


def test_deploy_sends_what_endpoint_request_shows(session: Session) -> None:
    sent: dict[str, Any] = {}

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        sent[model.name] = dict(params)

    model = own(session, name="model")
    for operation in ("CreateEndpointConfig", "CreateEndpoint"):
        session.sagemaker_client.meta.events.register(
            f"provide-client-params.sagemaker.{operation}", note
        )
    shown = model.endpoint_request(instance_type="quick", endpoint_name="endpoint")
    model.deploy(instance_type="quick", endpoint_name="endpoint")
    assert sent == shown
