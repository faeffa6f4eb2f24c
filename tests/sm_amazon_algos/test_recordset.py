"""Record sets: those that were uploaded, and those that are in S3 already."""

from __future__ import annotations

import io
import json
from typing import Any

import attrs
import numpy as np
import pytest
import scipy.sparse

from sm_amazon_algos import (
    RecordSet,
    write_numpy_to_dense_tensor,
    write_spmatrix_to_sparse_tensor,
)
from sm_core.errors import InputError, RequestError
from sm_core.session import Session

BUCKET = "mine"


@pytest.fixture
def client(session: Session) -> Any:
    client = session.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def put(client: Any, key: str, data: Any) -> None:
    file = io.BytesIO()
    if isinstance(data, bytes):
        file.write(data)
    elif scipy.sparse.issparse(data):
        write_spmatrix_to_sparse_tensor(file, data)
    else:
        write_numpy_to_dense_tensor(file, data)
    client.put_object(Bucket=BUCKET, Key=key, Body=file.getvalue())


def test_a_folder_of_objects(session: Session, client: Any) -> None:
    put(client, "data/", b"")
    put(client, "data/one.pbr", np.ones((3, 7)))
    put(client, "data/two.pbr", np.ones((3, 7)))
    found = RecordSet.from_s3("s3://mine/data/", channel="test", sagemaker_session=session)
    assert found == RecordSet("s3://mine/data/", None, 7, "S3Prefix", "test")
    channel = found.training_input()
    assert (channel.s3_data_type, channel.distribution) == ("S3Prefix", "FullyReplicated")
    assert channel.content_type == "application/x-recordio-protobuf"


def test_one_sparse_object_with_a_known_size(session: Session, client: Any) -> None:
    put(client, "one", scipy.sparse.csr_matrix(np.eye(3, 90)))
    found = RecordSet.from_s3("s3://mine/one", num_records=3, sagemaker_session=session)
    assert (found.num_records, found.feature_dim) == (3, 90)


def test_an_object_whose_first_record_is_in_parts(session: Session, client: Any) -> None:
    # Two values, the second of which is the magic number, at a place where MXNet's writer cuts.
    payload = bytes.fromhex(
        "0a16 0a06 76616c756573 120c 120a 0a08 0000c03f 0a23d7ce".replace(" ", "")
    )
    assert payload[20:] == bytes.fromhex("0a23d7ce")
    magic = bytes.fromhex("0a23d7ce")
    parts = (1, payload[:20]), (3, b"")
    data = b"".join(
        magic + (len(part) | kind << 29).to_bytes(4, "little") + part for kind, part in parts
    )
    put(client, "x", data)
    assert RecordSet.from_s3("s3://mine/x", sagemaker_session=session).feature_dim == 2


def test_somebody_else_s_manifest(session: Session, client: Any) -> None:
    put(client, "set/matrix_0.pbr", b"")
    put(client, "set/matrix_1.pbr", np.ones((3, 5)))
    names = ["matrix_0.pbr", "matrix_1.pbr"]
    manifest = json.dumps([{"prefix": "s3://mine/set/"}, *names]).encode()
    put(client, "set/.amazon.manifest", manifest)
    found = RecordSet.from_s3("s3://mine/set/.amazon.manifest", sagemaker_session=session)
    assert found == RecordSet("s3://mine/set/.amazon.manifest", None, 5)


def test_what_is_known_is_not_looked_up() -> None:
    found = RecordSet.from_s3("s3://nowhere/x", feature_dim=3)
    assert found == RecordSet("s3://nowhere/x", None, 3, "S3Prefix")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"1,2,3\n", "s3://mine/x is not in RecordIO-protobuf: recordio: a record should begin at"),
        (bytes.fromhex("0a23d7ce00000000"), "the first record of s3://mine/x has no features"),
        (b"", "s3://mine/x holds no records"),
    ],
)
def test_what_is_no_data_is_named(session: Session, client: Any, data: bytes, message: str) -> None:
    put(client, "x", data)
    with pytest.raises(InputError) as caught:
        RecordSet.from_s3("s3://mine/x", sagemaker_session=session)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'["x"]', b'[{"prefix": "file"}, "x"]', b"[1"])
def test_what_is_no_manifest_is_named(session: Session, client: Any, text: bytes) -> None:
    put(client, "x.manifest", text)
    with pytest.raises(InputError, match=r"s3://mine/x\.manifest is no manifest"):
        RecordSet.from_s3("s3://mine/x.manifest", sagemaker_session=session)


def test_what_is_not_there_is_an_error_of_ours(session: Session, client: Any) -> None:
    with pytest.raises(InputError, match="s3://mine/nothing holds no records"):
        RecordSet.from_s3("s3://mine/nothing", sagemaker_session=session)
    with pytest.raises(RequestError):
        RecordSet.from_s3("s3://mine/x.manifest", sagemaker_session=session)
    with pytest.raises(InputError, match="is not of the form"):
        RecordSet.from_s3("mine/x", sagemaker_session=session)


def test_any_estimator_takes_one() -> None:
    found = RecordSet("s3://b/m.manifest", 5, 2, channel="validation").training_inputs()
    assert list(found) == ["validation"]
    assert attrs.asdict(found["validation"])["s3_data_type"] == "ManifestFile"
