"""All three algorithms through the contract: Pipe mode, every content type over HTTP, failures."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse
from sklearn.datasets import load_iris

from sm_amazon_algos import (
    numpy_to_record_serializer,
    records_to_numpy,
    write_numpy_to_dense_tensor,
    write_spmatrix_to_sparse_tensor,
)
from sm_core.container.channels import Channel
from sm_core.testing.containers import Answer, Container, Ended, ModelServer

pytestmark = pytest.mark.integ

JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"
RECORDS = "application/x-recordio-protobuf"
ROWS, SPECIES = load_iris(return_X_y=True)
# Numbers of 32 bits, so that text and records say the same.
ROWS = np.round(ROWS).astype(np.float32)
#: Zeros, for sparse rows.
ROWS[:, 3] = 0
REFUSAL = b"unable to evaluate payload provided"
Feed = Callable[[Path, str, Iterable[bytes]], AbstractContextManager[Any]]

#: Hyperparameters of small jobs.
JOBS: dict[str, dict[str, Any]] = {
    "kmeans": {"k": 3, "feature_dim": 4, "epochs": 3, "_seed": 1},
    "pca": {"num_components": 2, "feature_dim": 4, "mini_batch_size": 50},
    "linear-learner": {
        "predictor_type": "multiclass_classifier",
        "num_classes": 3,
        "mini_batch_size": 50,
        "epochs": 3,
        "num_models": 2,
    },
}


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


def written(rows: Any, labels: Any = None) -> bytes:
    file = io.BytesIO()
    if scipy.sparse.issparse(rows):
        write_spmatrix_to_sparse_tensor(file, rows, labels)
    else:
        write_numpy_to_dense_tensor(file, rows, labels)
    return file.getvalue()


def in_format(kind: str, rows: Any = ROWS, labels: Any = SPECIES) -> tuple[bytes, str]:
    """Rows as bytes, and their content type."""
    if kind == "csv":
        lines = (
            f"{label},{','.join(map(str, row))}"
            for label, row in zip(labels, rows.tolist(), strict=True)
        )
        return "\r\n".join(lines).encode(), CSV
    given = scipy.sparse.csr_matrix(rows) if kind == "sparse" else rows
    return written(given, labels.astype(np.float32)), RECORDS


def train(container: Container, name: str, **more: Any) -> Ended:
    variables = {"SMCORE_ALGORITHM": name}
    return container.train(hyperparameters={**JOBS[name]}, variables=variables, **more)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("kmeans", "sparse"),
        ("pca", "csv"),
        ("linear-learner", "dense"),
        ("linear-learner", "csv"),
        pytest.param("linear-learner", "sparse", marks=pytest.mark.long),
        pytest.param("kmeans", "dense", marks=pytest.mark.long),
        pytest.param("kmeans", "csv", marks=pytest.mark.long),
        pytest.param("pca", "dense", marks=pytest.mark.long),
        pytest.param("pca", "sparse", marks=pytest.mark.long),
    ],
)
def test_pipes_give_the_model_that_files_give(
    container: Container,
    trained: Callable[..., Any],
    tmp_path: Path,
    fed: Feed,
    name: str,
    kind: str,
) -> None:
    body, content_type = in_format(kind)
    with fed(container.base / "input" / "data", "train", [body[:1000], body[1000:]]):
        types = {"train": content_type}
        ended = train(container, name, pipes=["train"], content_types=types)
    assert (ended.exit_code, ended.failure, ended.succeeded) == (0, None, True), ended.log
    files = tmp_path / "files"
    files.mkdir()
    (files / "part-0").write_bytes(body)
    channel = Channel(name="train", path=files, content_type=content_type)
    own = JOBS[name]
    from_files = trained(name, channel, seed=own.get("_seed"), **without_seed(own))
    model = container.base / "model" / "model_algo-1"
    assert model.read_bytes() == from_files.file.read_bytes()


def without_seed(hyperparameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in hyperparameters.items() if name != "_seed"}


@contextmanager
def served(container: Container, name: str) -> Iterator[ModelServer]:
    with container.serve(variables={"SMCORE_ALGORITHM": name}) as server:
        yield server


def bodies(rows: npt.NDArray[np.float32]) -> dict[str, list[bytes]]:
    """The same rows in every form that a request may have."""
    sparse = [
        {
            "keys": np.flatnonzero(row).tolist(),
            "shape": [len(row)],
            "values": row[row != 0].tolist(),
        }
        for row in rows
    ]
    plain = [{"features": row} for row in rows.tolist()]
    nested = [{"data": {"features": {"values": row}}} for row in rows.tolist()]
    scattered = [{"data": {"features": row}, "configuration": {}} for row in sparse]
    forms = (plain, nested, scattered, [*plain[:1], *scattered[1:]])
    return {
        CSV: [
            "\n".join(",".join(map(str, row)) for row in rows.tolist()).encode(),
            b"".join(b",".join(b'"%g"' % x for x in row) + b"\r\n" for row in rows.tolist()),
        ],
        JSON: [json.dumps({"instances": form}).encode() for form in forms],
        LINES: ["\n".join(map(json.dumps, form)).encode() for form in forms],
        RECORDS: [
            bytes(numpy_to_record_serializer(given))
            for given in (rows, rows.astype(np.float64), scipy.sparse.csr_matrix(rows))
        ],
    }


def columns(answer: Answer, collection: str) -> dict[str, list[Any]]:
    """What an answer in JSON, JSON lines or records says, by name."""
    if answer.headers["content-type"] == RECORDS:
        found = records_to_numpy(answer.body).label
        return {name: values.reshape(len(values), -1).tolist() for name, values in found.items()}
    text = answer.body
    lines = text.splitlines() if answer.headers["content-type"] == LINES else []
    whole = [json.loads(line) for line in lines] or json.loads(text)[collection]
    return {name: [np.atleast_1d(row[name]).tolist() for row in whole] for name in whole[0]}


def check_every_content_type(server: ModelServer, collection: str, names: set[str]) -> None:
    """Requests of every form are answered alike, in each content type."""
    rows = ROWS[::50]
    wanted: Any = None
    for content_type, forms in bodies(rows).items():
        for body in forms:
            for accept in (None, JSON, LINES, RECORDS):
                answer = server.invoke(body, content_type=content_type, accept=accept)
                assert answer.status == 200, (content_type, body, answer.body)
                assert answer.headers["content-type"] == accept or JSON
                found = columns(answer, collection)
                wanted = wanted or found
                assert found == wanted
            answer = server.invoke(body, content_type=content_type, accept=CSV)
            lines = [[*map(float, line.split(b","))] for line in answer.body.splitlines()]
            rest = [[number for name in wanted for number in wanted[name][row]] for row in range(3)]
            assert lines == rest
    assert set(wanted) == names


def check_refusals(server: ModelServer) -> None:
    """Bad requests are refused, and the server goes on."""
    for content_type, body in [
        (CSV, b"1,2,3"),
        (CSV, b"1,2,3,x"),
        (CSV, b""),
        (JSON, b'{"instances": [{"features": [1, 2, 3, NaN]}]}'),
        (JSON, b"{"),
        (LINES, b'{"features": []}'),
        (RECORDS, b"\x0a\x23\xd7\xce\xff\xff\xff\x1f"),
        (RECORDS, bytes(numpy_to_record_serializer(ROWS))[:-8]),
    ]:
        answer = server.invoke(body, content_type=content_type)
        assert (answer.status, answer.body) == (400, REFUSAL), (content_type, body)
    assert server.invoke(b"1,2,3,4", content_type="text/html").status == 415
    assert server.invoke(b"1,2,3,4", content_type=CSV, accept="image/png").status == 406
    assert server.request("GET", "/ping").status == 200


def check_many_at_once(server: ModelServer) -> None:
    """Requests side by side get their own answers."""

    def ask(number: int) -> bool:
        rows = ROWS[number : number + 1 + number % 5]
        body = bytes(numpy_to_record_serializer(rows))
        answers = [server.invoke(body, content_type=RECORDS) for _ in range(2)]
        return answers[0].body == answers[1].body and answers[0].status == 200

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(40)))


@pytest.mark.parametrize(
    ("name", "more", "names"),
    [
        ("kmeans", {}, {"closest_cluster", "distance_to_cluster"}),
        ("pca", {}, {"projection"}),
        ("linear-learner", {}, {"score", "predicted_label"}),
        (
            "linear-learner",
            {"predictor_type": "binary_classifier", "positive_example_weight_mult": "balanced"},
            {"score", "predicted_label"},
        ),
        ("linear-learner", {"predictor_type": "regressor"}, {"score"}),
    ],
    ids=["kmeans", "pca", "multiclass", "binary", "regressor"],
)
def test_every_content_type_over_http(
    container: Container,
    trained: Callable[..., Any],
    write_channel: Callable[..., Channel],
    name: str,
    more: dict[str, Any],
    names: set[str],
) -> None:
    labels = SPECIES.astype(np.float32)
    if more.get("predictor_type") == "binary_classifier":
        labels = (labels == 1).astype(np.float32)
    given = {**JOBS[name], **more}
    if more:
        del given["num_classes"]
    channel = write_channel("train", ROWS, labels=labels)
    model = trained(name, channel, seed=given.get("_seed"), **without_seed(given))
    (container.base / "model" / "model_algo-1").write_bytes(model.file.read_bytes())
    with served(container, name) as server:
        check_every_content_type(server, "projections" if name == "pca" else "predictions", names)
        check_refusals(server)
        check_many_at_once(server)


LEARNER = {"predictor_type": "binary_classifier", "mini_batch_size": 50}
NAN = ROWS.copy()
NAN[60, 1] = math.nan
ZEROS = np.zeros(len(ROWS))


@pytest.mark.parametrize(
    ("pipe", "body", "content_type", "reason"),
    [
        (True, written(ROWS, ZEROS), RECORDS, "All labels in channel 'train' are 0"),
        (False, written(ROWS), RECORDS, "Channel 'train' has no labels"),
        (True, written(NAN, SPECIES > 1), RECORDS, "Channel 'train' has features that are NaN"),
        (False, written(ROWS, SPECIES), RECORDS, "Label 2 in channel 'train' is out of range"),
        (True, b"1,2,3\n0,1\n", CSV, "Unable to read data channel 'train'"),
        (True, b"", CSV, "No training data: channel 'train' has no rows"),
        (True, written(ROWS, SPECIES > 1)[:-8], RECORDS, "Unable to read data channel 'train'"),
    ],
    ids=["one class", "no labels", "nan", "label", "ragged", "empty", "cut off"],
)
def test_data_that_linear_learner_refuses(
    container: Container, fed: Feed, pipe: bool, body: bytes, content_type: str, reason: str
) -> None:
    channels = container.base / "input" / "data"
    options: dict[str, Any] = {
        "hyperparameters": LEARNER,
        "content_types": {"train": content_type},
        "variables": {"SMCORE_ALGORITHM": "linear-learner"},
    }
    if pipe:
        with fed(channels, "train", [body]):
            ended = container.train(**options, pipes=["train"])
    else:
        (channels / "train").mkdir()
        (channels / "train" / "part-0").write_bytes(body)
        ended = container.train(**options)
    assert ended.exit_code == 2, ended.log
    assert ended.failure is not None
    assert ended.failure.startswith(f"ClientError: {reason}")
    assert f"Customer Error: {reason}" in ended.log
    assert "Traceback" not in ended.log
