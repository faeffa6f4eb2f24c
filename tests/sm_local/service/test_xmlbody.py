"""XML, against the standard library's parser and botocore's."""

from __future__ import annotations

from datetime import datetime, timezone
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_local.service import xmlbody
from sm_local.service.errors import ServiceError
from sm_local.service.models import load_model

S3 = load_model("s3").narrowed(["ListObjectsV2", "CompleteMultipartUpload", "ListBuckets"])
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

#: What XML 1.0 can say, but for the line ends that its parsers make equal.
texts = st.text(
    st.characters(
        blacklist_categories=["Cs"],
        blacklist_characters=[*map(chr, range(32)), "\x85", "\u2028", "\ufffe", "\uffff"],
    )
    | st.sampled_from("\t\n\r&<>\"'")
)


@given(texts)
def test_any_text_comes_back(text: str) -> None:
    document = xmlbody.document(xmlbody.text_element("Key", text))
    assert (ET.fromstring(document).text or "") == text


def test_what_xml_cannot_say_is_written_as_s3_does() -> None:
    assert xmlbody.text_element("Key", "a\x00\x1f\uffff") == "<Key>a&#x0;&#x1f;&#xffff;</Key>"


def test_members_of_every_kind() -> None:
    content = xmlbody.members_of(
        S3,
        "ListObjectsV2Output",
        {
            "IsTruncated": False,
            "KeyCount": 2,
            "Name": None,
            "Contents": [
                {"Key": "a", "LastModified": datetime(2026, 1, 2, tzinfo=timezone.utc)},
                {"Key": "b", "Owner": {"ID": "me"}},
            ],
            # Travels in a header.
            "RequestCharged": "requester",
        },
    )
    assert content == (
        "<IsTruncated>false</IsTruncated>"
        "<Contents><Key>a</Key><LastModified>2026-01-02T00:00:00.000Z</LastModified></Contents>"
        "<Contents><Key>b</Key><Owner><ID>me</ID></Owner></Contents>"
        "<KeyCount>2</KeyCount>"
    )


def test_lists_with_names_for_their_items() -> None:
    content = xmlbody.members_of(S3, "ListBucketsOutput", {"Buckets": [{"Name": "a"}]})
    assert content == "<Buckets><Bucket><Name>a</Name></Bucket></Buckets>"


def test_a_member_that_there_is_not() -> None:
    with pytest.raises(TypeError, match="ListBucketsOutput has no member Bucket"):
        xmlbody.members_of(S3, "ListBucketsOutput", {"Bucket": []})


@pytest.mark.parametrize("namespace", ["", f' xmlns="{NAMESPACE}"'])
def test_what_clients_send_is_read(namespace: str) -> None:
    body = (
        f"<CompleteMultipartUpload{namespace}>"
        "<Part><ETag>&quot;a&quot;</ETag><PartNumber>1</PartNumber><Unknown/></Part>"
        "<Part><PartNumber>2</PartNumber></Part></CompleteMultipartUpload>"
    )
    assert xmlbody.parsed(S3, "CompletedMultipartUpload", body.encode()) == {
        "Parts": [{"ETag": '"a"', "PartNumber": 1}, {"PartNumber": 2}]
    }


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<a>", "no element found"),
        (b"", "no element found"),
        (b"{}", "not well-formed"),
        (b"<a><Part><PartNumber>one</PartNumber></Part></a>", "PartNumber: invalid literal"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
    ],
)
def test_what_cannot_be_read(body: bytes, said: str) -> None:
    with pytest.raises(ServiceError, match=said) as refused:
        xmlbody.parsed(S3, "CompletedMultipartUpload", body)
    assert refused.value.code == "MalformedXML"
