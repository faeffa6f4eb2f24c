"""The core's own plugin: the AWS back end and the built-in codecs."""

from __future__ import annotations

import pytest

from sm_core.codecs import codec_for
from sm_core.errors import ConfigurationError
from sm_core.plugins import client_plugins
from sm_core.session import Session


def test_the_core_s_own_behaviour_comes_through_the_hooks(no_installed_plugins: None) -> None:
    (load,) = client_plugins().loads
    assert (load.name, load.distribution) == ("core", "sm-core")
    assert load.hooks == ("sm_backends", "sm_codecs", "sm_image", "sm_image_origin")


def test_the_aws_back_end_goes_by_boto3_s_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    session = Session()
    assert session.region == "eu-north-1"
    credentials = session.boto_session.get_credentials()
    assert credentials is not None
    assert credentials.access_key == "AKIDEXAMPLE"
    assert session.sagemaker_client.meta.endpoint_url.endswith("eu-north-1.amazonaws.com")


def test_a_profile_that_is_not_there_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "absent")
    with pytest.raises(ConfigurationError, match=r"\(absent\) could not be found\. Configure AWS"):
        _ = Session().region


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/csv", "application/x-npy", "application/octet-stream", "text/plain"],
)
def test_built_in_codecs(content_type: str) -> None:
    codec = codec_for(content_type)
    assert codec.content_type == content_type
    assert codec.serializer.content_type == content_type
