"""Estimators: options, requests, training, deployment."""

from __future__ import annotations

import copy
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import boto3
import pytest
from botocore.validate import ParamValidator

import sm_core
from sm_core.backends import Backend, Polling
from sm_core.errors import (
    ConfigurationError,
    EndpointFailed,
    InputError,
    SourceError,
    TrainingJobFailed,
    UnknownFrameworkError,
)
from sm_core.estimator import Estimator
from sm_core.frameworks import Framework
from sm_core.hyperparameters import decode
from sm_core.inputs import TrainingInput
from sm_core.logs import TRAINING_GROUP
from sm_core.predictor import Predictor
from sm_core.requests import RequestContext
from sm_core.session import Session
from sm_core.settings import Network

AddPlugin = Callable[..., ModuleType]
LeftOver = Callable[[], list[str]]
Statuses = Callable[..., None]
WriteLog = Callable[..., None]

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerRole"
BUCKET = f"sagemaker-us-east-1-{ACCOUNT}"
IMAGE = "registry.example/own:1"
NETWORK = Network(subnets="subnet-1", security_groups="sg-1")


def own(session: Session | None = None, **options: Any) -> Estimator:
    """An estimator of a container of the user's own."""
    defaults = {"image_name": IMAGE, "role": ROLE, "train_instance_type": "ml.c5.xlarge"}
    return Estimator(sagemaker_session=session, **{**defaults, **options})


def offline_session() -> Session:
    return Session(boto3.Session(region_name="us-east-1"))


# Which class


def test_a_framework_s_name_gives_its_class(paper: Framework, script: str) -> None:
    for name in ("paper", "Paper", "origami"):
        estimator = Estimator(
            framework=name, entry_point=script, role=ROLE, train_instance_type="ml.c5.xlarge"
        )
        assert type(estimator) is paper.estimator_class()
        assert estimator.framework is paper


def test_the_public_name_is_the_class(paper: Framework, script: str) -> None:
    made = sm_core.Estimator(
        framework="paper", entry_point=script, train_instance_type="ml.c5.xlarge"
    )
    assert isinstance(made, paper.estimator_class())


def test_a_framework_s_class_takes_its_options_by_position(paper: Framework, script: str) -> None:
    for estimator in (
        paper.estimator_class()(script, ROLE, 2, "ml.c5.xlarge"),
        Estimator(script, ROLE, 2, "ml.c5.xlarge", framework="paper"),
        paper.estimator_class()(script, role=ROLE, instance_count=2, instance_type="ml.c5.xlarge"),
    ):
        assert (estimator.entry_point, estimator.role) == (script, ROLE)
        assert estimator.train_instance_count == 2
        assert estimator.train_instance_type == "ml.c5.xlarge"
    assert paper.estimator_class()(script, train_instance_type="m").train_instance_count == 1


def test_a_container_of_one_s_own_takes_its_image_first() -> None:
    estimator = Estimator(IMAGE, ROLE, 2, "ml.c5.xlarge")
    assert type(estimator) is Estimator
    assert (estimator.image_name, estimator.train_instance_count) == (IMAGE, 2)


def test_a_framework_s_options_are_its_class_s(paper: Framework, script: str) -> None:
    estimator: Any = Estimator(
        framework="paper", entry_point=script, train_instance_type="m", folds=3
    )
    assert estimator.folds == 3
    with pytest.raises(TypeError, match=r"Paper has no option 'fold'; did you mean 'folds'\?"):
        Estimator(framework="paper", entry_point=script, train_instance_type="m", fold=3)
    with pytest.raises(TypeError, match=r"Estimator has no option 'folds'"):
        own(folds=3)
    shown = inspect.signature(paper.estimator_class()).parameters
    assert shown["folds"].default == 1
    assert next(iter(shown)) == "entry_point"
    assert "framework" not in shown


def test_another_framework_s_class_is_refused(paper: Framework) -> None:
    class Other(Estimator):
        framework_name = "other"

    with pytest.raises(TypeError, match="Other cannot be an estimator of 'paper', which is Paper"):
        Other(framework="paper", train_instance_type="m")


def test_an_unknown_framework_says_what_to_install(no_installed_plugins: None) -> None:
    with pytest.raises(UnknownFrameworkError, match="pip install sm-mxnet"):
        Estimator(framework="mxnet", entry_point="train.py", train_instance_type="m")


