"""Checks beyond AWS's model, and their words."""

from __future__ import annotations

from typing import Any

import pytest

from sm_local.service.checks import (
    ANY,
    EachOf,
    OneOf,
    S3Location,
    refuse_unsupported,
    required,
    s3_location,
)
from sm_local.service.errors import ServiceError

SUPPORTED: dict[str, Any] = {
    "Name": ANY,
    "Mode": OneOf(["File"]),
    "Inner": {"Count": OneOf([1])},
    "Items": EachOf({"Kind": OneOf(["a", "b"])}),
}


def test_what_is_supported_passes() -> None:
    refuse_unsupported(
        {
            "Name": "x",
            "Mode": "File",
            "Inner": {"Count": 1},
            "Items": [{"Kind": "a"}, {"Kind": "b"}],
            "Spot": False,
            "KmsKeyId": "",
            "Others": [],
        },
        SUPPORTED,
    )


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"Spot": True}, "Spot is not available"),
        ({"Mode": "Pipe"}, "Mode Pipe is not available: .* only File"),
        ({"Inner": {"Count": 2}}, "Inner.Count 2 is not available: .* only 1"),
        ({"Inner": {"Other": 2}}, "Inner.Other is not available"),
        ({"Items": [{"Kind": "a"}, {"Kind": "c"}]}, "Items.2.Kind c is not .* only a or b"),
    ],
)
def test_what_is_not_is_refused_by_name(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceError, match=message) as caught:
        refuse_unsupported(request_, SUPPORTED)
    assert caught.value.code == "ValidationException"


def test_required_members_are_named_as_aws_names_them() -> None:
    with pytest.raises(ServiceError) as caught:
        required({"Spec": {"Image": "x"}}, "Spec.Image", "Spec.InputMode", "Config.Type")
    assert caught.value.message == (
        "2 validation errors detected: Value null at 'spec.inputMode' failed to satisfy "
        "constraint: Member must not be null; Value null at 'config.type' failed to satisfy "
        "constraint: Member must not be null"
    )


def test_s3_location() -> None:
    assert s3_location("s3://bucket/a/b", "Uri") == S3Location("bucket", "a/b")
    assert s3_location("s3://bucket", "Uri") == S3Location("bucket", "")
    with pytest.raises(ServiceError, match="Uri 'https://x/y' is not an S3 URI"):
        s3_location("https://x/y", "Uri")


def test_the_reserved_bucket_is_not_a_request_s_to_name() -> None:
    with pytest.raises(ServiceError, match="S3Uri: the bucket sm-local-environments is reserved"):
        s3_location("s3://sm-local-environments/secrets", "S3Uri")
