"""CreateTrainingJob's request checked, and a job described as DescribeTrainingJob does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sm_local.service.artifacts import model_uri, output_location
from sm_local.service.checkpoints import DEFAULT_PATH, below_base
from sm_local.service.checks import (
    ANY,
    EachOf,
    OneOf,
    invalid,
    refuse_unsupported,
    required,
    s3_location,
)
from sm_local.service.datasets import channel_location, input_mode
from sm_local.service.errors import ServiceError
from sm_local.service.objects import Objects
from sm_local.service.paging import Listed, as_datetime
from sm_local.service.trainingjob import TrainingJob, Transition

__all__ = [
    "check_channels",
    "check_job_update",
    "check_training_request",
    "describe_job",
    "list_entry",
]

_DEFAULT_MAX_RUNTIME = 86_400
#: Hosts of one job: more processes on one machine train nothing faster.
_MOST_INSTANCES = 64

#: What a job may ask for. Widening this table is the last step of a new ability, never the first.
_SUPPORTED: Mapping[str, Any] = {
    "TrainingJobName": ANY,
    "HyperParameters": ANY,
    "AlgorithmSpecification": {
        "TrainingImage": ANY,
        "TrainingInputMode": OneOf(["File", "FastFile", "Pipe"]),
        "MetricDefinitions": ANY,
        # Where the console draws them from; of the values, the last of each are kept here.
        "EnableSageMakerMetricsTimeSeries": ANY,
    },
    "RoleArn": ANY,
    "InputDataConfig": EachOf(
        {
            "ChannelName": ANY,
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": OneOf(["S3Prefix", "ManifestFile", "AugmentedManifestFile"]),
                    "S3Uri": ANY,
                    "S3DataDistributionType": OneOf(["FullyReplicated", "ShardedByS3Key"]),
                    "AttributeNames": ANY,
                }
            },
            "ContentType": ANY,
            "CompressionType": OneOf(["None", "Gzip"]),
            "RecordWrapperType": OneOf(["None", "RecordIO"]),
            "InputMode": OneOf(["File", "FastFile", "Pipe"]),
            "ShuffleConfig": ANY,
        }
    ),
    "OutputDataConfig": {"S3OutputPath": ANY, "CompressionType": OneOf(["GZIP"])},
    "ResourceConfig": {
        "InstanceType": ANY,
        "InstanceCount": ANY,
        "VolumeSizeInGB": ANY,
    },
    "StoppingCondition": {"MaxRuntimeInSeconds": ANY, "MaxWaitTimeInSeconds": ANY},
    # Nothing interrupts the instance that there is.
    "EnableManagedSpotTraining": ANY,
    "CheckpointConfig": {"S3Uri": ANY, "LocalPath": ANY},
    # The SDK names both in every request: where tensors would go, if there were collections of
    # them, and measurements of the instance. No job's result depends on them.
    "DebugHookConfig": {"S3OutputPath": ANY},
    "ProfilerConfig": {"S3OutputPath": ANY, "DisableProfiler": ANY},
    "Tags": ANY,
    "Environment": ANY,
}


#: What of a job may be changed: there is no profiler, no remote debugging, no warm pool.
_UPDATE: Mapping[str, Any] = {
    "TrainingJobName": ANY,
    "ProfilerConfig": {"DisableProfiler": OneOf([True])},
    "RemoteDebugConfig": {"EnableRemoteDebug": OneOf([False])},
}


def check_job_update(request: Mapping[str, Any]) -> None:
    """Raises: ServiceError: UpdateTrainingJob asks for what is not available here."""
    refuse_unsupported(request, _UPDATE)


def check_training_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request with AWS's defaults, without tags.

    Raises:
        ServiceError: something is missing, or not available here.
    """
    refuse_unsupported(request, _SUPPORTED)
    required(
        request,
        "AlgorithmSpecification.TrainingImage",
        "AlgorithmSpecification.TrainingInputMode",
        "ResourceConfig.InstanceType",
        "ResourceConfig.InstanceCount",
    )
    _check_count(request["ResourceConfig"])
    output_location(request["OutputDataConfig"]["S3OutputPath"], "job")
    channels = request.get("InputDataConfig", ())
    for channel in channels:
        required(channel, "DataSource.S3DataSource")
        _check_mode(channel, request)
    names = [channel["ChannelName"] for channel in channels]
    for name in names:
        if names.count(name) > 1 or name in (".", ".."):
            raise invalid(f"InputDataConfig: channel names must be unique names of folders: {name}")
    checked = {name: request[name] for name in request if name in _SUPPORTED and name != "Tags"}
    _check_checkpoints(request.get("CheckpointConfig"))
    _check_metrics(request["AlgorithmSpecification"].get("MetricDefinitions", ()))
    stopping = dict(request.get("StoppingCondition", {}))
    stopping.setdefault("MaxRuntimeInSeconds", _DEFAULT_MAX_RUNTIME)
    _check_spot(stopping, spot=request.get("EnableManagedSpotTraining", False))
    checked["StoppingCondition"] = stopping
    return checked


def _check_checkpoints(asked: Mapping[str, Any] | None) -> None:
    if asked is not None:
        s3_location(asked["S3Uri"], "CheckpointConfig.S3Uri")
        below_base(asked.get("LocalPath", DEFAULT_PATH))


def _check_metrics(definitions: Sequence[Mapping[str, str]]) -> None:
    for each in definitions:
        try:
            re.compile(each["Regex"])
        except re.error as error:
            raise invalid(
                f"MetricDefinitions: the regular expression of {each['Name']} has an error: {error}"
            ) from error