def test_a_class_whose_plugin_was_set_aside_still_shows_a_signature(
    no_installed_plugins: None,
) -> None:
    class Orphan(Estimator):
        framework_name = "orphan"

    assert "entry_point" in inspect.signature(Orphan).parameters
    with pytest.raises(UnknownFrameworkError):
        Orphan(train_instance_type="m")


def test_an_estimator_can_be_copied(script: str) -> None:
    estimator = own(entry_point=script)
    assert copy.copy(estimator).train_image() == IMAGE


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_instance_tpe": "m"}, "no option 'train_instance_tpe'; did you mean 'train_instan"),
        ({"instance_type": "m", "image_name": "i", "train_instance_type": "m"}, "two spellings"),
        ({"image_name": "i"}, "Estimator needs train_instance_type"),
        ({"train_instance_type": "m"}, "Estimator needs framework=, the name of an installed fra"),
        (
            {"train_instance_type": "m", "entry_point": "train.py"},
            "or image_name=, a container of your own",
        ),
        (
            {"train_instance_type": "m", "image_name": "i", "source_dir": "."},
            "source_dir without entry_point: name the script that uses it",
        ),
        (
            {"train_instance_type": "m", "framework": "paper"},
            "Paper needs entry_point, the script that trains",
        ),
    ],
)
def test_a_mistake_in_the_options_is_a_type_error(
    paper: Framework, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        Estimator(**options)
    assert message in str(caught.value)


def test_all_aliases(script: str) -> None:
    estimator = Estimator(
        image_uri=IMAGE, instance_count=3, instance_type="ml.m5.large", volume_size=9, max_run=99
    )
    assert estimator.image_name == IMAGE
    assert estimator.train_instance_count == 3
    assert estimator.train_instance_type == "ml.m5.large"
    assert estimator.train_volume_size == 9
    assert estimator.train_max_run == 99


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_instance_count": 0}, "train_instance_count is 0; give a whole number of at least"),
        ({"train_instance_count": "2"}, "train_instance_count is '2'; give a whole number"),
        ({"train_volume_size": 1.5}, "train_volume_size is 1.5; give a whole number"),
        ({"train_max_run": None}, "train_max_run is None; give a whole number"),
        ({"train_instance_count": True}, "train_instance_count is True; give a whole number"),
        (
            {"output_path": "results"},
            "output_path 'results' is not of the form 's3://bucket/prefix'",
        ),
        ({"input_mode": "pipe"}, "input_mode is 'pipe'; it is one of File, Pipe, FastFile"),
        ({"hyperparameters": ["a"]}, "hyperparameters is a list; give a dict from names to values"),
        ({"tags": ["a"]}, "tags is ['a']; give {'key': 'value'}, or AWS's [{'Key'"),
    ],
)
def test_a_value_that_cannot_be_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        own(**options)
    assert message in str(caught.value)


def test_tags_may_have_aws_s_own_form() -> None:
    tags = [{"Key": "team", "Value": "vision"}]
    assert own(offline_session(), tags=tags).training_request()["Tags"] == tags
    mapped = own(offline_session(), tags={"team": "vision"})
    assert mapped.training_request()["Tags"] == tags


def test_a_framework_is_given_by_name() -> None:
    with pytest.raises(TypeError, match="framework is a int; give its name, such as 'mxnet'"):
        Estimator(framework=3)  # type: ignore[call-overload]  # the mistake that is tested


def test_numpy_s_whole_numbers_do() -> None:
    np = pytest.importorskip("numpy")
    estimator = own(train_instance_count=np.int64(2))
    assert type(estimator.train_instance_count) is int


def test_a_time_limit_below_a_minute_warns_at_the_user_s_line() -> None:
    with pytest.warns(UserWarning, match=r"train_max_run=24 is in seconds, and less than a") as w:
        own(train_max_run=24)
    assert w[0].filename == __file__


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"entry_point": "absent.py"}, "entry_point 'absent.py' does not exist"),
        ({"entry_point": "x.py", "source_dir": "absent"}, "source_dir 'absent' does not exist"),
    ],
)
def test_code_that_is_not_there_is_found_at_construction(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SourceError) as caught:
        own(**options)
    assert message in str(caught.value)


def test_hyperparameters_are_the_user_s_own_copy() -> None:
    given = {"a": 1}
    estimator = own(hyperparameters=given)
    estimator.set_hyperparameters(b=2)
    estimator.hyperparameters()["c"] = 3
    assert given == {"a": 1}
    assert estimator.hyperparameters() == {"a": 1, "b": 2}


