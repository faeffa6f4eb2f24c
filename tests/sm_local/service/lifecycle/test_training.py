"""Training jobs from CreateTrainingJob to their ends, in real processes."""

from __future__ import annotations

import json
import os
import re
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.integ

ARN = "arn:aws:sagemaker:us-east-1:000000000000:training-job/"


def channel(uri: str, name: str = "train", **changes: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **changes}


def shown(description: dict[str, Any]) -> list[str]:
    return [each["Status"] for each in description["SecondaryStatusTransitions"]]


def supervisor_of(service: Any, name: str) -> int:
    (folder,) = service.home.jobs.glob(f"{name}-*")
    first = (folder / "events.jsonl").read_text().splitlines()[0]
    pid: int = json.loads(first)["pid"]
    return pid


def wait_until_it_trains(service: Any, name: str) -> None:
    service.until(lambda: "waiting" in service.log(name))


def assert_nothing_is_left(service: Any, name: str) -> None:
    (folder,) = service.home.jobs.glob(f"{name}-*")
    service.until(lambda: not (folder / "spec.json").exists())
    left = {path.name for path in folder.iterdir()}
    assert left <= {"logs", "events.jsonl", "lock", "supervisor.log"}


def test_a_job_that_completes(shared: Any) -> None:
    shared.upload({"digits/a.csv": "1", "digits/b/c.csv": "2", "digitsx": "3"})
    shared.train("completes", InputDataConfig=[channel("s3://data/digits/")])
    description = shared.ended("completes")
    assert description["TrainingJobStatus"] == "Completed", description.get("FailureReason")
    assert description["TrainingJobArn"] == f"{ARN}completes"
    assert shown(description) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    for earlier, later in pairwise(description["SecondaryStatusTransitions"]):
        assert earlier["EndTime"] == later["StartTime"]
    assert description["CreationTime"] <= description["TrainingStartTime"]
    assert description["TrainingStartTime"] <= description["TrainingEndTime"]
    assert description["BillableTimeInSeconds"] == description["TrainingTimeInSeconds"] < 60
    uri = description["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == "s3://models/out/completes/output/model.tar.gz"
    files = shared.archive("out/completes/output/model.tar.gz")
    assert json.loads(files["listing.json"]) == {"train/a.csv": "1", "train/b/c.csv": "2"}
    assert "FailureReason" not in description
    assert description["InputDataConfig"][0]["CompressionType"] == "None"
    assert_nothing_is_left(shared, "completes")


def test_the_log_has_the_builders_lines_and_the_jobs(shared: Any) -> None:
    shared.train("logs")
    shared.ended("logs")
    assert shared.log("logs")[-2:] == ["building the environment", "training: complete"]


def test_a_job_that_asks_for_gpus_is_told_where_it_runs(shared: Any) -> None:
    resources = {"InstanceType": "ml.p2.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    shared.train("gpu", ResourceConfig=resources)
    shared.ended("gpu")
    assert "ml.p2.xlarge has GPUs; here the job runs on the CPU" in shared.log("gpu")


def test_a_job_without_model_leaves_no_archive(shared: Any) -> None:
    shared.train("no-model", "nothing")
    assert shared.ended("no-model")["TrainingJobStatus"] == "Completed"
    found = shared.client("s3").list_objects_v2(Bucket="models", Prefix="out/no-model/")
    assert found["KeyCount"] == 0


def test_the_environment_of_a_job(shared: Any) -> None:
    shared.train("environment", "environment", Environment={"MINE": "1", "SAGEMAKER_BASE_DIR": "/"})
    shared.ended("environment")
    files = shared.archive("out/environment/output/output.tar.gz")
    seen = json.loads(files["environment.json"])
    assert seen["MINE"] == "1"
    assert seen["FROM_SPEC"] == "yes"
    assert seen["TRAINING_JOB_NAME"] == "environment"
    assert seen["TRAINING_JOB_ARN"] == f"{ARN}environment"
    assert seen["AWS_REGION"] == seen["AWS_DEFAULT_REGION"] == "us-east-1"
    assert seen["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{shared.port}"
    assert seen["SAGEMAKER_BASE_DIR"].startswith(str(shared.home.jobs))
    assert seen["PATH"].startswith(f"{shared.environment}/bin:")
    assert "PYTEST_CURRENT_TEST" not in seen
    # The key pair is the job's own, and good for nothing any more.
    assert seen["AWS_ACCESS_KEY_ID"] != shared.home.credentials().access_key_id
    client = shared.client("sagemaker")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client._request_signer._credentials, "access_key", seen["AWS_ACCESS_KEY_ID"])
        with pytest.raises(ClientError, match="UnrecognizedClientException"):
            client.list_training_jobs()


def test_a_job_that_exits(shared: Any) -> None:
    shared.train("exits", "exit")
    description = shared.ended("exits")
    assert description["TrainingJobStatus"] == "Failed"
    assert description["FailureReason"] == "AlgorithmError: ExitCode 3"
    assert shown(description)[-1] == "Failed"
    assert_nothing_is_left(shared, "exits")


def test_a_job_that_is_killed(shared: Any) -> None:
    shared.train("killed", "signal")
    assert shared.ended("killed")["FailureReason"] == (
        "AlgorithmError: ExitCode 137 (SIGKILL; this machine's memory may have run out)"
    )


def test_a_job_that_crashes(shared: Any) -> None:
    shared.train("crashed", "crash")
    assert shared.ended("crashed")["FailureReason"] == "AlgorithmError: ExitCode 139 (SIGSEGV)"


@pytest.mark.parametrize(("place", "file"), [("model", "model"), ("output", "output")])
def test_a_job_that_leads_its_results_elsewhere(
    shared: Any, tmp_path: Path, place: str, file: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret").touch()
    name = f"leads-{place}"
    shared.train(name, f"link {place} {tmp_path}")
    reason = shared.ended(name)["FailureReason"]
    assert reason == (
        f"ClientError: Artifact upload failed:{file}.tar.gz: algo-1/ml/{place} is a link, "
        "not a folder"
    )
    listed = shared.client("s3").list_objects_v2(Bucket="models", Prefix=f"out/{name}/")
    assert f"{file}.tar.gz" not in str(listed)


def test_a_link_in_the_model_that_leads_elsewhere(shared: Any) -> None:
    shared.train("leads-out", "link")
    assert shared.ended("leads-out")["TrainingJobStatus"] == "Completed"
    assert list(shared.archive("out/leads-out/output/model.tar.gz")) == ["listing.json"]
    warning = "model.tar.gz: secret leads outside its folder, and is not packed"
    assert warning in shared.log("leads-out")


def test_a_job_that_says_why(shared: Any) -> None:
    shared.train("says-why", "failure")
    reason = shared.ended("says-why")["FailureReason"]
    assert reason.startswith("AlgorithmError: ValueError: boom\nxxx")
    assert reason.endswith("xxx, exit code: 1")
    assert len(reason) == 1024


def test_an_environment_that_cannot_be_built(shared: Any) -> None:
    shared.train(
        "no-environment",
        AlgorithmSpecification={"TrainingImage": "broken", "TrainingInputMode": "File"},
    )
    description = shared.ended("no-environment")
    assert description["FailureReason"] == "ClientError: no solution found:\nfoo needs bar"
    assert shown(description) == ["Starting", "Failed"]
    assert shared.log("no-environment")[-2:] == ["no solution found:", "foo needs bar"]


def test_a_bucket_that_is_not_there_for_the_model(shared: Any) -> None:
    shared.train("no-bucket", OutputDataConfig={"S3OutputPath": "s3://nowhere"})
    reason = shared.ended("no-bucket")["FailureReason"]
    assert reason.startswith("ClientError: Artifact upload failed:s3://nowhere/no-bucket/output/")


def test_an_object_that_cannot_be_a_file(shared: Any) -> None:
    shared.upload({"up/../../../escaped": "x"})
    shared.train("escapes", InputDataConfig=[channel("s3://data/up")])
    assert "ClientError: Data download failed:the key" in shared.ended("escapes")["FailureReason"]
    # Folders may go while they are looked at: the job has just ended.
    assert not [folder for folder, _, files in os.walk(shared.home.path) if "escaped" in files]


def test_a_job_that_is_stopped(shared: Any) -> None:
    shared.train("stops", "wait")
    wait_until_it_trains(shared, "stops")
    shared.client("sagemaker").stop_training_job(TrainingJobName="stops")
    assert shared.describe("stops")["TrainingJobStatus"] in ("Stopping", "Stopped")
    description = shared.ended("stops")
    assert (description["TrainingJobStatus"], description["SecondaryStatus"]) == ("Stopped",) * 2
    assert shown(description)[-4:] == ["Training", "Stopping", "Uploading", "Stopped"]
    assert shared.archive("out/stops/output/model.tar.gz")["stopped"] == b"by SIGTERM"
    with pytest.raises(ClientError, match=r"because the training job is in status Stopped\."):
        shared.client("sagemaker").stop_training_job(TrainingJobName="stops")


def test_a_job_that_is_stopped_while_its_environment_is_built(shared: Any) -> None:
    shared.train(
        "stops-early",
        AlgorithmSpecification={"TrainingImage": "slow", "TrainingInputMode": "File"},
    )
    shared.until(lambda: "still building" in shared.log("stops-early"))
    shared.client("sagemaker").stop_training_job(TrainingJobName="stops-early")
    description = shared.ended("stops-early")
    assert shown(description) == ["Starting", "Stopping", "Stopped"]
    assert "TrainingStartTime" not in description


def test_a_job_that_runs_out_of_time(shared: Any) -> None:
    shared.train("too-long", "wait", StoppingCondition={"MaxRuntimeInSeconds": 1})
    description = shared.ended("too-long")
    assert description["TrainingJobStatus"] == "Stopped"
    assert description["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert "stopped" in shared.archive("out/too-long/output/model.tar.gz")


def test_a_job_that_may_wait_no_longer(shared: Any) -> None:
    spot = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1},
    }
    shared.train("ahead", "wait")
    wait_until_it_trains(shared, "ahead")
    shared.train("waits", **spot)
    description = shared.ended("waits")
    assert shown(description) == ["Starting", "MaxWaitTimeExceeded"]
    assert description["TrainingJobStatus"] == "Stopped"
    assert "BillableTimeInSeconds" not in description
    assert shared.describe("ahead")["TrainingJobStatus"] == "InProgress"
    (shared.folder / "ahead.go").touch()
    shared.ended("ahead")


def test_jobs_wait_for_their_turn(shared: Any) -> None:
    shared.train("first", "wait")
    wait_until_it_trains(shared, "first")
    for name in ("second", "third", "fourth"):
        shared.train(name)
    shared.client("sagemaker").stop_training_job(TrainingJobName="third")
    assert shared.ended("third")["TrainingJobStatus"] == "Stopped"
    description = shared.describe("second")
    assert (description["TrainingJobStatus"], description["SecondaryStatus"]) == (
        "InProgress",
        "Starting",
    )
    (line,) = shared.log("second")
    assert line.startswith("waiting for first: this machine trains 1 at a time; ")
    assert "`sm --backend local jobs stop NAME`" in line
    assert shared.log("fourth")[0].startswith("waiting for first, second, third: ")
    (shared.folder / "first.go").touch()
    ends = [shared.ended(name)["TrainingEndTime"] for name in ("first", "second", "fourth")]
    assert ends == sorted(ends)


def test_a_supervisor_that_is_killed_fails_its_job(shared: Any) -> None:
    shared.train("orphan", "wait")
    wait_until_it_trains(shared, "orphan")
    os.kill(supervisor_of(shared, "orphan"), signal.SIGKILL)
    description = shared.ended("orphan")
    assert re.match("InternalServerError: the supervisor .* ended", description["FailureReason"])
    statuses = [each["Status"] for each in description["SecondaryStatusTransitions"]]
    assert statuses == ["Starting", "Downloading", "Training", "Failed"]
    listed = shared.client("s3").list_objects_v2(Bucket="models", Prefix="out/orphan/")
    assert not listed["KeyCount"]
    assert_nothing_is_left(shared, "orphan")


def test_requests_that_are_refused(shared: Any) -> None:
    shared.train("exists")
    cases: list[tuple[str, dict[str, Any], str]] = [
        (
            "exists",
            {},
            (
                "ResourceInUse.* names must be unique within an AWS account and region, and a "
                f"training job with this name already exists \\({ARN}exists\\)"
            ),
        ),
        (
            "refused",
            {"InputDataConfig": [channel("s3://nowhere/x")]},
            'No S3 objects found under S3 URL "s3://nowhere/x" given in input data source',
        ),
        (
            "refused",
            {"InputDataConfig": [channel("s3://models/nothing")]},
            'No S3 objects found under S3 URL "s3://models/nothing"',
        ),
        ("refused", {"InputDataConfig": [channel("s3://x/y", "..")]}, "channel names must be"),
        (
            "refused",
            {"ResourceConfig": {"InstanceType": "ml.c4.xlarge", "InstanceCount": 0}},
            "'resourceConfig.instanceCount' failed .* greater than or equal to 1",
        ),
        (
            "refused",
            {"ResourceConfig": {"InstanceType": "ml.c4.xlarge", "InstanceCount": 65}},
            "ResourceLimitExceeded.* 'ml.c4.xlarge for training job usage' is 64 Instances",
        ),
        ("refused", {"AlgorithmSpecification": {"TrainingInputMode": "File"}}, "trainingImage"),
        ("refused", {"InputDataConfig": [{"ChannelName": "x", "DataSource": {}}]}, "s3DataSource"),
        ("refused", {"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds. It must"),
        (
            "refused",
            {"StoppingCondition": {"MaxRuntimeInSeconds": 5, "MaxWaitTimeInSeconds": 6}},
            "MaxWaitTimeInSeconds is for managed spot training only",
        ),
        (
            "refused",
            {"CheckpointConfig": {"S3Uri": "s3://models/x", "LocalPath": "/opt/ml/model/x"}},
            "LocalPath '/opt/ml/model/x' is not available: it must lie below /opt/ml, and not in",
        ),
        (
            "refused",
            {
                "AlgorithmSpecification": {
                    "TrainingImage": "x",
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "loss", "Regex": "("}],
                }
            },
            "the regular expression of loss has an error: missing \\)",
        ),
        (
            "refused",
            {"OutputDataConfig": {"S3OutputPath": "s3://sm-local-environments/x"}},
            "is reserved",
        ),
        ("refused", {"RoleArn": "SageMakerRole" * 3}, "at 'roleArn' failed to satisfy constraint"),
    ]
    for name, changes, message in cases:
        with pytest.raises(ClientError, match=message):
            shared.train(name, **changes)
    for operation in ("describe_training_job", "stop_training_job"):
        with pytest.raises(ClientError, match=r"Requested resource not found\."):
            getattr(shared.client("sagemaker"), operation)(TrainingJobName="refused")


def test_a_job_is_deleted_with_its_logs_and_frees_its_name(shared: Any) -> None:
    client = shared.client("sagemaker")
    shared.train("gone", "wait")
    with pytest.raises(ClientError, match="because the training job is in status InProgress") as no:
        client.delete_training_job(TrainingJobName="gone")
    assert no.value.response["Error"]["Code"] == "ValidationException"
    (shared.folder / "gone.go").touch()
    first = shared.ended("gone")
    assert list(shared.home.jobs.glob("gone-*"))
    client.delete_training_job(TrainingJobName="gone")
    assert not list(shared.home.jobs.glob("gone-*"))
    assert shared.log("gone") == []
    assert not client.list_training_jobs(NameContains="gone")["TrainingJobSummaries"]
    for operation in (client.describe_training_job, client.delete_training_job):
        with pytest.raises(ClientError, match=r"Requested resource not found\."):
            operation(TrainingJobName="gone")
    # What it has made stays.
    assert shared.archive("out/gone/output/model.tar.gz")
    shared.train("gone")
    assert shared.ended("gone")["CreationTime"] > first["CreationTime"]


def test_a_job_is_updated_to_what_there_is_only(shared: Any) -> None:
    client = shared.client("sagemaker")
    shared.train("changes", "wait")
    answer = client.update_training_job(
        TrainingJobName="changes", ProfilerConfig={"DisableProfiler": True}
    )
    assert answer["TrainingJobArn"] == shared.describe("changes")["TrainingJobArn"]
    with pytest.raises(ClientError, match="ResourceConfig is not available"):
        client.update_training_job(
            TrainingJobName="changes", ResourceConfig={"KeepAlivePeriodInSeconds": 60}
        )
    with pytest.raises(
        ClientError, match=r"ProfilerConfig\.DisableProfiler False is not available"
    ):
        client.update_training_job(
            TrainingJobName="changes", ProfilerConfig={"DisableProfiler": False}
        )
    with pytest.raises(ClientError, match=r"Requested resource not found\."):
        client.update_training_job(TrainingJobName="nobody")
    (shared.folder / "changes.go").touch()
    shared.ended("changes")
    with pytest.raises(ClientError, match="because the training job is in status Completed"):
        client.update_training_job(TrainingJobName="changes")


def test_jobs_are_listed(shared: Any) -> None:
    shared.train("listed-1")
    shared.train("listed-2", "exit")
    shared.ended("listed-2")
    client = shared.client("sagemaker")
    found = client.list_training_jobs(NameContains="listed")["TrainingJobSummaries"]
    assert [job["TrainingJobName"] for job in found] == ["listed-1", "listed-2"]
    failed = client.list_training_jobs(NameContains="listed", StatusEquals="Failed")
    assert [job["TrainingJobName"] for job in failed["TrainingJobSummaries"]] == ["listed-2"]
    assert not client.list_training_jobs(WarmPoolStatusEquals="InUse")["TrainingJobSummaries"]
    pages = client.get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 1})
    assert len(list(pages)) >= 2


