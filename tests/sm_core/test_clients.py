"""Clients: one boto3 session, hooks attached once, no foreign error escapes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import boto3
import boto3.exceptions
import botocore.exceptions
import pytest
from botocore.stub import Stubber

from sm_core.clients import Clients, translated_errors
from sm_core.errors import ConfigurationError, RequestError, SMError
from sm_core.requests import RequestContext
from sm_core.session import Session

AddPlugin = Callable[..., ModuleType]


def every_error() -> list[type[Exception]]:
    """The exception classes of botocore and boto3."""
    found = [
        *inspect.getmembers(botocore.exceptions, inspect.isclass),
        *inspect.getmembers(boto3.exceptions, inspect.isclass),
    ]
    roots = (botocore.exceptions.BotoCoreError, boto3.exceptions.Boto3Error)
    return sorted({cls for _, cls in found if issubclass(cls, roots)}, key=lambda c: c.__name__)


@pytest.mark.parametrize("cls", every_error(), ids=lambda cls: cls.__name__)
def test_no_error_of_boto3_escapes(cls: type[Exception]) -> None:
    error = cls.__new__(cls, "something")  # each wants arguments of its own otherwise
    with pytest.raises(SMError) as caught, translated_errors():
        raise error
    assert caught.value.__cause__ is error
    assert str(error).rstrip(".") in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        botocore.exceptions.NoRegionError(),
        botocore.exceptions.NoCredentialsError(),
        botocore.exceptions.PartialCredentialsError(provider="env", cred_var="secret"),
        botocore.exceptions.ProfileNotFound(profile="work"),
        botocore.exceptions.TokenRetrievalError(provider="sso", error_msg="expired"),
        botocore.exceptions.UnauthorizedSSOTokenError(),
        botocore.exceptions.CredentialRetrievalError(provider="p", error_msg="no"),
        botocore.exceptions.ConfigParseError(path="config", error="no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_configured_names_the_ways_out(error: Exception) -> None:
    with pytest.raises(ConfigurationError) as caught, translated_errors():
        raise error
    assert "`aws configure`" in str(caught.value)
    assert "Session.local(), with sm-local installed" in str(caught.value)
    assert ".." not in str(caught.value)


def client_error(response: Any, operation: str = "CreateModel") -> botocore.exceptions.ClientError:
    return botocore.exceptions.ClientError(response, operation)


def test_a_refusal_carries_code_and_operation() -> None:
    refusal = client_error({"Error": {"Code": "ValidationException", "Message": "not this"}})
    with pytest.raises(RequestError) as caught, translated_errors():
        raise refusal
    assert str(caught.value) == "CreateModel: not this (ValidationException)"
    assert caught.value.code == "ValidationException"
    assert caught.value.operation == "CreateModel"


def test_a_refusal_without_details_is_still_one() -> None:
    with pytest.raises(RequestError) as caught, translated_errors("e"):
        raise client_error({}, "HeadBucket")
    assert str(caught.value) == "e: HeadBucket: no message ()"


@pytest.mark.parametrize("start", ["<!DOCTYPE HTML>\n<html lang='en'>", "\n<html>"])
def test_a_proxy_s_page_is_not_quoted(start: str) -> None:
    refusal = client_error({"Error": {"Code": "502", "Message": f"{start}<p>Bad Gateway</p>"}})
    with (
        pytest.raises(RequestError, match=r"a page of HTML.*\(502\)$") as caught,
        translated_errors(),
    ):
        raise refusal
    assert "<" not in str(caught.value)


def test_a_container_s_own_words_are_what_is_said() -> None:
    response = {
        "Error": {"Code": "ModelError", "Message": "Received server error (500) from model …"},
        "OriginalStatusCode": 500,
        "OriginalMessage": "ValueError: shape",
    }
    with pytest.raises(RequestError) as caught, translated_errors("endpoint e"):
        raise client_error(response, "InvokeEndpoint")
    assert str(caught.value) == "endpoint e: the container answered 500: ValueError: shape"
    assert caught.value.code == "ModelError"


@pytest.mark.parametrize("error", [KeyError("k"), RequestError("r"), PermissionError("p")])
def test_other_errors_pass_through(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, translated_errors():
        raise error
    assert caught.value is error


def test_all_clients_come_from_one_session_made_on_first_use(no_installed_plugins: None) -> None:
    backend = Session().backend
    made = []

    def boto_session() -> boto3.Session:
        made.append(boto3.Session(region_name="us-east-1"))
        return made[-1]

    own = type(backend)(name="own", boto_session=boto_session, polling=backend.polling)
    clients = Clients(own)
    assert made == []
    assert clients.get("s3") is clients.get("s3")
    assert clients.get("sagemaker").meta.region_name == "us-east-1"
    assert clients.boto_session is made[0]
    assert len(made) == 1


def test_the_region_is_that_of_a_client_that_was_given(no_installed_plugins: None) -> None:
    client = boto3.Session(region_name="eu-west-3").client("sagemaker-runtime")
    clients = Clients(Session().backend, given={"sagemaker-runtime": client})
    assert clients.region() == "eu-west-3"
    assert clients.get("sagemaker-runtime") is client
    # The others must look after what that one starts.
    own = boto3.Session(region_name="us-east-1")
    clients = Clients(Session().backend, boto_session=own, given={"sagemaker-runtime": client})
    assert clients.get("logs").meta.region_name == "eu-west-3"
    assert clients.get("s3").meta.region_name == "eu-west-3"


def noting(seen: list[str]) -> Callable[..., None]:
    def sm_request(context: RequestContext) -> None:
        seen.append(f"{context.backend}:{context.service}:{context.operation}")

    return sm_request


def test_hook_sm_request_sees_calls_that_users_make_themselves(
    session: Session, add_plugin: AddPlugin
) -> None:
    seen: list[str] = []
    add_plugin(sm_request=noting(seen))
    session.client("s3").create_bucket(Bucket="own")
    session.client("s3").list_buckets()
    assert seen == ["quick:s3:CreateBucket"]


def test_hook_sm_request_amends_what_is_sent(session: Session, add_plugin: AddPlugin) -> None:
    add_plugin(sm_request=lambda request: None)
    add_plugin(
        sm_request=lambda context, request: (
            {**request, "Key": f"policy/{request['Key']}"}
            if context.operation == "PutObject"
            else None
        )
    )
    s3 = session.client("s3")
    s3.create_bucket(Bucket="own")
    s3.put_object(Bucket="own", Key="a", Body=b"x")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="own")["Contents"]] == ["policy/a"]


def test_hook_sm_request_refuses_by_raising(session: Session, add_plugin: AddPlugin) -> None:
    def sm_request(context: RequestContext) -> None:
        raise PermissionError(f"{context.operation}: not in this team")

    add_plugin(sm_request=sm_request)
    with pytest.raises(PermissionError, match="CreateBucket: not in this team"):
        session.client("s3").create_bucket(Bucket="own")
    assert session.client("s3").list_buckets()["Buckets"] == []


def test_a_client_given_to_two_sessions_shows_a_call_once(
    session: Session, add_plugin: AddPlugin
) -> None:
    seen: list[str] = []
    add_plugin(sm_request=noting(seen))
    client = boto3.Session(region_name="us-east-1").client("sagemaker")
    for _ in range(2):
        Session(sagemaker_client=client, backend="quick")
    with Stubber(client) as stubber:
        stubber.add_response("stop_training_job", {})
        client.stop_training_job(TrainingJobName="job")
    assert seen == ["quick:sagemaker:StopTrainingJob"]


def test_wrongly_made_requests_are_named(session: Session) -> None:
    missing = "Missing required parameter in input"
    with pytest.raises(ConfigurationError, match=missing), translated_errors():
        session.sagemaker_client.create_model()
