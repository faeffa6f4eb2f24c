"""Record sets: shards in S3, a manifest, and nothing left behind where that fails."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from sm_amazon_algos import RecordSet
from sm_amazon_algos.arrays import RecordArrays
from sm_amazon_algos.preparing import Destination, RecordData, upload_records
from sm_core.errors import CodecError, InputError, RequestError, SMError
from sm_core.session import Session

BUCKET = "records"
Objects = Callable[[str], dict[str, bytes]]
Shards = Callable[[str], dict[str, RecordArrays]]


@pytest.fixture
def destination(session: Session) -> Callable[[int], Destination]:
    session.client("s3").create_bucket(Bucket=BUCKET)
    return lambda shards: Destination(
        session=session, bucket=BUCKET, prefix="sets/", name="KMeans", shards=shards
    )


Place = Callable[[int], Destination]


def test_a_shard_for_each_instance_and_a_manifest(
    destination: Place, stored: Objects, shards: Shards, rng: np.random.Generator
) -> None:
    values = rng.random((7, 3), dtype=np.float32)
    made = upload_records(destination(3), RecordData(values, np.arange(7)), channel="test")
    prefix, _, name = made.s3_data.rpartition("/")
    assert (made.num_records, made.feature_dim, made.channel) == (7, 3, "test")
    assert made.s3_data_type == "ManifestFile"
    assert name == ".amazon.manifest"
    objects = stored(BUCKET)
    manifest = json.loads(objects[made.s3_data.removeprefix(f"s3://{BUCKET}/")])
    names = ["matrix_0.pbr", "matrix_1.pbr", "matrix_2.pbr"]
    assert manifest == [{"prefix": f"{prefix}/"}, *names]
    found = shards(BUCKET)
    assert list(found) == names
    parts = [found[name].features["values"] for name in names]
    assert [len(part) for part in parts] == [2, 2, 3]
    np.testing.assert_array_equal(np.concatenate(parts), values)
    labels = np.concatenate([found[name].label["values"] for name in names])
    np.testing.assert_array_equal(labels, np.arange(7))


def test_shards_names_sort_like_their_numbers(destination: Place, shards: Shards) -> None:
    upload_records(destination(12), RecordData(np.eye(12)), channel="train")
    names = list(shards(BUCKET))
    assert names[:2] == ["matrix_00.pbr", "matrix_01.pbr"]
    assert names == sorted(names)


def test_a_sparse_matrix(destination: Place, shards: Shards, rng: np.random.Generator) -> None:
    matrix = scipy.sparse.random(50, 30_000, 0.001, format="csr", rng=rng)
    made = upload_records(destination(2), RecordData(matrix, kind="float32"), channel="train")
    assert (made.num_records, made.feature_dim) == (50, 30_000)
    parts = [found.features["values"] for found in shards(BUCKET).values()]
    assert (scipy.sparse.vstack(parts) != matrix.astype(np.float32)).nnz == 0


def test_a_stream_of_blocks_with_labels(destination: Place, shards: Shards) -> None:
    def blocks() -> Iterator[Any]:
        for number in range(10):
            yield np.full((3, 2), number), np.full(3, number)

    made = upload_records(destination(2), RecordData(blocks(), kind="float32"), channel="train")
    assert (made.num_records, made.feature_dim) == (30, 2)
    first, second = shards(BUCKET).values()
    assert len(first.features["values"]) == len(second.features["values"]) == 15
    labels = [*first.label["values"], *second.label["values"]]
    assert sorted(labels) == [number for number in range(10) for _ in range(3)]
    for found in (first, second):
        np.testing.assert_array_equal(found.features["values"][:, 0], found.label["values"])


def broken() -> Iterator[Any]:
    yield np.ones((4000, 500), np.float32)
    yield np.ones((4000, 500), np.float32)
    raise OSError("the disk is gone")


def too_few() -> Iterator[Any]:
    yield np.ones((1, 2))


def uneven() -> Iterator[Any]:
    yield np.ones((5, 2))
    yield np.ones((5, 3))


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (broken, OSError, "the disk is gone"),
        (too_few, InputError, "1 rows cannot be shared out over 2 instances"),
        (uneven, CodecError, "block 1 has 3 columns"),
        (lambda: np.array([[1], [2**40]]), CodecError, "do not fit the 32 bits"),
        (lambda: np.zeros((1, 2)), InputError, "1 rows cannot be shared out"),
    ],
)
def test_bad_data_leaves_nothing_behind(
    destination: Place,
    stored: Objects,
    session: Session,
    data: Callable[[], Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        upload_records(destination(2), RecordData(data()), channel="train")
    assert stored(BUCKET) == {}
    assert "Uploads" not in session.client("s3").list_multipart_uploads(Bucket=BUCKET)


@pytest.mark.parametrize("refused", [".pbr", ".amazon.manifest"])
def test_a_refused_upload_leaves_nothing_behind(
    destination: Place, stored: Objects, session: Session, refused: str
) -> None:
    def refuse(params: dict[str, Any], **_: Any) -> None:
        if params["Key"].endswith(refused):
            raise SMError("S3 says no")

    events = session.client("s3").meta.events
    events.register("provide-client-params.s3.PutObject", refuse)
    with pytest.raises(SMError, match="S3 says no"):
        upload_records(destination(3), RecordData(np.eye(9)), channel="train")
    assert stored(BUCKET) == {}


def test_a_bucket_that_is_not_there_is_an_error_of_ours(session: Session) -> None:
    nowhere = Destination(session=session, bucket="nowhere", prefix="", name="PCA", shards=1)
    with pytest.raises(RequestError, match=r"PutObject: .*bucket"):
        upload_records(nowhere, RecordData(np.eye(3)), channel="train")


def test_labels_beside_a_stream_are_refused(destination: Place) -> None:
    with pytest.raises(InputError, match=r"let it give pairs \(rows, labels\)"):
        upload_records(destination(1), RecordData(iter([np.eye(3)]), [1]), channel="train")


def test_the_manifest_knows_width_and_size(destination: Place, session: Session) -> None:
    made = upload_records(destination(2), RecordData(np.eye(5)), channel="train")
    assert RecordSet.from_s3(made.s3_data, sagemaker_session=session) == made


STREAM = """
import sys
import numpy as np
from sm_amazon_algos import preparing
from sm_amazon_algos.preparing import Destination, RecordData, upload_records

class Client:
    meta = None
    taken = 0
    def create_multipart_upload(self, **_): return {"UploadId": "1"}
    def upload_part(self, *, Body, **_):
        Client.taken += len(Body)
        return {"ETag": "x"}
    def complete_multipart_upload(self, **_): pass
    def put_object(self, **_): pass

class Session:
    def client(self, _): return Client()

block = np.ones((20_000, 100), np.float32)
blocks = (block for _ in range(int(sys.argv[1])))
destination = Destination(session=Session(), bucket="b", prefix="", name="PCA", shards=2)
made = upload_records(destination, RecordData(blocks), channel="train")
assert made.num_records == 20_000 * int(sys.argv[1])
assert Client.taken > 0.9 * 420 * made.num_records
# The process's own; getrusage would count that of the one which started it, too.
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024)
"""


@pytest.mark.integ
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
def test_memory_does_not_grow_with_the_data() -> None:
    mebibytes = [
        int(
            subprocess.run(
                [sys.executable, "-c", STREAM, blocks], capture_output=True, text=True, check=True
            ).stdout
        )
        for blocks in ("20", "200")
    ]
    # 160 MB and 1.6 GB of records.
    assert mebibytes[1] < mebibytes[0] + 40
    assert mebibytes[1] < 300