@pytest.mark.parametrize("finishes", ["while the service is down", "after it has come back"])
def test_a_job_outlives_its_service(service: Any, finishes: str) -> None:
    service.train("outlives", "wait")
    service.train("waits")
    wait_until_it_trains(service, "outlives")
    service.kill()
    if finishes == "while the service is down":
        (service.folder / "outlives.go").touch()
        (events,) = service.home.jobs.glob("outlives-*/events.jsonl")
        service.until(lambda: "finished" in events.read_text())
        service.start()
    else:
        service.start()
        assert service.describe("outlives")["SecondaryStatus"] == "Training"
        (service.folder / "outlives.go").touch()
    description = service.ended("outlives")
    assert description["TrainingJobStatus"] == "Completed", description
    assert shown(description) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert "listing.json" in service.archive("out/outlives/output/model.tar.gz")
    assert service.log("outlives").count("training: wait") == 1
    assert service.ended("waits")["TrainingJobStatus"] == "Completed"


def test_a_job_and_its_supervisor_that_die_with_the_service(service: Any) -> None:
    service.train("dies", "wait")
    wait_until_it_trains(service, "dies")
    service.kill()
    os.kill(supervisor_of(service, "dies"), signal.SIGKILL)
    service.start()
    description = service.ended("dies")
    assert "InternalServerError: the supervisor" in description["FailureReason"]
    assert_nothing_is_left(service, "dies")


def test_a_job_goes_on_where_its_environment_was_built(service: Any) -> None:
    service.train(
        "builds",
        AlgorithmSpecification={"TrainingImage": "slow", "TrainingInputMode": "File"},
    )
    service.until(lambda: "still building" in service.log("builds"))
    service.kill()
    (service.environment / "built").touch()
    service.start()
    assert service.ended("builds")["TrainingJobStatus"] == "Completed"
    assert shown(service.describe("builds"))[0] == "Starting"


def test_a_stop_that_the_service_did_not_live_to_see_through(service: Any) -> None:
    service.train("stopping", "wait")
    wait_until_it_trains(service, "stopping")
    service.client("sagemaker").stop_training_job(TrainingJobName="stopping")
    service.kill()
    service.start()
    assert service.ended("stopping")["TrainingJobStatus"] == "Stopped"
