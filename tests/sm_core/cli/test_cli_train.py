"""``sm train``: options from declarations, what is sent, what is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from sm_core.errors import ConfigurationError
from sm_core.frameworks import Framework
from sm_core.jobs import TrainingJob
from sm_core.session import Session

Run = Callable[..., Result]


@pytest.fixture
def train(run: Run, paper: Framework, script: str) -> Run:
    """Run ``sm train`` of the framework of paper."""

    def invoke(*arguments: str) -> Result:
        common = ("--framework", "paper", "--entry-point", script, "--instance-type", "here")
        return run("train", *common, *arguments)

    return invoke


def request(result: Result) -> dict[str, Any]:
    """The request that a dry run prints."""
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_help_shows_the_options_of_every_job(run: Run) -> None:
    result = run("train", "--help")
    assert result.exit_code == 0
    for text in ("Options of every job:", "--train-instance-type, --instance-type", "--dry-run"):
        assert text in result.stdout
    assert "--hyperparameters" not in result.stdout
    assert "--sagemaker-session" not in result.stdout


def test_help_shows_a_framework_s_own_options(run: Run, paper: Framework) -> None:
    shown = " ".join(run("train", "--framework", "paper", "--help").stdout.split())
    assert "Options of paper: --folds INTEGER How often the paper is folded [default: 1]" in shown
    assert "--folds" not in run("train", "--help").stdout


def test_help_shows_an_algorithm_s_hyperparameters(run: Run, cut: Framework) -> None:
    shown = " ".join(run("train", "--framework=cut", "--help").stdout.split())
    assert "Hyperparameters of cut: --pieces INTEGER How many pieces" in shown
    assert "[required] --sharpness VALUE" in shown
    # An algorithm takes no script.
    assert "--source-dir" not in shown


def test_a_dry_run_prints_the_request_and_starts_nothing(train: Run, session: Session) -> None:
    sent = request(train("--dry-run", "--job-name", "j", "--input", "s3://b/data", "--folds", "3"))
    assert sent["TrainingJobName"] == "j"
    assert sent["ResourceConfig"]["InstanceType"] == "ml.c5.xlarge"
    (channel,) = sent["InputDataConfig"]
    assert channel["ChannelName"] == "train"
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == "s3://b/data"
    assert session.sagemaker_client.list_training_jobs()["TrainingJobSummaries"] == []


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("epochs=5", "5"),
        ("epochs=0.1", "0.1"),
        ("epochs=true", "true"),
        ("epochs=adam", '"adam"'),
        ('epochs="5"', '"5"'),
        ('epochs=[1, "a"]', '[1, "a"]'),
        ("epochs=a=b", '"a=b"'),
        ("epochs=", '""'),
    ],
)
def test_hyperparameters_are_json_where_they_are_json(train: Run, text: str, sent: str) -> None:
    found = request(train("--dry-run", "-H", text))
    assert found["HyperParameters"]["epochs"] == sent


def test_a_hyperparameter_needs_a_value(train: Run) -> None:
    result = train("-H", "epochs")
    assert result.exit_code == 2
    assert "'epochs' is not of the form NAME=VALUE" in result.stderr


def test_declared_hyperparameters_by_flag_or_by_name(run: Run, cut: Framework) -> None:
    common = ("train", "--framework", "cut", "--instance-type", "here", "--dry-run")
    by_flag = request(run(*common, "--pieces", "2", "--width", "9", "--sharpness", "auto"))
    by_name = request(run(*common, "-H", "pieces=2", "-H", "width=9", "-H", "sharpness=auto"))
    assert by_flag["HyperParameters"] == by_name["HyperParameters"]
    assert by_flag["HyperParameters"]["blade_sharpness"] == "auto"
    missing = run(*common)
    assert missing.exit_code == 2
    assert "Cut needs --pieces" in missing.stderr


def test_channels(train: Run, tmp_path: Path) -> None:
    data = tmp_path / "my data"
    data.mkdir()
    (data / "a.csv").write_text("1\n")
    described = json.dumps({"s3_data": "s3://b/x=y", "distribution": "ShardedByS3Key"})
    sent = request(
        train("--dry-run", "-i", f"test={data}", "-i", f"train={described}", "-i", "v=s3://b/v")
    )
    test, train_, other = (each["DataSource"]["S3DataSource"] for each in sent["InputDataConfig"])
    assert test["S3Uri"].endswith("/input/test")
    assert train_["S3Uri"] == "s3://b/x=y"
    assert train_["S3DataDistributionType"] == "ShardedByS3Key"
    assert other["S3Uri"] == "s3://b/v"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["a=s3://b/1", "s3://b/2"], "each needs a name: CHANNEL=DATA"),
        (["a=s3://b/1", "a=s3://b/2"], "the channel 'a' is given twice"),
        (['a={"s3_data": "s3://b/1", "seed": 1}'], "no JSON of a TrainingInput's attributes"),
        (["a={}"], "no JSON of a TrainingInput's attributes"),
    ],
)
def test_wrong_channels_are_wrong_usage(train: Run, inputs: list[str], message: str) -> None:
    result = train(*(word for each in inputs for word in ("-i", each)))
    assert result.exit_code == 2
    assert message in result.stderr


def test_data_that_is_not_there_is_named(train: Run) -> None:
    result = train("--dry-run", "-i", "train=./nowhere")
    assert result.exit_code == 1
    assert "channel 'train': 'file:///" in result.stderr
    assert "/nowhere does not exist" in result.stderr


def test_a_misspelt_scheme_is_no_path(train: Run) -> None:
    result = train("--dry-run", "-i", "train=s3:/bucket/data")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: channel 'train': 's3:/bucket/data' names no bucket")


def test_the_name_alone_is_on_the_standard_output(train: Run, session: Session) -> None:
    result = train("--job-name", "my-job")
    assert result.exit_code == 0, result.output
    assert result.stdout == "my-job\n"
    assert "Preparing the instances" in result.stderr
    assert TrainingJob("my-job", session).describe()["TrainingJobStatus"] == "Completed"


def test_without_waiting_or_logs(train: Run) -> None:
    assert train("--job-name", "a", "--no-wait").stderr == ""
    assert train("--job-name", "b", "--no-logs").stderr == ""


def test_json_is_the_job_s_description(train: Run) -> None:
    described = json.loads(train("--job-name", "a", "--json").stdout)
    assert described["TrainingJobName"] == "a"
    assert described["TrainingJobStatus"] == "Completed"
    assert "ResponseMetadata" not in described


def test_a_job_that_fails(train: Run, session: Session) -> None:
    def fail(parsed: dict[str, Any], **_: Any) -> None:
        parsed["TrainingJobStatus"] = "Failed"
        parsed["FailureReason"] = "AlgorithmError: out of paper"

    session.sagemaker_client.meta.events.register("after-call.sagemaker.DescribeTrainingJob", fail)
    result = train("--job-name", "a")
    assert result.exit_code == 1
    assert result.stdout == "a\n"
    assert "Error: training job a failed: AlgorithmError: out of paper\n" in result.stderr
    as_json = train("--job-name", "b", "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["FailureReason"] == "AlgorithmError: out of paper"


def test_ctrl_c_says_how_to_come_back(train: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: TrainingJob, *, logs: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingJob, "wait", interrupt)
    result = train("--job-name", "a")
    assert result.exit_code == 130
    assert "sm jobs logs a --follow; stop it: sm jobs stop a" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--entrypoint", "x"], 2, "'--entry-point'"),
        (["--train-volume-size", "big"], 2, "'big' is not a valid integer"),
        (["--train-volume-size", "0"], 1, "train_volume_size is 0; give a whole number"),
        (["--source-dir", "nowhere"], 1, "nowhere"),
    ],
)
def test_mistakes_are_explained(
    train: Run, arguments: list[str], status: int, message: str
) -> None:
    result = train(*arguments)
    assert result.exit_code == status
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_what_is_missing_is_named_as_flags(run: Run, paper: Framework) -> None:
    without_script = run("train", "--framework", "paper", "--instance-type", "here")
    assert without_script.exit_code == 2
    assert "Paper needs --entry-point" in without_script.stderr
    without_framework = run("train", "--instance-type", "here")
    assert without_framework.exit_code == 2
    assert "needs --framework, the name" in without_framework.stderr
    assert "--image-name, a container" in without_framework.stderr
    without_type = run("train", "--framework", "paper")
    assert without_type.exit_code == 2
    assert "Missing option '--train-instance-type'" in without_type.stderr


def test_an_unknown_framework(run: Run, paper: Framework) -> None:
    result = run("train", "--framework", "papre", "--instance-type", "here")
    assert result.exit_code == 2
    assert "did you mean 'paper'?" in result.stderr


def test_tags_are_names_and_values(train: Run) -> None:
    sent = request(train("--dry-run", "--tags", "team=vision", "--tags", "cost=a=b"))
    assert sent["Tags"] == [
        {"Key": "team", "Value": "vision"},
        {"Key": "cost", "Value": "a=b"},
    ]


def test_a_container_of_one_s_own(run: Run) -> None:
    sent = request(
        run("train", "--image-uri", "my/image:1", "--instance-type", "here", "--dry-run")
    )
    assert sent["AlgorithmSpecification"]["TrainingImage"] == "my/image:1"


@pytest.mark.filterwarnings("default")
def test_warnings_are_short(train: Run) -> None:
    result = train("--dry-run", "--max-run", "5")
    assert result.stderr == ("Warning: train_max_run=5 is in seconds, and less than a minute\n")


def test_debug_shows_where_an_error_arose(train: Run) -> None:
    assert isinstance(train("--train-max-run", "0", "--debug").exception, ConfigurationError)