def test_the_session_is_made_when_it_is_needed_and_kept(
    no_installed_plugins: None, offline: None
) -> None:
    estimator = own()
    assert estimator.sagemaker_session is estimator.sagemaker_session
    assert estimator.sagemaker_session.backend.name == "aws"


# The request


def validated(request: dict[str, Any]) -> dict[str, Any]:
    client = boto3.Session(region_name="us-east-1").client("sagemaker")
    shape = client.meta.service_model.operation_model("CreateTrainingJob").input_shape
    assert shape is not None
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    return request


def test_the_request_of_a_framework(
    paper: Framework, offline: None, script: str, code_key: str
) -> None:
    estimator = paper.estimator_class()(
        script,
        ROLE,
        2,
        "ml.c5.xlarge",
        hyperparameters={"epochs": 3, "name": "x"},
        tags={"team": "vision"},
        output_kms_key="key",
        sagemaker_session=offline_session(),
    )
    request = validated(estimator.training_request("s3://data/digits", job_name="job-1"))
    assert request == {
        "TrainingJobName": "job-1",
        "AlgorithmSpecification": {
            "TrainingImage": "us-east-1.example/paper-training:2.0-ml.c5.xlarge",
            "TrainingInputMode": "File",
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/", "KmsKeyId": "key"},
        "ResourceConfig": {
            "InstanceType": "ml.c5.xlarge",
            "InstanceCount": 2,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        "HyperParameters": {
            "epochs": "3",
            "name": '"x"',
            "sagemaker_submit_directory": f'"s3://{BUCKET}/code/{code_key}"',
            "sagemaker_program": '"train.py"',
            "sagemaker_enable_cloudwatch_metrics": "false",
            "sagemaker_container_log_level": "20",
            "sagemaker_job_name": '"job-1"',
            "sagemaker_region": '"us-east-1"',
        },
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {
                    "S3DataSource": {
                        "S3Uri": "s3://data/digits",
                        "S3DataType": "S3Prefix",
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
        ],
        "Tags": [{"Key": "team", "Value": "vision"}],
    }


def test_the_request_of_a_container_of_one_s_own(no_installed_plugins: None, offline: None) -> None:
    estimator = own(offline_session(), hyperparameters={"k": 10, "deep": True})
    request = validated(estimator.training_request("s3://data/digits"))
    assert request["HyperParameters"] == {"k": "10", "deep": "True"}
    assert request["InputDataConfig"][0]["ChannelName"] == "training"
    assert estimator.source_listing() == []
    assert "Tags" not in request


def test_a_container_of_one_s_own_with_a_script(
    no_installed_plugins: None, offline: None, script: str
) -> None:
    estimator = own(offline_session(), hyperparameters={"name": "x"}, entry_point=script)
    request = validated(estimator.training_request())
    assert request["HyperParameters"]["name"] == '"x"'
    assert request["HyperParameters"]["sagemaker_program"] == '"train.py"'
    assert "InputDataConfig" not in request
    assert [file.name for file in estimator.source_listing()] == ["train.py"]


def test_text_for_a_framework_that_wants_text(
    paper: Framework, add_plugin: AddPlugin, offline: None, script: str
) -> None:
    plain = attrs.evolve(
        paper, name="plain", aliases=(), hyperparameter_encoding="text", options=()
    )
    add_plugin(sm_frameworks=lambda: [plain])
    estimator = Estimator(
        framework="plain",
        image_name=IMAGE,
        role=ROLE,
        train_instance_type="ml.m5.large",
        hyperparameters={"k": "v"},
        sagemaker_session=offline_session(),
    )
    assert estimator.training_request()["HyperParameters"] == {"k": "v"}


def test_an_image_of_one_s_own_wins(paper: Framework, script: str) -> None:
    estimator = paper.estimator_class()(
        script, ROLE, train_instance_type="ml.c5.xlarge", image_name="mine:1"
    )
    assert estimator.train_image() == "mine:1"


def test_the_version_and_python_are_asked_for(
    paper: Framework, add_plugin: AddPlugin, script: str
) -> None:
    seen = []
    add_plugin(sm_image=lambda request: seen.append(request))
    estimator = paper.estimator_class()(
        script,
        train_instance_type="ml.c5.xlarge",
        framework_version="1.9",
        py_version="py3",
        sagemaker_session=offline_session(),
    )
    assert estimator.train_image() == "us-east-1.example/paper-training:1.9-ml.c5.xlarge"
    (request,) = seen
    assert (request.version, request.default_version, request.py_version) == ("1.9", "2.0", "py3")


@pytest.mark.parametrize(
    ("options", "argument", "expected"),
    [
        ({}, None, r"own-\d{4}(-\d\d){5}-\d{3}"),
        ({"base_job_name": "mine"}, None, r"mine-\d{4}(-\d\d){5}-\d{3}"),
        ({"base_job_name": "mine", "job_name": "exact"}, None, "exact"),
        ({"job_name": "exact"}, "for-this-fit", "for-this-fit"),
    ],
)
def test_names_of_jobs(
    no_installed_plugins: None, options: dict[str, Any], argument: str | None, expected: str
) -> None:
    estimator = own(offline_session(), **options)
    request = estimator.training_request(job_name=argument)
    assert re.fullmatch(expected, request["TrainingJobName"])


@pytest.mark.parametrize("name", ["under_score", "-x", "x" * 64])
def test_a_name_that_sagemaker_does_not_take(no_installed_plugins: None, name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"job_name '{name}' is no name that SageMaker"):
        own(offline_session(), job_name=name).training_request()


def test_local_data_is_only_named(
    no_installed_plugins: None, offline: None, script: str, tmp_path: Path
) -> None:
    request = own(offline_session()).training_request(
        {"one": Path(script).as_uri(), "all": TrainingInput(tmp_path.as_uri())}, job_name="j"
    )
    uris = [
        channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in request["InputDataConfig"]
    ]
    assert uris == [f"s3://{BUCKET}/j/input/one/train.py", f"s3://{BUCKET}/j/input/all"]


def test_hook_sm_request_amends_what_is_shown(add_plugin: AddPlugin, offline: None) -> None:
    seen: list[RequestContext] = []

    def sm_request(context: RequestContext, request: dict[str, Any]) -> dict[str, Any]:
        seen.append(context)
        return {**request, "EnableNetworkIsolation": True}

    add_plugin(sm_request=sm_request)
    assert own(offline_session()).training_request()["EnableNetworkIsolation"] is True
    assert seen == [
        RequestContext(
            service="sagemaker",
            operation="CreateTrainingJob",
            framework=None,
            backend="aws",
            sending=False,
        )
    ]


def test_a_role_s_name_cannot_be_shown_in_full(no_installed_plugins: None, offline: None) -> None:
    with pytest.raises(ConfigurationError, match="give role= as a full ARN"):
        own(offline_session(), role="SageMakerRole").training_request()
    with pytest.raises(ConfigurationError, match="role is missing: give role= as a full ARN"):
        own(offline_session(), role=None).training_request()


# Training


def sent(session: Session) -> list[dict[str, Any]]:
    """What goes over the wire as CreateTrainingJob."""
    requests: list[dict[str, Any]] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        requests.append(json.loads(params["body"]))

    session.sagemaker_client.meta.events.register("before-call.sagemaker.CreateTrainingJob", note)
    return requests


def test_fit_sends_what_training_request_shows(
    session: Session, paper: Framework, add_plugin: AddPlugin, script: str
) -> None:
    def sm_request(context: RequestContext, request: dict[str, Any]) -> dict[str, Any] | None:
        if context.operation != "CreateTrainingJob":
            return None
        assert context.framework == "paper"
        return {**request, "Tags": [{"Key": "team", "Value": "vision"}]}

    add_plugin(sm_request=sm_request)
    estimator = paper.estimator_class()(
        script, ROLE, 1, "quick", sagemaker_session=session, hyperparameters={"a": [1, 2]}
    )
    requests = sent(session)
    shown = estimator.training_request({"train": "s3://data/digits"}, job_name="job-1")
    estimator.fit({"train": "s3://data/digits"}, job_name="job-1")
    assert requests == [shown]
    assert shown["ResourceConfig"]["InstanceType"] == "ml.c5.xlarge"


def test_fit_uploads_code_and_data_and_shows_the_log(
    session: Session,
    script: str,
    code_key: str,
    tmp_path: Path,
    write_log: WriteLog,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_log(TRAINING_GROUP, "job-1/algo-1-1511395200", "epoch 1", "epoch 2")
    estimator = own(session, entry_point=script, output_path="s3://results/here")
    estimator.fit(Path(script).as_uri(), job_name="job-1")
    assert capsys.readouterr().out.splitlines()[-2:] == ["algo-1 | epoch 1", "algo-1 | epoch 2"]
    s3 = session.client("s3")
    assert {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} == {BUCKET, "results"}
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert keys == [f"code/{code_key}", "job-1/input/training/train.py"]
    assert estimator.latest_training_job is not None
    assert estimator.latest_training_job.name == "job-1"


def test_fit_without_logs_shows_nothing(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    own(session).fit("s3://data/digits", logs=False)
    assert capsys.readouterr().out == ""


def test_fit_need_not_wait(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    def never(**_: object) -> None:
        pytest.fail("it waited")

    session.sagemaker_client.meta.events.register(
        "before-call.sagemaker.DescribeTrainingJob", never
    )
    own(session).fit("s3://data/digits", False)
    assert capsys.readouterr().out == ""


def change_answers(session: Session, **members: Any) -> None:
    """Change what DescribeTrainingJob answers."""

    def change(parsed: dict[str, Any], **_: Any) -> None:
        parsed.update(members)

    session.sagemaker_client.meta.events.register(
        "after-call.sagemaker.DescribeTrainingJob", change
    )


def test_a_script_that_fails_is_an_error_with_its_own_words(
    session: Session, script: str, write_log: WriteLog
) -> None:
    reason = 'AlgorithmError: ExecuteUserScriptError:\nExitCode 3\nValueError("no digits")'
    change_answers(session, TrainingJobStatus="Failed", FailureReason=reason)
    write_log(TRAINING_GROUP, "job-1/algo-1-1511395200", "Traceback (most recent call last):")
    estimator = own(session, entry_point=script)
    with pytest.raises(TrainingJobFailed) as caught:
        estimator.fit(job_name="job-1")
    assert caught.value.exit_code == 3
    assert 'ValueError("no digits")' in str(caught.value)
    assert "  Traceback (most recent call last):" in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"job-1 has no model: its status is Failed$"):
        _ = estimator.model_data


def test_a_stopped_job_warns_and_has_a_model(session: Session) -> None:
    change_answers(session, TrainingJobStatus="Stopped", SecondaryStatus="MaxRuntimeExceeded")
    estimator = own(session)
    with pytest.warns(UserWarning, match=r"stopped \(MaxRuntimeExceeded\)") as caught:
        estimator.fit()
    assert caught[0].filename == __file__
    assert estimator.model_data.endswith("/output/model.tar.gz")


@pytest.mark.parametrize(
    ("options", "fit", "error", "message"),
    [
        ({"role": None}, {}, ConfigurationError, "role is missing: give the name or ARN"),
        ({"role": "Absent"}, {}, ConfigurationError, "the role 'Absent' cannot be looked up"),
        ({}, {"inputs": "s3://"}, InputError, "channel 'training': 's3://' names no bucket"),
        ({}, {"inputs": {"a": "file:///x", "b": "y"}}, InputError, "channel 'a': 'file:///x': /x"),
        ({}, {"job_name": "under_score"}, ConfigurationError, "job_name 'under_score' is no name"),
        (
            {"train_instance_type": "c5.xlarge"},
            {},
            ConfigurationError,
            "'c5.xlarge' is not an instance type; one looks like 'ml.c5.xlarge'",
        ),
        (
            {"code_location": "https://x"},
            {},
            ConfigurationError,
            "code_location 'https://x' is ne",
        ),
        ({"hyperparameters": {"a": object()}}, {}, ConfigurationError, "hyperparameters: a: a obj"),
        (
            {"hyperparameters": {f"h{i}": i for i in range(95)}},
            {},
            ConfigurationError,
            "hyperparameters: 101 are to be sent, 6 of them for the container's toolkit",
        ),
        (
            {"output_kms_key": 1},
            {},
            ConfigurationError,
            "CreateTrainingJob: Invalid type for parameter OutputDataConfig.KmsKeyId",
        ),
    ],
)
def test_what_is_wrong_is_found_before_anything_is_made(
    session: Session,
    script: str,
    options: dict[str, Any],
    fit: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    estimator = own(session, entry_point=script, **options)
    with pytest.raises(error) as caught:
        estimator.fit(**fit)
    assert message in str(caught.value)
    assert session.client("s3").list_buckets()["Buckets"] == []
    assert estimator.latest_training_job is None


def test_a_back_end_s_default_role_will_do(
    add_plugin: AddPlugin, no_installed_plugins: None, offline: None
) -> None:
    backend = Backend(
        name="easy",
        boto_session=lambda: boto3.Session(region_name="us-east-1"),
        polling=Polling(first=0, factor=1, ceiling=0),
        instance_types={"easy": "ml.c5.xlarge", "easy_gpu": "ml.p3.2xlarge"},
        default_role="arn:aws:iam::000000000000:role/Default",
    )
    add_plugin(sm_backends=lambda: [backend])
    request = own(role=None, train_instance_type="easy_gpu").training_request()
    assert request["RoleArn"] == "arn:aws:iam::000000000000:role/Default"
    assert request["ResourceConfig"]["InstanceType"] == "ml.p3.2xlarge"
    with pytest.raises(ConfigurationError, match="belongs to the back end 'easy', but the Session"):
        own(offline_session(), train_instance_type="easy").training_request()


def test_what_a_policy_refuses_leaves_nothing(
    add_plugin: AddPlugin, session: Session, script: str
) -> None:
    def sm_check_request(context: RequestContext, request: dict[str, Any]) -> None:
        if context.operation == "CreateTrainingJob" and "VpcConfig" not in request:
            raise PermissionError("only in a VPC")

    add_plugin(sm_check_request=sm_check_request)
    estimator = own(session, entry_point=script)
    with pytest.raises(PermissionError, match="only in a VPC"):
        estimator.fit("s3://data/digits")
    assert session.client("s3").list_buckets()["Buckets"] == []
    assert estimator.latest_training_job is None
    own(session, entry_point=script, network=NETWORK).fit("s3://data/digits")


# Deploying


def test_a_model_needs_a_job_that_has_ended(session: Session) -> None:
    estimator = own(session)
    with pytest.raises(ConfigurationError, match="there is no model yet: call fit first"):
        _ = estimator.model_data
    estimator.fit(wait=False, job_name="job-1")
    change_answers(session, TrainingJobStatus="InProgress")
    with pytest.raises(
        ConfigurationError, match=r"InProgress; Session\.wait_for_job\('job-1'\) waits for"
    ):
        estimator.deploy(instance_type="quick")


def test_deploy_gives_the_framework_s_predictor(
    session: Session, paper: Framework, script: str, left_over: LeftOver
) -> None:
    estimator = paper.estimator_class()(
        script, ROLE, 1, "quick", sagemaker_session=session, base_job_name="mine"
    )
    estimator.fit("s3://data/digits")
    predictor = estimator.deploy(1, "quick")
    assert type(predictor) is paper.predictor_class()
    assert predictor.endpoint.startswith("mine-")
    (model, *_) = left_over()
    description = session.sagemaker_client.describe_model(ModelName=model)
    container = description["PrimaryContainer"]
    assert container["ModelDataUrl"] == estimator.model_data
    assert container["Image"] == "us-east-1.example/paper-inference:2.0-ml.c5.xlarge"
    assert container["Environment"]["SAGEMAKER_PROGRAM"] == "train.py"
    estimator.delete_endpoint()
    assert left_over() == []
    with pytest.raises(ConfigurationError, match="there is no endpoint to delete"):
        estimator.delete_endpoint()


def test_a_container_of_one_s_own_serves_too(session: Session, left_over: LeftOver) -> None:
    estimator = own(session)
    estimator.fit("s3://data/digits")
    with estimator.deploy(
        min_instances=2, deploy_instance_type="quick", endpoint_name="exact"
    ) as predictor:
        assert predictor.endpoint == "exact"
        (model, *_) = left_over()
        container = session.sagemaker_client.describe_model(ModelName=model)["PrimaryContainer"]
        assert container["Image"] == IMAGE
        assert container.get("Environment", {}) == {}
    assert left_over() == []


def test_a_container_of_one_s_own_is_told_how_to_speak(session: Session) -> None:
    estimator = own(session, network=NETWORK, tags={"team": "vision"})
    estimator.fit("s3://data/digits")
    predictor = estimator.deploy(
        1,
        "quick",
        endpoint_name="speaks",
        kms_key="alias/storage",
        serializer=sm_core.csv_serializer,
        deserializer=sm_core.json_deserializer,
        content_type="text/csv; header=absent",
        environment={"MODE": "fast"},
    )
    assert predictor.serializer is sm_core.csv_serializer
    assert predictor.deserializer is sm_core.json_deserializer
    assert predictor.content_type == "text/csv; header=absent"
    assert predictor.accept == "application/json"
    client = session.sagemaker_client
    config = client.describe_endpoint_config(EndpointConfigName="speaks")
    assert config["KmsKeyId"] == "alias/storage"
    model = client.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    assert model["PrimaryContainer"]["Environment"] == {"MODE": "fast"}
    assert model["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}


def test_a_model_has_what_the_estimator_has_unless_told_otherwise(
    session: Session, script: str, tmp_path: Path
) -> None:
    class Speaker(Predictor):
        pass

    other = tmp_path / "other.py"
    other.write_text("", encoding="utf-8")
    estimator = own(session, entry_point=script, network=NETWORK)
    estimator.fit("s3://data/digits")
    model = estimator.create_model()
    # The code is that of the job.
    assert (model.entry_point, model.role, model.image) == ("train.py", ROLE, IMAGE)
    assert (model.network, model.model_data) == (NETWORK, estimator.model_data)
    told = estimator.create_model(
        entry_point=str(other),
        network=None,
        image_uri="other:1",
        model_data="s3://b/model.tar.gz",
        predictor_cls=Speaker,
        accept="text/csv",
    )
    assert (told.entry_point, told.network, told.image) == (str(other), None, "other:1")
    assert told.model_data == "s3://b/model.tar.gz"
    predictor = told.deploy(1, "quick")
    assert isinstance(predictor, Speaker)
    assert predictor.accept == "text/csv"
    beside = own(session, entry_point=script, dependencies=[str(other)])
    bare = beside.create_model(entry_point=None, model_data="s3://b/model.tar.gz")
    assert (bare.entry_point, bare.source_dir, bare.dependencies) == (None, None, ())
    with pytest.raises(TypeError, match="Model has no option 'acept'; did you mean 'accept'"):
        estimator.create_model(acept="text/csv")  # type: ignore[call-arg]  # misspelt


def test_deploy_is_all_or_nothing(
    session: Session, left_over: LeftOver, endpoint_status: Statuses
) -> None:
    estimator = own(session)
    estimator.fit("s3://data/digits")
    endpoint_status("Creating", "Failed", reason="no ping")
    with pytest.raises(EndpointFailed, match="no ping"):
        estimator.deploy(1, "quick")
    assert left_over() == []
    with pytest.raises(ConfigurationError, match="there is no endpoint to delete"):
        estimator.delete_endpoint()


@pytest.mark.parametrize(
    ("args", "keywords", "message"),
    [
        ((1,), {}, "deploy needs instance_type"),
        ((1, "quick"), {"min_instances": 1}, "'initial_instance_count' and 'min_instances'"),
        ((1, "quick"), {"deploy_instance_type": "quick"}, "and 'deploy_instance_type', two spel"),
        ((1, "quick"), {"endpoint": "e"}, "deploy has no option 'endpoint'"),
        ((1, "quick"), {"serialiser": str}, "did you mean 'serializer'?"),
        ((1, "quick"), {"env": {}, "environment": {}}, "'env' and 'environment', two spellings"),
    ],
)
def test_a_mistake_in_deploy_is_explained_without_a_call(
    no_installed_plugins: None,
    offline: None,
    args: tuple[Any, ...],
    keywords: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(TypeError) as caught:
        own(offline_session()).deploy(*args, **keywords)
    assert message in str(caught.value)


def test_an_interrupted_deployment_can_be_deleted(
    session: Session, left_over: LeftOver, endpoint_status: Statuses
) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    estimator = own(session)
    estimator.fit("s3://data/digits")
    endpoint_status("Creating", "InService")
    events = session.sagemaker_client.meta.events
    # Once while it is waited for, and once more while it is waited for to be deleted.
    events.register("before-call.sagemaker.DescribeEndpoint", interrupt)
    with pytest.raises(KeyboardInterrupt):
        estimator.deploy(1, "quick")
    assert len(left_over()) == 3
    events.unregister("before-call.sagemaker.DescribeEndpoint", interrupt)
    estimator.delete_endpoint()
    assert left_over() == []


# sm_hyperparameters


def test_hook_sm_hyperparameters_amends_what_is_encoded(
    paper: Framework, add_plugin: AddPlugin, session: Session, script: str
) -> None:
    seen: list[tuple[str, str | None, dict[str, Any]]] = []

    def watch(name: str) -> Callable[..., dict[str, Any] | None]:
        def sm_hyperparameters(
            framework: str | None, hyperparameters: dict[str, Any]
        ) -> dict[str, Any] | None:
            seen.append((name, framework, dict(hyperparameters)))
            return None if name == "silent" else {**hyperparameters, name: len(seen)}

        return sm_hyperparameters

    add_plugin("early", sm_hyperparameters=watch("early"))
    # The framework's own plugin comes first, though it registered last.
    add_plugin(
        "own",
        sm_frameworks=lambda: [attrs.evolve(paper, name="origami-2", aliases=())],
        sm_hyperparameters=watch("own"),
    )
    add_plugin("silent", sm_hyperparameters=watch("silent"))
    estimator = Estimator(
        framework="origami-2",
        image_name=IMAGE,
        entry_point=script,
        role=ROLE,
        train_instance_type="ml.c5.xlarge",
        hyperparameters={"a": 0},
        sagemaker_session=session,
    )
    sent = decode(estimator.training_request()["HyperParameters"])
    assert {name: sent[name] for name in ("a", "own", "early")} == {"a": 0, "own": 1, "early": 2}
    assert seen == [
        ("own", "origami-2", {"a": 0}),
        ("early", "origami-2", {"a": 0, "own": 1}),
        ("silent", "origami-2", {"a": 0, "own": 1, "early": 2}),
    ]
    assert estimator.hyperparameters() == {"a": 0}


def test_a_plugin_refuses_hyperparameters_before_anything_is_made(
    add_plugin: AddPlugin, session: Session
) -> None:
    def sm_hyperparameters(framework: str | None) -> None:
        raise ConfigurationError(f"not with {framework}")

    add_plugin(sm_hyperparameters=sm_hyperparameters)
    estimator = own(session)
    with pytest.raises(ConfigurationError, match="not with None"):
        estimator.fit()
    assert session.client("s3").list_buckets()["Buckets"] == []


# Algorithms: no script, declared hyperparameters, data that knows its channels


class Sheets:
    """Data that knows its channels and its width."""

    def training_inputs(self) -> dict[str, str | TrainingInput]:
        return {"train": "s3://b/train", "test": TrainingInput("s3://b/test", content_type="a/b")}

    def training_hyperparameters(self) -> dict[str, Any]:
        return {"width": 8}


@pytest.fixture
def cutter(cut: Framework, session: Session) -> Any:
    """An estimator of an algorithm."""
    return cut.estimator_class()(ROLE, 2, "ml.c5.xlarge", 4, sagemaker_session=session)


def test_an_algorithm_needs_no_script(cutter: Any) -> None:
    assert (cutter.role, cutter.train_instance_count, cutter.pieces) == (ROLE, 2, 4)
    assert (cutter.entry_point, cutter.source_dir, cutter.blade) == (None, None, None)
    request = cutter.training_request(Sheets())
    assert request["HyperParameters"] == {"pieces": "4", "width": "8"}
    channels = {each["ChannelName"]: each for each in request["InputDataConfig"]}
    assert list(channels) == ["train", "test"]
    assert channels["test"]["ContentType"] == "a/b"
    assert cutter.hyperparameters() == {"pieces": 4}
    assert cutter.source_listing() == []


def test_data_may_know_channels_alone(session: Session) -> None:
    class Plain:
        def training_inputs(self) -> dict[str, str | TrainingInput]:
            return {"left": "s3://b/left"}

    request = own(session).training_request(Plain())
    assert [each["ChannelName"] for each in request["InputDataConfig"]] == ["left"]


@pytest.mark.parametrize("option", ["entry_point", "source_dir", "py_version", "code_location"])
def test_an_algorithm_has_no_options_about_scripts(cut: Framework, option: str) -> None:
    for cls in (cut.estimator_class(), cut.model_class()):
        assert option not in inspect.signature(cls).parameters
    with pytest.raises(TypeError, match=f"Cut has no option '{option}'"):
        Estimator(framework="cut", pieces=2, train_instance_type="m", **{option: "x"})
    with pytest.raises(TypeError, match=f"CutModel has no option '{option}'"):
        cut.model_class()("s3://b/model.tar.gz", **{option: "x"})  # type: ignore[arg-type]  # that is tested


def test_an_algorithm_is_trained_and_deployed(cutter: Any, session: Session) -> None:
    cutter.fit(Sheets())
    predictor = cutter.deploy(1, "quick")
    (model,) = session.sagemaker_client.list_models()["Models"]
    described = session.sagemaker_client.describe_model(ModelName=model["ModelName"])
    assert described["PrimaryContainer"]["Environment"] == {}
    assert described["PrimaryContainer"]["Image"] == "registry.example/cut:1"
    predictor.delete()


def test_an_algorithm_s_signature_shows_its_hyperparameters(cut: Framework) -> None:
    parameters = inspect.signature(cut.estimator_class()).parameters
    assert list(parameters)[:4] == ["role", "train_instance_count", "train_instance_type", "pieces"]
    assert repr(parameters["pieces"].default) == "required"
    assert parameters["sharpness"].annotation == "float | str | None"
    assert parameters["blade"].default is None
