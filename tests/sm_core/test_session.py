"""Sessions: region, account, role, buckets, uploads."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import boto3
import pytest
from moto import mock_aws

from sm_core.backends import Backend, Polling
from sm_core.errors import ConfigurationError, InputError, RequestError
from sm_core.requests import RequestContext, framework_of_calls
from sm_core.session import Session

AddPlugin = Callable[..., ModuleType]
Refuse = Callable[..., None]
ACCOUNT = "123456789012"


def in_region(region: str) -> Session:
    return Session(boto3.Session(region_name=region))


# Region and credentials


def test_making_a_session_looks_nothing_up(no_installed_plugins: None, offline: None) -> None:
    session = Session()
    assert repr(session) == "Session(backend='aws')"


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("eu-west-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("us-gov-west-1", "amazonaws.com"),
        ("us-iso-east-1", "c2s.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov"),
    ],
)
def test_each_partition_has_its_own_addresses(
    no_installed_plugins: None, offline: None, region: str, domain: str
) -> None:
    session = in_region(region)
    for service in ("sagemaker", "sagemaker-runtime", "s3", "sts", "logs"):
        host = urlsplit(session.client(service).meta.endpoint_url).hostname
        assert host.endswith(f"{region}.{domain}"), host


def test_profiles_and_addresses_come_by_the_ordinary_files(
    no_installed_plugins: None, offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text(
        "[profile team]\nregion = eu-west-3\nservices = own\n"
        "[services own]\nsagemaker =\n  endpoint_url = http://127.0.0.1:1234\n",
        encoding="utf-8",
    )
    credentials.write_text(
        "[team]\naws_access_key_id = TEAM\naws_secret_access_key = secret\n", encoding="utf-8"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_PROFILE", "team")
    for session in (Session(), Session(boto3.Session(profile_name="team"))):
        assert session.region == "eu-west-3"
        assert session.sagemaker_client.meta.endpoint_url == "http://127.0.0.1:1234"
        assert session.client("s3").meta.endpoint_url == "https://s3.eu-west-3.amazonaws.com"
        found = session.boto_session.get_credentials()
        assert found is not None
        assert found.access_key == "TEAM"


@pytest.mark.parametrize(
    "use",
    [
        lambda session: session.region,
        lambda session: session.sagemaker_client,
        lambda session: session.default_bucket(),
    ],
)
def test_a_missing_region_names_the_ways_out(
    no_installed_plugins: None, use: Callable[[Session], object]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        use(Session())
    assert re.search(r"region.*\. Configure AWS \(`aws configure`, AWS_PROF", str(caught.value))
    assert "Session.local()" in str(caught.value)


def test_missing_credentials_name_the_ways_out(
    no_installed_plugins: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(ConfigurationError) as caught:
        Session().account_id()
    assert str(caught.value).startswith("Unable to locate credentials. Configure AWS (")


def test_ready_made_clients_are_used(no_installed_plugins: None) -> None:
    boto_session = boto3.Session(region_name="eu-west-2")
    control, runtime = (boto_session.client(n) for n in ("sagemaker", "sagemaker-runtime"))
    session = Session(None, control, sagemaker_runtime_client=runtime)
    assert session.sagemaker_client is control
    assert session.sagemaker_runtime_client is runtime
    assert session.region == "eu-west-2"


def test_a_service_that_is_not_there_is_a_request_error(
    no_installed_plugins: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(RequestError, match="Could not connect to the endpoint URL"):
            in_region("us-east-1").account_id()


# Account and role


def test_the_account_is_asked_for_once(session: Session) -> None:
    calls: list[str] = []
    session.client("sts").meta.events.register("before-call", lambda **_: calls.append("call"))
    assert session.account_id() == ACCOUNT
    assert session.account_id() == ACCOUNT
    assert calls == ["call"]
    assert session.get_caller_identity_arn().startswith(f"arn:aws:sts::{ACCOUNT}:")


def test_a_role_is_expanded_by_name(session: Session) -> None:
    session.client("iam").create_role(
        RoleName="Trainer", Path="/service-role/", AssumeRolePolicyDocument="{}"
    )
    arn = f"arn:aws:iam::{ACCOUNT}:role/service-role/Trainer"
    assert session.expand_role("Trainer") == arn
    assert session.expand_role("service-role/Trainer") == arn
    assert session.expand_role(arn) == arn


def test_a_full_arn_is_not_looked_up(no_installed_plugins: None, offline: None) -> None:
    arn = "arn:aws-cn:iam::123456789012:role/x"
    assert in_region("cn-north-1").expand_role(arn) == arn


@pytest.mark.parametrize("role", [None, ""])
def test_a_missing_role_is_an_error_on_aws(session: Session, role: str | None) -> None:
    with pytest.raises(ConfigurationError, match=r"^role is missing: give the name or ARN of an"):
        session.expand_role(role)


def test_a_back_end_may_have_a_default_role(add_plugin: AddPlugin) -> None:
    backend = Backend(
        name="easy",
        boto_session=lambda: boto3.Session(region_name="us-east-1"),
        polling=Polling(first=0, factor=1, ceiling=0),
        default_role="arn:aws:iam::000000000000:role/Default",
    )
    add_plugin(sm_backends=lambda: [backend])
    assert Session(backend="easy").expand_role(None) == "arn:aws:iam::000000000000:role/Default"


def test_a_role_that_is_not_there_says_so(session: Session) -> None:
    with pytest.raises(
        ConfigurationError, match=r"role 'Absent' cannot be looked up .*NoSuchEntity.*full ARN"
    ):
        session.expand_role("Absent")


# Buckets


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_the_default_bucket_is_made_in_the_session_s_region(
    no_installed_plugins: None, region: str
) -> None:
    with mock_aws():
        session = in_region(region)
        bucket = session.default_bucket()
        assert bucket == f"sagemaker-{region}-{ACCOUNT}"
        place = session.client("s3").get_bucket_location(Bucket=bucket)["LocationConstraint"]
        assert place == (None if region == "us-east-1" else region)


def test_a_bucket_is_looked_for_once(session: Session) -> None:
    calls: list[str] = []
    session.default_bucket()
    session.client("s3").meta.events.register("before-call", lambda **_: calls.append("call"))
    session.default_bucket()
    assert calls == []


def test_a_bucket_that_is_there_is_taken(session: Session) -> None:
    session.client("s3").create_bucket(Bucket="mine")
    session.ensure_bucket("mine")
    assert len(session.client("s3").list_buckets()["Buckets"]) == 1


@pytest.mark.parametrize("operation", ["HeadBucket", "CreateBucket"])
def test_a_bucket_of_somebody_else_is_an_error(
    session: Session, refuse: Refuse, operation: str
) -> None:
    code = {"HeadBucket": "403", "CreateBucket": "BucketAlreadyExists"}[operation]
    refuse(session.client("s3"), operation, code=code, message="Forbidden", status=403)
    with pytest.raises(
        ConfigurationError,
        match=rf"bucket 'theirs' is not yours to use \({operation}: .*; name another one in output",
    ):
        session.ensure_bucket("theirs")


def test_the_default_bucket_must_belong_to_the_account(session: Session) -> None:
    sent: list[str] = []

    def note(params: dict[str, dict[str, str]], **_: object) -> None:
        sent.append(params["headers"].get("x-amz-expected-bucket-owner", ""))

    session.client("s3").meta.events.register("before-call.s3.HeadBucket", note)
    session.default_bucket()
    session.ensure_bucket("named-by-the-user")
    assert sent == [ACCOUNT, ""]


def test_naming_the_default_bucket_does_not_spare_the_question_whose_it_is(
    session: Session, refuse: Refuse
) -> None:
    bucket = f"sagemaker-us-east-1-{ACCOUNT}"
    session.client("s3").create_bucket(Bucket=bucket)
    session.ensure_bucket(bucket)
    refuse(session.client("s3"), "HeadBucket", code="403", message="Forbidden", status=403)
    with pytest.raises(ConfigurationError, match="is not yours to use"):
        session.default_bucket()


@pytest.mark.parametrize("code", ["BucketAlreadyOwnedByYou", "OperationAborted"])
@pytest.mark.parametrize("ours", [True, False])
def test_another_process_may_be_quicker(
    session: Session, refuse: Refuse, code: str, ours: bool
) -> None:
    s3 = session.client("s3")

    def other_process(**_: object) -> None:
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="mine")
        if not ours:
            refuse(s3, "HeadBucket", code="403", message="Forbidden", status=403)

    s3.meta.events.register_first("before-call.s3.CreateBucket", other_process)
    refuse(s3, "CreateBucket", code=code, message="conflict", status=409)
    if ours:
        session.ensure_bucket("mine")
    else:
        with pytest.raises(ConfigurationError, match="is not yours to use"):
            session.ensure_bucket("mine")


def test_a_bucket_that_does_not_appear_is_an_error(
    session: Session, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sm_core.buckets.time.sleep", lambda seconds: None)
    refuse(session.client("s3"), "CreateBucket", code="OperationAborted", message="no", status=409)
    with pytest.raises(RequestError, match=r"CreateBucket: no \(OperationAborted\)"):
        session.ensure_bucket("mine")


@pytest.mark.parametrize("operation", ["HeadBucket", "CreateBucket"])
def test_other_failures_are_told_as_they_are(
    session: Session, refuse: Refuse, operation: str
) -> None:
    refuse(session.client("s3"), operation, code="500", message="oops", status=500)
    with pytest.raises(RequestError, match=rf"{operation}: oops \(500\)"):
        session.ensure_bucket("mine")
    refuse(session.client("iam"), "GetRole", code="Throttling", message="slow", status=400)
    with pytest.raises(RequestError, match=r"GetRole: slow \(Throttling\)"):
        session.expand_role("Role")


# upload_data


def keys(session: Session, bucket: str) -> list[str]:
    found = session.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    return [entry["Key"] for entry in found]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "digits"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.csv").write_text("1")
    (folder / "deep" / "er" / "b.csv").write_text("2")
    return folder


def test_a_folder_is_uploaded_with_all_below_it(session: Session, data: Path) -> None:
    bucket = f"sagemaker-us-east-1-{ACCOUNT}"
    assert session.upload_data(str(data)) == f"s3://{bucket}/data"
    assert keys(session, bucket) == ["data/a.csv", "data/deep/er/b.csv"]
    body = session.client("s3").get_object(Bucket=bucket, Key="data/a.csv")["Body"].read()
    assert body == b"1"


def test_a_file_is_uploaded_by_its_name(session: Session, data: Path) -> None:
    session.client("s3").create_bucket(Bucket="mine")
    uri = session.upload_data(data / "a.csv", "mine", key_prefix="/some/prefix/")
    assert uri == "s3://mine/some/prefix/a.csv"
    assert keys(session, "mine") == ["some/prefix/a.csv"]
    assert session.upload_data(data, "mine", key_prefix="") == "s3://mine"
    assert "deep/er/b.csv" in keys(session, "mine")


def test_a_path_under_the_home_folder(
    session: Session, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(data.parent))
    assert session.upload_data("~/digits/a.csv").endswith("/data/a.csv")


def test_what_is_not_there_is_named_before_a_bucket_is_made(
    session: Session, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"absent does not exist; looked at /"):
        session.upload_data(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no file"):
        session.upload_data(tmp_path / "empty")
    assert session.client("s3").list_buckets()["Buckets"] == []


def test_a_bucket_that_is_not_there_is_a_request_error(session: Session, data: Path) -> None:
    with pytest.raises(RequestError) as caught:
        session.upload_data(data, "no-such-bucket")
    assert caught.value.code == "NoSuchBucket"


def test_hook_sm_request_sees_uploads_in_the_caller_s_context(
    session: Session, data: Path, add_plugin: AddPlugin
) -> None:
    seen: list[tuple[str, str | None]] = []

    def sm_request(context: RequestContext) -> None:
        seen.append((context.operation, context.framework))

    add_plugin(sm_request=sm_request)
    with framework_of_calls("paper"):
        session.upload_data(data)
        session.upload_data(data / "a.csv")
    assert seen == [("CreateBucket", "paper"), *[("PutObject", "paper")] * 3]
