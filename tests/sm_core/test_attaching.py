"""Attaching to jobs that there are: finished, failed and running, told of in full or hardly."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from sm_core.errors import ConfigurationError, RequestError, TrainingJobFailed
from sm_core.estimator import Estimator
from sm_core.frameworks import Framework
from sm_core.images import ImageOrigin, image_origin
from sm_core.logs import TRAINING_GROUP
from sm_core.session import Session
from sm_core.settings import Checkpoints, Network, Spot

AddPlugin = Callable[..., ModuleType]
WriteLog = Callable[..., None]
LeftOver = Callable[[], list[str]]

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
OPTIONS: dict[str, Any] = {"role": ROLE, "train_instance_type": "ml.c5.xlarge"}
VALUES = {"epochs": 3, "rate": 0.1, "deep": True, "layers": [8, 4], "none": None, "text": "007"}


def train_on_paper(session: Session, script: str, **others: Any) -> Estimator:
    options = {**OPTIONS, "hyperparameters": VALUES, **others}
    estimator = Estimator(
        framework="paper", entry_point=script, sagemaker_session=session, **options
    )
    estimator.fit(job_name="paper-training-2017-11-29-12-30-00-123", logs=False)
    return estimator


@pytest.fixture
def told(session: Session) -> Callable[..., None]:
    """Change what DescribeTrainingJob answers; None takes a member away."""

    def answer(**members: Any) -> None:
        def change(parsed: dict[str, Any], **_: object) -> None:
            parsed.update(members)
            for name in [name for name, value in parsed.items() if value is None]:
                del parsed[name]

        session.sagemaker_client.meta.events.register(
            "after-call.sagemaker.DescribeTrainingJob", change
        )

    return answer


Told = Callable[..., None]


def test_a_job_becomes_an_estimator_of_its_framework_again(
    session: Session, paper: Framework, script: str
) -> None:
    first = train_on_paper(
        session,
        script,
        train_instance_count=2,
        train_volume_size=50,
        train_max_run=600,
        input_mode="Pipe",
        output_path="s3://results/x",
        output_kms_key="key",
        framework_version="1.5",
        container_log_level=10,
        enable_cloudwatch_metrics=True,
    )
    assert first.latest_training_job is not None
    name = first.latest_training_job.name
    for cls in (Estimator, type(first)):
        again = cls.attach(name, session)
        assert type(again) is type(first)
        for option in (
            "role",
            "train_instance_count",
            "train_instance_type",
            "train_volume_size",
            "train_max_run",
            "input_mode",
            "output_path",
            "output_kms_key",
            "framework_version",
            "container_log_level",
            "enable_cloudwatch_metrics",
        ):
            assert getattr(again, option) == getattr(first, option), option
        assert again.hyperparameters() == VALUES
        assert again.train_image() == first.train_image()
        assert again.base_job_name == "paper-training"
        assert again.model_data == first.model_data
        assert again.latest_training_job is not None
        assert again.latest_training_job.name == name


def test_what_was_attached_is_deployed_with_the_job_s_code_and_uploads_nothing(
    session: Session, paper: Framework, script: str, left_over: LeftOver
) -> None:
    first = train_on_paper(session, script)
    assert first.latest_training_job is not None
    again = Estimator.attach(first.latest_training_job.name, session)
    puts: list[str] = []
    session.client("s3").meta.events.register(
        "before-call.s3.PutObject", lambda **_: puts.append("put")
    )
    predictor = again.deploy(1, "quick")
    assert puts == []
    assert type(predictor).__name__ == "PaperPredictor"
    described = session.sagemaker_client.describe_model(ModelName=left_over()[0])
    container = described["PrimaryContainer"]
    job = session.sagemaker_client.describe_training_job(
        TrainingJobName=first.latest_training_job.name
    )
    sent = job["HyperParameters"]["sagemaker_submit_directory"].strip('"')
    assert container["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"] == sent
    assert container["Environment"]["SAGEMAKER_PROGRAM"] == "train.py"
    assert container["Image"] == "us-east-1.example/paper-inference:2.0-ml.c5.xlarge"
    again.delete_endpoint()
    assert left_over() == []


def test_a_model_is_served_with_the_code_that_trained_it(
    session: Session, paper: Framework, script: str
) -> None:
    estimator = train_on_paper(session, script)
    with open(script, "a", encoding="utf-8") as file:
        file.write("# changed since\n")
    model = estimator.create_model()
    assert model.source_dir is not None
    assert model.source_dir.startswith("s3://")
    assert model.entry_point == "train.py"


def test_a_container_of_one_s_own(session: Session, script: str) -> None:
    options = {**OPTIONS, "hyperparameters": {"k": "10", "sure": "true"}}
    Estimator("own:1", sagemaker_session=session, **options).fit(job_name="plain", logs=False)
    plain = Estimator.attach("plain", session)
    assert type(plain) is Estimator
    assert plain.train_image() == "own:1"
    # Text is what such a container gets.
    assert plain.hyperparameters() == {"k": "10", "sure": "true"}
    Estimator("own:1", sagemaker_session=session, entry_point=script, **options).fit(
        job_name="scripted", logs=False
    )
    scripted = Estimator.attach("scripted", session)
    assert scripted.hyperparameters() == {"k": "10", "sure": "true"}
    assert scripted.entry_point == "train.py"


def test_declared_hyperparameters_have_their_types_again(session: Session, cut: Framework) -> None:
    Estimator(
        framework="cut", sagemaker_session=session, pieces=4, sharpness=0.5, width=8, **OPTIONS
    ).fit(job_name="cut", logs=False)
    again: Any = Estimator.attach("cut", session)
    assert (again.pieces, again.sharpness, again.width, again.mode) == (4, 0.5, 8, None)


def test_hyperparameters_that_the_job_has_are_not_argued_with(
    session: Session, cut: Framework, told: Told
) -> None:
    Estimator(framework="cut", sagemaker_session=session, pieces=4, width=8, **OPTIONS).fit(
        job_name="cut", logs=False
    )
    told(HyperParameters={"pieces": "1", "unknown": "x"})
    again = Estimator.attach("cut", session)
    assert again.hyperparameters() == {"pieces": "1", "unknown": "x"}
    with pytest.raises(ConfigurationError, match="pieces is '1'; it must be"):
        again.fit()


def test_another_framework_s_job_is_refused(
    session: Session, paper: Framework, cut: Framework, script: str
) -> None:
    train_on_paper(session, script)
    with pytest.raises(
        ConfigurationError, match=r"ran paper, by its image .*, not cut: sm_core\.Estimator\.attach"
    ):
        cut.estimator_class().attach("paper-training-2017-11-29-12-30-00-123", session)


def test_a_job_that_is_not_there_is_a_request_error(session: Session) -> None:
    with pytest.raises(RequestError) as caught:
        Estimator.attach("absent", session)
    assert caught.value.operation == "DescribeTrainingJob"


# Finished, failed, running


def test_a_failed_job_can_be_looked_at(
    session: Session, paper: Framework, script: str, told: Told
) -> None:
    train_on_paper(session, script)
    told(TrainingJobStatus="Failed", FailureReason="oh no")
    estimator = Estimator.attach("paper-training-2017-11-29-12-30-00-123", session)
    assert estimator.latest_training_job is not None
    assert estimator.latest_training_job.describe()["FailureReason"] == "oh no"
    with pytest.raises(ConfigurationError, match="has no model: its status is Failed"):
        estimator.deploy(1, "quick")


@pytest.fixture
def running(session: Session) -> Callable[..., None]:
    """Let DescribeTrainingJob say InProgress a few times before it tells the end."""

    def answer(times: int, end: str = "Completed") -> None:
        left = [times]

        def change(parsed: dict[str, Any], **_: object) -> None:
            left[0] -= 1
            parsed["TrainingJobStatus"] = "InProgress" if left[0] >= 0 else end

        session.sagemaker_client.meta.events.register(
            "after-call.sagemaker.DescribeTrainingJob", change
        )

    return answer


def test_a_running_job_is_followed_to_its_end(
    session: Session,
    paper: Framework,
    script: str,
    running: Callable[..., None],
    write_log: WriteLog,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train_on_paper(session, script)
    name = "paper-training-2017-11-29-12-30-00-123"
    write_log(TRAINING_GROUP, f"{name}/algo-1-1511395200", "epoch 1")
    running(3)
    estimator = Estimator.attach(name, session)
    assert "algo-1 | epoch 1\n" in capsys.readouterr().out
    assert estimator.model_data.endswith("model.tar.gz")
    running(3, end="Failed")
    with pytest.raises(TrainingJobFailed):
        Estimator.attach(name, session, logs=False)


def test_a_running_job_need_not_be_waited_for(
    session: Session, paper: Framework, script: str, told: Told
) -> None:
    train_on_paper(session, script)
    told(TrainingJobStatus="InProgress")
    estimator = Estimator.attach("paper-training-2017-11-29-12-30-00-123", session, wait=False)
    with pytest.raises(ConfigurationError, match=r"InProgress; Session\.wait_for_job"):
        estimator.create_model()


# What is missing

OPTIONAL = [
    "HyperParameters",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "SecondaryStatusTransitions",
    "FinalMetricDataList",
    "ModelArtifacts",
    "CreationTime",
]


@pytest.mark.parametrize("missing", [*OPTIONAL, "all"])
@pytest.mark.parametrize("framework", ["paper", "cut", None])
def test_any_member_may_be_missing(
    session: Session,
    paper: Framework,
    cut: Framework,
    script: str,
    told: Told,
    framework: str | None,
    missing: str,
) -> None:
    options: dict[str, Any] = {**OPTIONS, "sagemaker_session": session}
    if framework == "cut":
        made = Estimator(framework="cut", pieces=4, width=8, **options)
    elif framework == "paper":
        made = Estimator(framework="paper", entry_point=script, **options)
    else:
        made = Estimator("own:1", **options)
    made.fit(job_name="job", logs=False)
    told(**dict.fromkeys(OPTIONAL if missing == "all" else [missing]))
    again = type(made).attach("job", session)
    assert type(again) is type(made)
    if missing in ("ResourceConfig", "all"):
        with pytest.raises(ConfigurationError):
            again.fit()


@pytest.mark.parametrize("specification", [None, {}, {"AlgorithmName": "theirs"}])
def test_a_job_without_image(
    session: Session,
    paper: Framework,
    script: str,
    told: Told,
    specification: dict[str, Any] | None,
) -> None:
    made = train_on_paper(session, script)
    assert made.latest_training_job is not None
    name = made.latest_training_job.name
    told(AlgorithmSpecification=specification)
    assert type(type(made).attach(name, session)) is type(made)
    with pytest.warns(UserWarning, match=f"training job {name} names no image: it can be"):
        again = Estimator.attach(name, session)
    assert again.model_data == made.model_data
    with pytest.raises(TypeError, match="Model needs image"):
        again.create_model()


def test_what_is_beside_the_everyday_options_comes_back(
    session: Session, paper: Framework, script: str, told: Told
) -> None:
    vpc = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    settings: dict[str, Any] = {
        "network": Network(subnets="subnet-1", security_groups="sg-1", encrypt_traffic=True),
        "spot": Spot(max_wait=200_000),
        "checkpoints": Checkpoints("s3://b/checkpoints"),
        "metrics": {"loss": "loss=([0-9.]+)"},
        "environment": {"A": "1"},
        "train_volume_kms_key": "key",
        "script_mode": True,
    }
    made = train_on_paper(session, script, **settings)
    assert made.latest_training_job is not None
    sent = made.training_request(job_name="x")
    told(
        # Moto forgets some of what it was told.
        VpcConfig=vpc,
        EnableInterContainerTrafficEncryption=True,
        StoppingCondition=sent["StoppingCondition"],
        CheckpointConfig=sent["CheckpointConfig"],
        AlgorithmSpecification=sent["AlgorithmSpecification"],
        Environment=sent["Environment"],
        ResourceConfig=sent["ResourceConfig"],
    )
    again = Estimator.attach(made.latest_training_job.name, session)
    for name, value in settings.items():
        assert getattr(again, name) == value, name
    repeated = again.training_request(job_name="x")
    assert repeated == sent


def test_several_groups_of_instances(
    session: Session, paper: Framework, script: str, told: Told
) -> None:
    train_on_paper(session, script)
    groups = [
        {"InstanceType": "ml.c5.xlarge", "InstanceCount": 2, "InstanceGroupName": "a"},
        {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "InstanceGroupName": "b"},
    ]
    told(ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 0})
    again = Estimator.attach("paper-training-2017-11-29-12-30-00-123", session)
    assert (again.train_instance_type, again.train_instance_count) == ("ml.c5.xlarge", 3)
    assert again.train_volume_size == 30


def test_code_that_came_by_a_channel_is_the_job_s_code(
    session: Session, paper: Framework, script: str, code_key: str, told: Told
) -> None:
    first = train_on_paper(
        session, script, network=Network(isolation=True), code_location="s3://code/p"
    )
    assert first.latest_training_job is not None
    name = first.latest_training_job.name
    again = Estimator.attach(name, session)
    assert (again.entry_point, again.source_dir) == ("train.py", f"s3://code/p/{code_key}")
    assert again.image_name is None
    # It trains again, by a channel again, and is served where there is a network.
    (channel,) = again.training_request(job_name="again")["InputDataConfig"]
    assert channel["ChannelName"] == "code"
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == f"s3://code/p/{code_key}"
    assert again.create_model(network=Network()).source_dir == f"s3://code/p/{code_key}"
    # A channel may name a folder, and other programs may name other places.
    folder = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://code/folder/"}}
    told(InputDataConfig=[{"ChannelName": "code", "DataSource": folder}])
    assert Estimator.attach(name, session).source_dir == "s3://code/folder/sourcedir.tar.gz"
    told(InputDataConfig=None)
    assert Estimator.attach(name, session).entry_point is None


def test_a_script_that_is_not_in_s3_stays_where_it_is(
    session: Session, paper: Framework, script: str, told: Told
) -> None:
    train_on_paper(session, script)
    own = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": '"/opt/ml/code"'}
    told(HyperParameters={**own, "epochs": "3"})
    again = Estimator.attach("paper-training-2017-11-29-12-30-00-123", session)
    assert again.entry_point is None
    assert again.hyperparameters() == {"epochs": 3}
    assert again.image_name == "us-east-1.example/paper-training:2.0-ml.c5.xlarge"


# The hook


def test_hook_sm_image_origin_tells_the_framework_of_an_image(add_plugin: AddPlugin) -> None:
    def sm_image_origin(image: str) -> ImageOrigin | None:
        return ImageOrigin(framework="paper", version="2.0") if image == "p:2" else None

    add_plugin(sm_image_origin=sm_image_origin)
    assert image_origin("p:2") == ImageOrigin(framework="paper", version="2.0")
    assert image_origin("q:2") is None
