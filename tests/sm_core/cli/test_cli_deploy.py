"""``sm deploy``: a job's model, or an archive with the options of its framework's model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from sm_core.frameworks import Framework
from sm_core.session import Session

Run = Callable[..., Result]
LeftOver = Callable[[], list[str]]
ARCHIVE = "s3://b/model.tar.gz"


def test_help_shows_the_options_of_models(run: Run, paper: Framework, cut: Framework) -> None:
    shown = " ".join(run("deploy", "--help").stdout.split())
    assert "Usage: sm deploy [OPTIONS] JOB|S3_URI" in shown
    assert "Options of models: --image TEXT Image URI" in shown
    assert "--model-data" not in shown
    assert "--predictor-cls" not in shown
    assert "--entry-point" in run("deploy", "--framework", "paper", "--help").stdout
    assert "--source-dir" not in run("deploy", "--framework", "cut", "--help").stdout


def test_an_archive_with_its_framework(
    run: Run, paper: Framework, script: str, session: Session
) -> None:
    result = run(
        "deploy",
        *(ARCHIVE, "--framework", "paper", "--entry-point", script),
        *("--instance-type", "here", "--endpoint-name", "e", "--name", "m", "--env", "A=b=c"),
    )
    assert (result.exit_code, result.stdout) == (0, "e\n"), result.stderr
    assert "Endpoint e: InService" in result.stderr
    model = session.sagemaker_client.describe_model(ModelName="m")["PrimaryContainer"]
    assert model["ModelDataUrl"] == ARCHIVE
    assert model["Environment"]["A"] == "b=c"
    assert "paper-inference" in model["Image"]


def test_an_archive_with_a_container_of_one_s_own(run: Run, session: Session) -> None:
    common = ("deploy", ARCHIVE, "--instance-type", "here", "--instance-count", "2", "--json")
    described = json.loads(run(*common, "--image", "my/image:1").stdout)
    assert described["EndpointStatus"] == "InService"
    config = session.sagemaker_client.describe_endpoint_config(
        EndpointConfigName=described["EndpointConfigName"]
    )
    (variant,) = config["ProductionVariants"]
    assert (variant["InitialInstanceCount"], variant["InstanceType"]) == (2, "ml.c5.xlarge")
    missing = run(*common)
    assert missing.exit_code == 2
    assert "Model needs --image, " in missing.stderr


def test_a_job(run: Run, session: Session, left_over: LeftOver) -> None:
    trained = run("train", "--image-uri", "my/image:1", "--instance-type", "here")
    job = trained.stdout.strip()
    result = run("deploy", job, "--instance-type", "here", "--endpoint-name", "e")
    assert (result.exit_code, result.stdout) == (0, "e\n"), result.stderr
    assert len(left_over()) == 3


def test_a_job_has_all_options_already(run: Run, paper: Framework) -> None:
    for option in (("--framework", "paper"), ("--role", "R")):
        result = run("deploy", "job", "--instance-type", "here", *option)
        assert result.exit_code == 2
        assert f"{option[0]} is for a model archive" in result.stderr


def test_a_job_that_is_not_there(run: Run) -> None:
    result = run("deploy", "unknown", "--instance-type", "here")
    assert result.exit_code == 1
    assert "ould not find" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_nothing_is_left_of_a_deployment_that_fails(
    run: Run, session: Session, endpoint_status: Callable[..., None], left_over: LeftOver
) -> None:
    endpoint_status("Creating", "Failed", reason="no room")
    result = run("deploy", ARCHIVE, "--image", "i", "--instance-type", "here")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "failed: no room" in result.stderr
    assert left_over() == []


@pytest.mark.parametrize("arguments", [[], ["job"], ["--instance-type", "here"]])
def test_what_must_be_said(run: Run, arguments: list[Any]) -> None:
    result = run("deploy", *arguments)
    assert result.exit_code == 2
    assert "Missing" in result.stderr
