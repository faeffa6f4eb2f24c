"""A repository of CodeArtifact as the index, by boto3's own model of the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from sm_core.container.codeartifact import index_url
from sm_core.container.errors import ContainerError
from sm_core.errors import ConfigurationError

ARN = "arn:aws:codeartifact:eu-west-1:123456789012:repository/mine/more/digits"
OWNER = {"domain": "mine", "domainOwner": "123456789012"}


@pytest.fixture
def codeartifact(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client(
        "codeartifact",
        region_name="eu-west-1",
        aws_access_key_id="A",
        aws_secret_access_key="b",
    )
    stubber = Stubber(client)

    def make(service: str, *, region_name: str | None, endpoint_url: str | None) -> Any:
        assert (service, region_name, endpoint_url) == ("codeartifact", "eu-west-1", None)
        return client

    monkeypatch.setattr(boto3, "client", make)
    with stubber:
        yield stubber
    stubber.assert_no_pending_responses()


def test_the_index_has_the_token(codeartifact: Stubber) -> None:
    codeartifact.add_response("get_authorization_token", {"authorizationToken": "a/b="}, OWNER)
    codeartifact.add_response(
        "get_repository_endpoint",
        {"repositoryEndpoint": "https://mine.example/simple-one/digits/"},
        {**OWNER, "repository": "more/digits", "format": "pypi"},
    )
    assert index_url(ARN) == "https://aws:a%2Fb%3D@mine.example/simple-one/digits/simple/"


def test_a_refusal_is_named(codeartifact: Stubber) -> None:
    codeartifact.add_client_error("get_authorization_token", "AccessDeniedException", "not you")
    with pytest.raises(ContainerError, match=f"cannot use {ARN} as the package index: .*not you"):
        index_url(ARN)


@pytest.mark.parametrize("arn", ["x", "arn:aws:s3:::bucket", ARN.rpartition("/mine")[0]])
def test_what_is_no_repository_is_named(arn: str) -> None:
    with pytest.raises(ConfigurationError, match="CA_REPOSITORY_ARN is"):
        index_url(arn)
