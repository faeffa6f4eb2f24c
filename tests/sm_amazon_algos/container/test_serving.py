"""Serving in the worker: every content type in and out, AWS's text style, what is refused."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from sm_amazon_algos import numpy_to_record_serializer, read_records, records_to_numpy
from sm_amazon_algos.container.ndarrays import write_ndarrays
from sm_amazon_algos.container.requests import READERS, read_rows
from sm_amazon_algos.container.responses import WRITERS
from sm_amazon_algos.container.serving import AlgorithmHandler
from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import BadPayload, ContainerError, RequestRefused
from sm_core.container.inference import Request, Response
from sm_core.container.machine import count_cpus
from sm_core.errors import CodecError

JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"
RECORDS = "application/x-recordio-protobuf"
CENTROIDS = np.array([[0, 0, 0], [3, 4, 5]], dtype=np.float32)
FINITE = st.floats(-(2.0**99), 2.0**99, width=32)
ROWS = np.array([[0.0, 3.0, 4.0], [3.0, 4.0, 5.5]])


def handler(folder: Path, name: str, model: bytes) -> AlgorithmHandler:
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "model_algo-1").write_bytes(model)
    environment = ServingEnvironment.read({"SAGEMAKER_BASE_DIR": str(folder)})
    made = AlgorithmHandler(environment, name)
    made.load()
    return made


@pytest.fixture
def kmeans(tmp_path: Path) -> AlgorithmHandler:
    return handler(tmp_path, "kmeans", write_ndarrays([CENTROIDS]))


def ask(of: AlgorithmHandler, body: bytes, content_type: str = CSV, accept: str = "") -> Response:
    return of.handle(Request(body, content_type, accept, {}))


BODIES: list[tuple[str, bytes]] = [
    (CSV, b"0,3,4\n3,4,5.5\n"),
    (f"{CSV};label_size=0", b"0,3,4\n3,4,5.5"),
    (f"{CSV}; charset=utf-8", b"0, 3, 4\r\n3, 4, 5.5\r\n"),
    (JSON, b'{"instances": [{"features": [0, 3, 4]}, {"features": [3, 4, 5.5]}]}'),
    (
        JSON,
        (
            b'{"instances": [{"data": {"features": {"values": [0, 3, 4]}}, "configuration": {}},'
            b' {"data": {"features": {"keys": [2, 0, 1], "shape": [3], "values": [5.5, 3, 4]}}}]}'
        ),
    ),
    (
        LINES,
        (
            b'{"features": [0, 3, 4]}\n'
            b'{"data": {"features": {"keys": [0, 1, 2], "shape": [3], "values": [3, 4, 5.5]}}}\n'
        ),
    ),
    (LINES, b'{"features": {"values": [0, 3, 4]}}\n\n{"features": [3, 4, 5.5]}'),
    (RECORDS, bytes(numpy_to_record_serializer(ROWS))),
    (RECORDS, bytes(numpy_to_record_serializer(ROWS.astype("float32")))),
]


@pytest.mark.parametrize(("content_type", "body"), BODIES)
def test_every_content_type_is_read(
    kmeans: AlgorithmHandler, content_type: str, body: bytes
) -> None:
    answer = ask(kmeans, body, content_type)
    assert answer.content_type == JSON
    assert answer.body == (
        b'{"predictions": [{"closest_cluster": 1.0, "distance_to_cluster": 3.316624879837036}, '
        b'{"closest_cluster": 1.0, "distance_to_cluster": 0.5}]}'
    )


@pytest.mark.parametrize("kind", ["int32", "int64", "float32", "float64"])
def test_records_of_every_type_dense_or_sparse(kmeans: AlgorithmHandler, kind: str) -> None:
    from scipy.sparse import csr_matrix

    rows = np.array([[0, 0, 1], [3, 4, 5]]).astype(kind)
    for sent in (rows, csr_matrix(rows)):
        answer = ask(kmeans, bytes(numpy_to_record_serializer(sent)), RECORDS, RECORDS)
        found = records_to_numpy(answer.body).label
        assert found["closest_cluster"].tolist() == [0, 1]
        assert found["distance_to_cluster"].tolist() == [1, 0]


def test_answers_in_json_lines(kmeans: AlgorithmHandler) -> None:
    answer = ask(kmeans, b"0,3,4\n3,4,5.5", accept=LINES)
    assert answer.content_type == LINES
    assert answer.body == (
        b'{"closest_cluster": 1.0, "distance_to_cluster": 3.316624879837036}\n'
        b'{"closest_cluster": 1.0, "distance_to_cluster": 0.5}'
    )


def test_answers_in_csv(kmeans: AlgorithmHandler) -> None:
    assert ask(kmeans, b"0,3,4\n3,4,5.5", accept=CSV).body == b"1.0,3.316624879837036\n1.0,0.5"


def test_answers_in_records(kmeans: AlgorithmHandler) -> None:
    answer = ask(kmeans, b"0,3,4\n3,4,5.5", accept=RECORDS)
    first, second = read_records(answer.body)
    assert not first.features
    assert list(second.label["closest_cluster"].float32_tensor.values) == [1.0]
    assert list(second.label["distance_to_cluster"].float32_tensor.values) == [0.5]
    assert not second.label["distance_to_cluster"].float32_tensor.shape
    assert sorted(first.label) == ["closest_cluster", "distance_to_cluster"]


@given(nps.arrays("float32", nps.array_shapes(min_dims=2, max_dims=2), elements=FINITE))
def test_answers_say_the_same_in_every_content_type(numbers: npt.NDArray[np.float32]) -> None:
    rows = len(numbers)
    columns: dict[str, npt.NDArray[Any]] = {"score": numbers, "predicted_label": np.arange(rows)}
    whole = json.loads(WRITERS[JSON](columns, "predictions"))["predictions"]
    assert whole == [json.loads(line) for line in WRITERS[LINES](columns, "x").splitlines()]
    np.testing.assert_array_equal(np.array([row["score"] for row in whole], np.float32), numbers)
    assert [row["predicted_label"] for row in whole] == list(range(rows))
    found = records_to_numpy(WRITERS[RECORDS](columns, "x")).label
    np.testing.assert_array_equal(found["score"].reshape(rows, -1), numbers)
    assert found["predicted_label"].tolist() == list(range(rows))
    lines = WRITERS[CSV](columns, "x").decode().splitlines()
    cells = [[*map(float, line.split(","))] for line in lines]
    np.testing.assert_array_equal(np.array(cells, np.float32)[:, :-1], numbers)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (CSV, b""),
        (CSV, b"1,2\n"),
        (CSV, b"1,2,3,4\n"),
        (CSV, b"1,2,x\n"),
        (CSV, b"1,2,nan\n"),
        (CSV, b"1,2,1e39\n"),
        (CSV, b"1,2,3\n1,2\n"),
        (JSON, b""),
        (JSON, b"[1, 2, 3]"),
        (JSON, b'{"instances": []}'),
        (JSON, b'{"instances": [[1, 2, 3]]}'),
        (JSON, b'{"instances": [{"features": [1, 2]}]}'),
        (JSON, b'{"instances": [{"features": [1, 2, 3]}, {"features": [1]}]}'),
        (JSON, b'{"instances": [{"features": [1, 2, "3"]}]}'),
        (JSON, b'{"instances": [{"features": [1, 2, null]}]}'),
        (JSON, b'{"instances": [{"features": "abc"}]}'),
        (JSON, b'{"instances": [{"features": {"values": [1, 2, "3"]}}]}'),
        (JSON, b'{"instances": [{"data": {"features": {}}}]}'),
        (JSON, b'{"instances": [{"data": {"features": {"values": [1], "keys": [3]}}}]}'),
        (JSON, b'{"instances": [{"data": {"features": {"values": [1], "keys": [-1]}}}]}'),
        (JSON, b'{"instances": [{"data": {"features": {"values": [1, 2], "keys": [1]}}}]}'),
        (
            JSON,
            b'{"instances": [{"data": {"features": {"values": [1], "keys": [1], "shape": [9]}}}]}',
        ),
        (JSON, b'{"instances": [{"features": {"values": []}}]}'),
        (
            JSON,
            b'{"instances": [{"data": {"features": {"values": [], "keys": [], "shape": [4]}}}]}',
        ),
        (LINES, b"{}\n"),
        (LINES, b'{"features": [1, 2, 3]}\nx\n'),
        (RECORDS, b""),
        (RECORDS, b"hello"),
        (RECORDS, bytes(numpy_to_record_serializer(scipy.sparse.csr_matrix((9, 2**26))))),
        (RECORDS, bytes(numpy_to_record_serializer(np.ones((9, 3), dtype=np.float32)))[:-4]),
        (RECORDS, bytes(numpy_to_record_serializer(np.ones((1, 2))))),
        (RECORDS, bytes(numpy_to_record_serializer(np.ones((1, 3))))[:-4]),
    ],
)
def test_bad_payloads_are_refused_as_aws_does(
    kmeans: AlgorithmHandler, content_type: str, body: bytes
) -> None:
    with pytest.raises(BadPayload) as caught:
        ask(kmeans, body, content_type)
    assert str(caught.value) == "unable to evaluate payload provided"
    assert caught.value.status == 400


def test_the_log_says_what_a_client_is_not_told(
    kmeans: AlgorithmHandler, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BadPayload):
        ask(kmeans, b"1,2\n")
    assert (
        "Customer Error: The feature dimension of the input: 2 does not match the feature "
        "dimension of the model: 3. Please fix the input and try again."
    ) in caplog.text


def test_a_row_of_another_width_among_others_is_named_by_it(
    kmeans: AlgorithmHandler, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BadPayload):
        ask(kmeans, b'{"features": [1, 2, 3]}\n{"features": [1, 2]}', LINES)
    assert "The feature dimension of the input: 2 does not match" in caplog.text


@pytest.mark.parametrize("accept", [JSON, RECORDS])
def test_what_no_answer_can_be_given_to_is_refused(
    tmp_path: Path, kmeans: AlgorithmHandler, accept: str
) -> None:
    pca = handler(tmp_path, "pca", write_ndarrays({"v": np.full((3, 1), 2, dtype=np.float32)}))
    for model in (kmeans, pca):
        with pytest.raises(BadPayload):
            ask(model, b"3e38,3e38,3e38", accept=accept)


def test_a_sparse_row_may_have_no_values(kmeans: AlgorithmHandler) -> None:
    body = b'{"instances": [{"data": {"features": {"keys": [], "shape": [3], "values": []}}}]}'
    (row,) = json.loads(ask(kmeans, body, JSON).body)["predictions"]
    assert row == {"closest_cluster": 0.0, "distance_to_cluster": 0.0}


@pytest.mark.parametrize(
    ("content_type", "accept", "status"), [("image/png", "", 415), (CSV, "image/png", 406)]
)
def test_other_content_types_are_refused(
    kmeans: AlgorithmHandler, content_type: str, accept: str, status: int
) -> None:
    with pytest.raises(RequestRefused) as caught:
        ask(kmeans, b"1,2,3", content_type, accept)
    assert caught.value.status == status


@given(st.sampled_from(sorted(READERS)), st.binary(max_size=60))
def test_any_body_is_read_or_refused(content_type: str, body: bytes) -> None:
    with contextlib.suppress(CodecError):
        assert read_rows(body, content_type, 2).shape[1] == 2


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["instances", "features", "data", "values", "keys", "shape"]), inner
            )
        ),
    )
)
def test_any_json_is_read_or_refused(document: Any) -> None:
    body = json.dumps({"instances": [document]}).encode()
    with contextlib.suppress(CodecError):
        assert read_rows(body, JSON, 2).shape[1] == 2


@pytest.mark.parametrize(
    ("name", "model", "message"),
    [
        ("kmeans", b"PK\x03\x04", "is cut off"),
        ("kmeans", write_ndarrays({"v": CENTROIDS, "s": CENTROIDS}), "no model of KMeans"),
        ("kmeans", write_ndarrays([CENTROIDS[0]]), "no model of KMeans"),
        ("kmeans", write_ndarrays([CENTROIDS * np.nan]), "no model of KMeans"),
        ("pca", write_ndarrays([CENTROIDS]), "no model of PCA"),
        ("pca", write_ndarrays({"v": CENTROIDS, "mean": CENTROIDS}), "mean has 6 numbers"),
        ("pca", write_ndarrays({"v": CENTROIDS * np.nan}), "numbers in v that are NaN"),
    ],
)
def test_a_model_that_is_none_does_not_come_up(
    tmp_path: Path, name: str, model: bytes, message: str
) -> None:
    with pytest.raises((ContainerError, CodecError), match=message):
        handler(tmp_path, name, model)


#: Begins to serve as a worker does, and tells how many threads numpy's products of matrices take.
WORKER = """
from sm_core.container import worker
from sm_core.container.environment import ServingEnvironment
from sm_amazon_algos.plugin import sm_inference
sm_inference(ServingEnvironment.read())
from threadpoolctl import threadpool_info
print(*[library["num_threads"] for library in threadpool_info()])
"""


@pytest.mark.integ
def test_workers_share_the_cpus(tmp_path: Path) -> None:
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "SAGEMAKER_MODEL_SERVER_WORKERS": str(4 * count_cpus()),
        "SMCORE_ALGORITHM": "kmeans",
    }
    command = [sys.executable, "-c", WORKER]
    answer = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert set(answer.stdout.split()) == {"1"}


def test_a_model_is_found_in_a_folder_of_its_own_too(tmp_path: Path) -> None:
    inner = tmp_path / "model" / "mine"
    inner.mkdir(parents=True)
    (inner / "model_algo-1").write_bytes(write_ndarrays([CENTROIDS]))
    environment = ServingEnvironment.read({"SAGEMAKER_BASE_DIR": str(tmp_path)})
    made = AlgorithmHandler(environment, "kmeans")
    made.load()
    assert ask(made, b"3,4,5").body == (
        b'{"predictions": [{"closest_cluster": 1.0, "distance_to_cluster": 0.0}]}'
    )


def test_without_a_model_the_server_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").touch()
    environment = ServingEnvironment.read({"SAGEMAKER_BASE_DIR": str(tmp_path)})
    with pytest.raises(ContainerError, match=r"lacks the file model_algo-1; it has: weights\.bin"):
        AlgorithmHandler(environment, "kmeans").load()


def test_projections_of_pca(tmp_path: Path) -> None:
    v = np.array([[0, 1], [1, 0], [0, 0]], dtype=np.float32)
    model = {"mean": np.ones((1, 3), dtype=np.float32), "v": v, "s": np.ones(2, np.float32)}
    pca = handler(tmp_path, "pca", write_ndarrays(model))
    answers = {accept: ask(pca, b"2,4,0\n1,1,1", accept=accept).body for accept in WRITERS}
    assert answers[JSON] == (
        b'{"projections": [{"projection": [3.0, 1.0]}, {"projection": [0.0, 0.0]}]}'
    )
    assert answers[LINES] == b'{"projection": [3.0, 1.0]}\n{"projection": [0.0, 0.0]}'
    assert answers[CSV] == b"3.0,1.0\n0.0,0.0"
    found = records_to_numpy(answers[RECORDS]).label["projection"]
    assert found.tolist() == [[3, 1], [0, 0]]
    del model["mean"]
    without = handler(tmp_path, "pca", write_ndarrays(model))
    assert ask(without, b"2,4,0").body == b'{"projections": [{"projection": [4.0, 2.0]}]}'


def test_all_pairs_of_content_types_agree(kmeans: AlgorithmHandler) -> None:
    for (content_type, body), accept in itertools.product(BODIES, WRITERS):
        assert ask(kmeans, body, content_type, accept) == ask(kmeans, BODIES[0][1], CSV, accept)
