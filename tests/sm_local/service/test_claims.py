"""Presigned URLs, over HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

if TYPE_CHECKING:
    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ

VERSIONS = ("s3", "s3v4")


def ask(method: str, url: str, **options: Any) -> tuple[int, bytes]:
    answer = urllib3.request(method, url, retries=False, **options)
    return answer.status, answer.data


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", ["a", "ü b/..c+&=?#", "a/b"])
def test_urls_read_write_and_ask(shared: Served, s3: Any, version: str, key: str) -> None:
    client = shared.client("s3", signature_version=version)
    where = {"Bucket": "bucket", "Key": key}
    put = client.generate_presigned_url("put_object", Params=where)
    assert ("X-Amz-Signature" in put) == (version == "s3v4")
    assert ask("PUT", put, body=b"data") == (200, b"")
    assert s3.get_object(**where)["Body"].read() == b"data"
    assert ask("GET", client.generate_presigned_url("get_object", Params=where)) == (200, b"data")
    head = client.generate_presigned_url("head_object", Params=where)
    assert ask("HEAD", head)[0] == 200
    named = client.generate_presigned_url(
        "get_object", Params={**where, "ResponseContentDisposition": "attachment; filename=x"}
    )
    answer = urllib3.request("GET", named, retries=False)
    assert answer.headers["content-disposition"] == "attachment; filename=x"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_url_is_good_for_what_was_signed_only(shared: Served, s3: Any, version: str) -> None:
    client = shared.client("s3", signature_version=version)
    s3.put_object(Bucket="bucket", Key="a", Body=b"data")
    s3.put_object(Bucket="bucket", Key="b", Body=b"other")
    url = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "a"})
    for changed in (url.replace("bucket/a?", "bucket/b?"), f"{url}&versionId=null"):
        status, body = ask("GET", changed)
        assert status == 403
        assert b"other" not in body
    assert ask("PUT", url, body=b"mine")[0] == 403
    assert ask("DELETE", url)[0] in (403, 501)
    assert ask("GET", url, headers={"host": "bucket.example.org"})[0] == 403
    assert s3.get_object(Bucket="bucket", Key="a")["Body"].read() == b"data"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_url_expires(
    shared: Served, s3: Any, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = shared.client("s3", signature_version=version)
    s3.put_object(Bucket="bucket", Key="a", Body=b"data")
    url = client.generate_presigned_url(
        "get_object", Params={"Bucket": "bucket", "Key": "a"}, ExpiresIn=60
    )
    gate = shared.app._authenticator
    monkeypatch.setattr(gate, "_clock", lambda: time.time() + 50)
    assert ask("GET", url) == (200, b"data")
    monkeypatch.setattr(gate, "_clock", lambda: time.time() + 70)
    status, body = ask("GET", url)
    assert status == 403
    assert b"Request has expired" in body


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X-Amz-Expires=60", "X-Amz-Expires=604801"),
        ("X-Amz-Expires=60", "X-Amz-Expires=soon"),
        ("X-Amz-Algorithm=AWS4", "X-Amz-Algorithm=AWS5"),
        ("aws4_request", "aws5_request"),
    ],
)
def test_urls_that_are_not_understood(shared: Served, s3: Any, old: str, new: str) -> None:
    client = shared.client("s3", signature_version="s3v4")
    url = client.generate_presigned_url(
        "get_object", Params={"Bucket": "bucket", "Key": "a"}, ExpiresIn=60
    )
    assert old in url
    assert ask("GET", url.replace(old, new))[0] in (400, 403)
