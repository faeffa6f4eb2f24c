"""Preparation: looked up at once, created and uploaded only for a request that is valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest

from sm_core.backends import Backend, Polling
from sm_core.errors import ConfigurationError, RequestError
from sm_core.preparation import DryPreparation, Preparation
from sm_core.session import Session
from sm_core.source import Source

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Role"
BUCKET = f"sagemaker-us-east-1-{ACCOUNT}"
VALID = {"EndpointName": "e"}


def everything(preparation: Preparation, script: str, data: Path) -> list[str]:
    """The answers to every question."""
    return [
        preparation.role_arn(ROLE),
        preparation.output_path(None),
        preparation.output_path("s3://results/prefix"),
        preparation.code_uri(Source.locate(script), location=None),
        preparation.code_uri(Source.locate(script), location="code"),
        preparation.code_uri(Source.locate(script), location="s3://code/p/"),
        preparation.data_uri(data, channel="train", job_name="job"),
        preparation.data_uri(data / "a.csv", channel="eval", job_name="job"),
    ]


@pytest.fixture
def answers(code_key: str) -> list[str]:
    return [
        ROLE,
        f"s3://{BUCKET}/",
        "s3://results/prefix",
        f"s3://{BUCKET}/code/{code_key}",
        f"s3://code/{code_key}",
        f"s3://code/p/{code_key}",
        f"s3://{BUCKET}/job/input/train",
        f"s3://{BUCKET}/job/input/eval/a.csv",
    ]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("1")
    return folder


def there_is(session: Session) -> list[str]:
    s3 = session.client("s3")
    return sorted(
        f"{bucket['Name']}/{entry['Key']}"
        for bucket in s3.list_buckets()["Buckets"]
        for entry in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", [{"Key": ""}])
    )


def test_nothing_is_made_before_the_request_is_known_to_be_valid(
    session: Session, script: str, code_key: str, data: Path, answers: list[str]
) -> None:
    preparation = Preparation(session)
    assert everything(preparation, script, data) == answers
    assert there_is(session) == []
    with pytest.raises(ConfigurationError, match=r"^DeleteEndpoint: Missing required parameter"):
        preparation.carry_out("DeleteEndpoint", {})
    assert there_is(session) == []
    preparation.carry_out("DeleteEndpoint", VALID)
    assert there_is(session) == [
        f"code/{code_key}",
        f"code/p/{code_key}",
        "results/",
        f"{BUCKET}/code/{code_key}",
        f"{BUCKET}/job/input/eval/a.csv",
        f"{BUCKET}/job/input/train/a.csv",
    ]


def upload(session: Session, script: str) -> list[str]:
    """Upload a script to the bucket ``code``; the operations of S3 that changed something."""
    changes: list[str] = []
    events = session.client("s3").meta.events
    events.register(
        "before-call.s3", lambda model, **_: changes.append(model.name), unique_id="changes"
    )
    preparation = Preparation(session)
    preparation.code_uri(Source.locate(script), location="code")
    preparation.carry_out("DeleteEndpoint", VALID)
    events.unregister("before-call.s3", unique_id="changes")
    return [name for name in changes if not name.startswith(("Head", "Create"))]


def test_what_is_uploaded_is_the_code(session: Session, script: str, code_key: str) -> None:
    upload(session, script)
    body = session.client("s3").get_object(Bucket="code", Key=code_key)["Body"].read()
    assert body == Source.locate(script).archive().data


def test_code_that_is_there_is_not_uploaded_again(session: Session, script: str) -> None:
    assert upload(session, script) == ["PutObject"]
    assert upload(session, script) == []
    Path(script).write_text("print('changed')")
    assert upload(session, script) == ["PutObject"]


@pytest.mark.parametrize("checksum", [{}, {"ChecksumAlgorithm": "SHA256"}])
def test_another_object_in_its_place_is_replaced(
    session: Session, script: str, code_key: str, checksum: dict[str, str]
) -> None:
    s3 = session.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key=code_key, Body=b"something else", **checksum)
    assert upload(session, script) == ["PutObject"]
    body = s3.get_object(Bucket="code", Key=code_key)["Body"].read()
    assert body == Source.locate(script).archive().data


def test_whoever_may_only_write_uploads(session: Session, script: str, refuse: Any) -> None:
    upload(session, script)
    refuse(session.client("s3"), "HeadObject", code="403", message="Forbidden", status=403)
    assert upload(session, script) == ["PutObject"]


def test_other_failures_of_the_question_are_told(
    session: Session, script: str, refuse: Any
) -> None:
    upload(session, script)
    refuse(session.client("s3"), "HeadObject", code="400", message="Bad Request")
    with pytest.raises(RequestError, match="HeadObject: Bad Request"):
        upload(session, script)


def test_a_refused_upload_says_what_was_uploaded(
    session: Session, script: str, refuse: Any
) -> None:
    refuse(session.client("s3"), "PutObject", code="AccessDenied", message="No", status=403)
    with pytest.raises(RequestError, match=r"uploading the code to s3://code/[0-9a-f]{64}/source"):
        upload(session, script)


def test_code_in_s3_stays_there(session: Session) -> None:
    preparation = Preparation(session)
    source = Source.locate("train.py", "s3://b/code.tar.gz")
    assert preparation.code_uri(source, location=None) == "s3://b/code.tar.gz"
    preparation.carry_out("DeleteEndpoint", VALID)
    assert there_is(session) == []


@pytest.mark.parametrize("wrong", ["bucket/prefix", "s3://", "https://b/p", ""])
def test_a_wrong_output_path_is_named(session: Session, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="is not of the form 's3://bucket/prefix'"):
        Preparation(session).output_path(wrong)


@pytest.mark.parametrize("wrong", ["https://b/p", "s3://", "", "/x"])
def test_a_wrong_code_location_is_named(session: Session, script: str, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"code_location .* is neither a bucket's name"):
        Preparation(session).code_uri(Source.locate(script), location=wrong)


# Without a call


def offline_session(**others: Any) -> Session:
    return Session(boto3.Session(region_name="us-east-1"), **others)


def test_without_a_call_the_answers_are_the_same(
    no_installed_plugins: None, offline: None, script: str, data: Path, answers: list[str]
) -> None:
    assert everything(DryPreparation(offline_session(), ROLE), script, data) == answers


@pytest.mark.parametrize(
    ("role", "why"),
    [(None, "role is missing"), ("JustAName", "cannot look up the role")],
    ids=["none", "a name"],
)
def test_without_a_call_a_role_must_be_given_in_full(
    no_installed_plugins: None, offline: None, role: str | None, why: str
) -> None:
    preparation = DryPreparation(offline_session(), role)
    with pytest.raises(ConfigurationError, match=rf"{why}: give role= as a full ARN"):
        preparation.role_arn(role)
    with pytest.raises(ConfigurationError, match="give role= as a full ARN"):
        preparation.output_path(None)
    assert preparation.output_path("s3://b/p") == "s3://b/p"


@pytest.mark.parametrize(
    ("role", "arn"),
    [
        (None, "arn:aws:iam::000000000000:role/Default"),
        ("Mine", "arn:aws:iam::000000000000:role/Mine"),
        ("service-role/Mine", "arn:aws:iam::000000000000:role/Mine"),
        (ROLE, ROLE),
    ],
)
def test_a_default_role_tells_the_account_of_names(
    add_plugin: Any, offline: None, role: str | None, arn: str
) -> None:
    backend = Backend(
        name="easy",
        boto_session=lambda: boto3.Session(region_name="us-east-1"),
        polling=Polling(first=0, factor=1, ceiling=0),
        default_role="arn:aws:iam::000000000000:role/Default",
    )
    add_plugin(sm_backends=lambda: [backend])
    preparation = DryPreparation(Session(backend="easy"), role)
    assert preparation.role_arn(role) == arn
    assert preparation.output_path(None) == f"s3://sagemaker-us-east-1-{arn.split(':')[4]}/"
