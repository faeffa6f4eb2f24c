"""Validation against AWS's model, and AWS's wording."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_local.service.errors import ServiceError
from sm_local.service.models import ServiceModel, load_model
from sm_local.service.validation import validated

AT_MOST = "Member must have length less than or equal to"
AT_LEAST = "Member must have length greater than or equal to"
PATTERN = "Member must satisfy regular expression pattern:"
VALUE = "{HyperParameterValue}"
NAME = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
JOB: dict[str, Any] = {
    "TrainingJobName": "job",
    "RoleArn": ROLE,
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.c4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


@pytest.fixture(scope="module")
def sagemaker() -> ServiceModel:
    return load_model("sagemaker")


def check(model: ServiceModel, operation: str, value: object, **options: str) -> dict[str, Any]:
    return validated(model, model.operations[operation].input, value, **options)


def refusal(model: ServiceModel, operation: str, value: object, **options: str) -> ServiceError:
    with pytest.raises(ServiceError) as refused:
        check(model, operation, value, **options)
    return refused.value


def test_a_good_request_comes_through(sagemaker: ServiceModel) -> None:
    assert check(sagemaker, "CreateTrainingJob", JOB) == JOB


def test_unknown_and_null_members_are_left_out(sagemaker: ServiceModel) -> None:
    given = {**JOB, "NotYetInvented": {"A": 1}, "Tags": None, "Environment": {"A": "1", "B": None}}
    assert check(sagemaker, "CreateTrainingJob", given) == {**JOB, "Environment": {"A": "1"}}


def test_an_operation_without_input(sagemaker: ServiceModel) -> None:
    assert validated(sagemaker, None, {"A": 1}) == {}


@pytest.mark.parametrize(
    ("member", "value", "place", "shown", "rule"),
    [
        (
            "TrainingJobName",
            "my_job",
            "trainingJobName",
            "'my_job'",
            f"{PATTERN} {{TrainingJobName}}",
        ),
        (
            "TrainingJobName",
            "a" * 64,
            "trainingJobName",
            f"'{'a' * 64}'",
            "Member must have length less than or equal to 63",
        ),
        (
            "RoleArn",
            "arn:aws:iam::0:x",
            "roleArn",
            "'arn:aws:iam::0:x'",
            "Member must have length greater than or equal to 20",
        ),
        (
            "AlgorithmSpecification",
            {"TrainingImage": "i", "TrainingInputMode": "Tape"},
            "algorithmSpecification.trainingInputMode",
            "'Tape'",
            "Member must satisfy enum value set: [Pipe, File, FastFile]",
        ),
        (
            "AlgorithmSpecification",
            {"TrainingImage": "i"},
            "algorithmSpecification.trainingInputMode",
            "null",
            "Member must not be null",
        ),
        (
            "StoppingCondition",
            {"MaxRuntimeInSeconds": 0},
            "stoppingCondition.maxRuntimeInSeconds",
            "'0'",
            "Member must have value greater than or equal to 1",
        ),
        (
            "CheckpointConfig",
            {"S3Uri": "ftp://x"},
            "checkpointConfig.s3Uri",
            "'ftp://x'",
            f"{PATTERN} {{S3Uri}}",
        ),
        (
            "HyperParameters",
            {"a": "b" * 2501},
            "hyperParameters",
            "'{a=" + "b" * 2501 + "}'",
            f"Map value must satisfy constraint: [{AT_MOST} 2500, {AT_LEAST} 0, {PATTERN} {VALUE}]",
        ),
        (
            "VpcConfig",
            {"Subnets": ["a b"], "SecurityGroupIds": ["sg"]},
            "vpcConfig.subnets",
            "'[a b]'",
            f"Member must satisfy constraint: [{AT_MOST} 32, {AT_LEAST} 0, {PATTERN} {{SubnetId}}]",
        ),
        (
            "InputDataConfig",
            [],
            "inputDataConfig",
            "'[]'",
            "Member must have length greater than or equal to 1",
        ),
        (
            "Tags",
            [{"Key": "ok", "Value": "ok"}, {"Key": "a", "Value": "<"}],
            "tags.2.member.value",
            "'<'",
            f"{PATTERN} {{TagValue}}",
        ),
    ],
)
def test_what_aws_says(
    sagemaker: ServiceModel, member: str, value: object, place: str, shown: str, rule: str
) -> None:
    rule = re.sub(r"\{(\w+)\}", lambda match: sagemaker.shapes[match[1]]["pattern"], rule)
    error = refusal(sagemaker, "CreateTrainingJob", {**JOB, member: value})
    said = f"Value {shown} at '{place}' failed to satisfy constraint: {rule}"
    assert error.code == "ValidationException"
    assert said in error.message
    assert re.match(r"\d+ validation errors? detected: Value ", error.message)


def test_all_that_is_wrong_is_said_at_once(sagemaker: ServiceModel) -> None:
    error = refusal(sagemaker, "CreateTrainingJob", {"TrainingJobName": "-"}, code="Invalid")
    assert error.code == "Invalid"
    assert error.message == (
        "3 validation errors detected: Value '-' at 'trainingJobName' failed to satisfy"
        f" constraint: Member must satisfy regular expression pattern: {NAME};"
        " Value null at 'roleArn' failed to satisfy constraint: Member must not be null;"
        " Value null at 'outputDataConfig' failed to satisfy constraint: Member must not be null"
    )


def test_one_error_is_one_error(sagemaker: ServiceModel) -> None:
    error = refusal(sagemaker, "DescribeTrainingJob", {})
    assert error.message == (
        "1 validation error detected: Value null at 'trainingJobName' failed to satisfy"
        " constraint: Member must not be null"
    )


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("TrainingJobName", 1, "NUMBER_VALUE can not be converted to a String"),
        ("TrainingJobName", [], "Start of list found where not expected"),
        ("ResourceConfig", [], "Expected structure or map at 'resourceConfig', found list"),
        ("ResourceConfig", {"InstanceCount": "1"}, "STRING_VALUE can not be converted to an Int"),
        ("ResourceConfig", {"InstanceCount": 1.5}, "DECIMAL_VALUE can not be converted to an Int"),
        ("ResourceConfig", {"InstanceCount": True}, "TRUE_VALUE can not be converted to an Int"),
        ("InputDataConfig", {}, "Expected list at 'inputDataConfig', found structure or map"),
        ("HyperParameters", "a=b", "Expected structure or map at 'hyperParameters', found STRING"),
        ("HyperParameters", {"a": 1}, "NUMBER_VALUE can not be converted to a String at 'hyper"),
        ("EnableNetworkIsolation", "yes", "STRING_VALUE can not be converted to a Boolean"),
        ("VpcConfig", {"Subnets": [None]}, "NULL_VALUE can not be converted to a String"),
    ],
)
def test_a_value_of_another_type(
    sagemaker: ServiceModel, member: str, value: object, said: str
) -> None:
    error = refusal(sagemaker, "CreateTrainingJob", {**JOB, member: value})
    assert error.code == "SerializationException"
    assert said in error.message


@pytest.mark.parametrize("value", [None, [], "text", 1])
def test_a_body_that_is_no_structure(sagemaker: ServiceModel, value: object) -> None:
    assert refusal(sagemaker, "CreateTrainingJob", value).code == "SerializationException"


def test_whole_numbers_may_be_written_with_a_fraction(sagemaker: ServiceModel) -> None:
    found = check(
        sagemaker, "CreateTrainingJob", JOB | {"StoppingCondition": {"MaxRuntimeInSeconds": 60.0}}
    )
    assert repr(found["StoppingCondition"]["MaxRuntimeInSeconds"]) == "60"


@pytest.mark.parametrize("value", [1.5, 1, "1970-01-01T00:00:01.500Z", "1970-01-01T00:00:01+00:00"])
def test_timestamps_become_datetimes(sagemaker: ServiceModel, value: object) -> None:
    found = check(sagemaker, "ListTrainingJobs", {"CreationTimeAfter": value})
    moment: datetime = found["CreationTimeAfter"]
    assert moment.astimezone(timezone.utc).replace(microsecond=0) == datetime(
        1970, 1, 1, 0, 0, 1, tzinfo=timezone.utc
    )


@pytest.mark.parametrize("value", ["yesterday", 1e300, [], True])
def test_no_timestamps(sagemaker: ServiceModel, value: object) -> None:
    error = refusal(sagemaker, "ListTrainingJobs", {"CreationTimeAfter": value})
    assert error.code == "SerializationException"
    assert "'creationTimeAfter'" in error.message


@pytest.mark.parametrize("value", ["Ünïcode Täg", "a b/c:d=e+f-g@h_i.j", "", "中文 1"])
def test_tags_may_be_in_any_script(sagemaker: ServiceModel, value: str) -> None:
    tags = [{"Key": "key", "Value": value}]
    assert check(sagemaker, "CreateTrainingJob", JOB | {"Tags": tags})["Tags"] == tags


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        # As they stand in botocore's models, where Java reads them otherwise than Python.
        (r"[\w-_]*", "a-b_c", "a b"),
        (r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,128}", "a é/@", "<"),
        (r"arn:[\p{Alnum}\-]+:lambda:.*", "arn:aws-cn:lambda:x", "arn:é:lambda:x"),
        (r"\d+", "12", "\u0661\u0662"),
        (r"^[a-z]+$", "abc", "abc\n"),
        # Not to be had in Python, and so not checked.
        (r"[\p{L}\p{M}]+", "a", None),
    ],
)
def test_java_s_patterns(pattern: str, good: str, bad: str | None) -> None:
    shapes: dict[str, dict[str, Any]] = {
        "In": {"type": "structure", "members": {"Name": {"shape": "Name"}}},
        "Name": {"type": "string", "pattern": pattern},
    }
    model = ServiceModel(name="", metadata={}, operations={}, shapes=shapes)
    assert validated(model, "In", {"Name": good}) == {"Name": good}
    if bad is not None:
        with pytest.raises(ServiceError) as refused:
            validated(model, "In", {"Name": bad})
        assert pattern in refused.value.message


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(list(JOB)) | st.text(max_size=5), inner, max_size=3)
    ),
)


@given(json, st.sampled_from(sorted(JOB)))
def test_whatever_comes_is_taken_or_refused(value: object, member: str) -> None:
    shape = _CREATE.operations["CreateTrainingJob"].input
    codes = set()
    try:
        found = validated(_CREATE, shape, {**JOB, member: value})
        assert found.keys() <= JOB.keys()
    except ServiceError as error:
        codes = {error.code}
    assert codes <= {"ValidationException", "SerializationException"}


_CREATE = load_model("sagemaker").narrowed(["CreateTrainingJob"])