def _check_spot(stopping: Mapping[str, Any], *, spot: bool) -> None:
    longest = stopping.get("MaxWaitTimeInSeconds")
    if not spot and longest is not None:
        raise invalid(
            "MaxWaitTimeInSeconds is for managed spot training only: set EnableManagedSpotTraining"
        )
    if spot and (longest is None or longest < stopping["MaxRuntimeInSeconds"]):
        raise invalid(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
            "MaxRuntimeInSeconds"
        )


def _check_mode(channel: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    """Raises: ServiceError: the channel asks for what its input mode cannot do."""
    name = channel["ChannelName"]
    source = channel["DataSource"]["S3DataSource"]
    augmented = source["S3DataType"] == "AugmentedManifestFile"
    if augmented and not source.get("AttributeNames"):
        raise invalid(f"channel {name}: AttributeNames must name what of the manifest is streamed")
    if source.get("AttributeNames") and not augmented:
        raise invalid(f"channel {name}: AttributeNames are for S3DataType AugmentedManifestFile")
    if input_mode(channel, request) == "Pipe":
        return
    asked = {
        "S3DataType AugmentedManifestFile": augmented,
        "CompressionType Gzip": channel.get("CompressionType") == "Gzip",
        "RecordWrapperType RecordIO": channel.get("RecordWrapperType") == "RecordIO",
    }
    for what, wanted in asked.items():
        if wanted:
            raise invalid(f"channel {name}: {what} is for the input mode Pipe only")


def _check_count(resources: Mapping[str, Any]) -> None:
    """Raises: ServiceError: as many instances as nobody has."""
    count: int = resources["InstanceCount"]
    if count < 1:
        raise invalid(
            f"1 validation error detected: Value '{count}' at 'resourceConfig.instanceCount' "
            "failed to satisfy constraint: Member must have value greater than or equal to 1"
        )
    if count > _MOST_INSTANCES:
        raise ServiceError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{resources['InstanceType']} for training job "
            f"usage' is {_MOST_INSTANCES} Instances, with current utilization of 0 Instances and "
            f"a request delta of {count} Instances. All of them would share this machine.",
        )


def check_channels(objects: Objects, request: Mapping[str, Any], *, region: str) -> None:
    """Insist that every channel has objects. Blocks.

    Raises:
        ServiceError: one has none.
    """
    for channel in request.get("InputDataConfig", ()):
        where = channel_location(channel)
        if objects.has_bucket(where.bucket):
            is_prefix = channel["DataSource"]["S3DataSource"]["S3DataType"] == "S3Prefix"
            if is_prefix and objects.page(where.bucket, prefix=where.key, limit=1).objects:
                continue
            if not is_prefix and objects.info(where.bucket, where.key) is not None:
                continue
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        raise invalid(
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure '
            f"that the bucket exists in the selected region ({region}), that objects exist under "
            f'that S3 prefix, and that the role "{request["RoleArn"]}" has "s3:ListBucket" '
            f'permissions on bucket "{where.bucket}".'
        )


def describe_job(job: TrainingJob) -> dict[str, Any]:
    """DescribeTrainingJob's answer."""
    request = job.request
    described: dict[str, Any] = {
        **{name: value for name, value in request.items() if name != "InputDataConfig"},
        "TrainingJobArn": job.arn,
        "ModelArtifacts": {
            "S3ModelArtifacts": model_uri(request["OutputDataConfig"]["S3OutputPath"], job.name)
        },
        "OutputDataConfig": {"KmsKeyId": "", **request["OutputDataConfig"]},
        "TrainingJobStatus": job.status,
        "SecondaryStatus": job.secondary_status,
        "SecondaryStatusTransitions": [_transition(each) for each in job.transitions],
        "CreationTime": as_datetime(job.created),
        "LastModifiedTime": as_datetime(job.modified),
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": request.get("EnableManagedSpotTraining", False),
    }
    if "InputDataConfig" in request:
        described["InputDataConfig"] = [
            {"CompressionType": "None", "RecordWrapperType": "None", **channel}
            for channel in request["InputDataConfig"]
        ]
    if job.outcome is not None and job.ended and job.outcome.reason:
        described["FailureReason"] = job.outcome.reason
    if job.metrics:
        described["FinalMetricDataList"] = [
            {"MetricName": each.name, "Value": each.value, "Timestamp": as_datetime(each.time)}
            for each in job.metrics
        ]
    if job.training_started is not None:
        described["TrainingStartTime"] = as_datetime(job.training_started)
    if job.training_ended is not None:
        described["TrainingEndTime"] = as_datetime(job.training_ended)
    if job.training_started is not None and job.training_ended is not None:
        seconds = max(0, round(job.training_ended - job.training_started))
        described["TrainingTimeInSeconds"] = described["BillableTimeInSeconds"] = seconds
    return described


def list_entry(job: TrainingJob) -> Listed:
    """The job in ListTrainingJobs' answer."""
    summary: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "CreationTime": as_datetime(job.created),
        "LastModifiedTime": as_datetime(job.modified),
        "TrainingJobStatus": job.status,
        "SecondaryStatus": job.secondary_status,
    }
    if job.training_ended is not None:
        summary["TrainingEndTime"] = as_datetime(job.training_ended)
    return Listed(
        name=job.name,
        status=job.status,
        created=job.created,
        modified=job.modified,
        summary=summary,
    )


def _transition(transition: Transition) -> dict[str, Any]:
    described: dict[str, Any] = {
        "Status": transition.status,
        "StartTime": as_datetime(transition.started),
        "StatusMessage": transition.message,
    }
    if transition.ended is not None:
        described["EndTime"] = as_datetime(transition.ended)
    return described
