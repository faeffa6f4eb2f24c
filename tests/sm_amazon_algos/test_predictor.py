"""What predictors send and answer."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from sm_amazon_algos import (
    KMeansPredictor,
    LinearLearnerPredictor,
    PCAPredictor,
    Record,
    numpy_to_record_serializer,
    records_to_numpy,
    write_numpy_to_dense_tensor,
)
from sm_core.errors import CodecError
from sm_core.formats import csv_serializer, json_deserializer
from sm_core.session import Session

TYPE = "application/x-recordio-protobuf"
ROWS = np.array([[1.5, 2.5], [3.5, 4.5]], dtype=np.float32)


def answer(**labels: list[Any]) -> bytes:
    """What a container answers: a record a row, with these labels."""
    made = []
    for row in range(len(next(iter(labels.values())))):
        record = Record()
        for name, values in labels.items():
            record.label[name].float32_tensor.values.extend(np.ravel(values[row]).tolist())
        made.append(record)
    found: bytes = numpy_to_record_serializer(made)
    return found


class Endpoint:
    """An endpoint ``e`` that answers once, and shows what it was asked."""

    def __init__(self, session: Session) -> None:
        self._client = session.sagemaker_runtime_client
        self.stubber = Stubber(self._client)
        self.asked: dict[str, Any] = {}
        self._client.meta.events.register(
            "provide-client-params.sagemaker-runtime.InvokeEndpoint", self._note
        )

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.asked = params

    def answers(self, body: bytes, content_type: str = TYPE, **expected: Any) -> None:
        response = {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentType": content_type}
        params = {"EndpointName": "e", "Body": ANY, "ContentType": TYPE, "Accept": TYPE, **expected}
        self.stubber.add_response("invoke_endpoint", response, params)


@pytest.fixture
def endpoint(session: Session) -> Iterator[Endpoint]:
    found = Endpoint(session)
    with found.stubber:
        yield found
        found.stubber.assert_no_pending_responses()


def test_records_come_back(session: Session, endpoint: Endpoint) -> None:
    endpoint.answers(answer(closest_cluster=[2, 0], distance_to_cluster=[0.5, 0.25]))
    found = KMeansPredictor("e", session).predict(ROWS)
    assert [record.label["closest_cluster"].float32_tensor.values[0] for record in found] == [2, 0]
    assert [record.label["distance_to_cluster"].float32_tensor.values[0] for record in found] == [
        0.5,
        0.25,
    ]
    sent = records_to_numpy(endpoint.asked["Body"]).features["values"]
    np.testing.assert_array_equal(sent, ROWS)


def test_or_arrays(session: Session, endpoint: Endpoint) -> None:
    predictor = PCAPredictor("e", session)
    endpoint.answers(answer(projection=[[1, 2, 3], [4, 5, 6]]))
    found = predictor.predict(ROWS, as_numpy=True)
    assert found["projection"].tolist() == [[1, 2, 3], [4, 5, 6]]
    # Whatever the predictor asks for otherwise.
    predictor.accept = "application/json"
    endpoint.answers(answer(projection=[[1, 2]]))
    assert predictor.predict(ROWS[:1], as_numpy=True)["projection"].tolist() == [[1, 2]]
    endpoint.answers(b'{"projections": []}', "application/json", Accept="application/json")
    assert predictor.predict(ROWS[:1]) == {"projections": []}


def test_arrays_are_made_of_records_only(session: Session, endpoint: Endpoint) -> None:
    endpoint.answers(b"{}", "application/json")
    with pytest.raises(CodecError, match="the endpoint answered in 'application/json'; arrays are"):
        PCAPredictor("e", session).predict(ROWS, as_numpy=True)


@pytest.mark.parametrize(
    ("payload", "rows"),
    [
        (ROWS, ROWS),
        (ROWS[0], ROWS[:1]),
        (ROWS.tolist(), ROWS),
        (ROWS[0].tolist(), ROWS[:1]),
        (ROWS.astype(np.float64), ROWS),
        (np.array([[1, 2]]), [[1, 2]]),
    ],
)
def test_payloads(session: Session, endpoint: Endpoint, payload: Any, rows: Any) -> None:
    endpoint.answers(answer(score=[0.5]))
    found = LinearLearnerPredictor("e", session).predict(payload, as_numpy=True)
    assert found["score"].tolist() == [0.5]
    sent = records_to_numpy(endpoint.asked["Body"]).features["values"]
    assert sent.dtype == np.float32
    np.testing.assert_array_equal(sent, rows)


def test_sparse_payloads_stay_sparse(session: Session, endpoint: Endpoint) -> None:
    matrix = scipy.sparse.csr_matrix(np.eye(3, 100_000, dtype=np.float32))
    endpoint.answers(answer(score=[1, 2, 3]))
    LinearLearnerPredictor("e", session).predict(matrix)
    assert len(endpoint.asked["Body"]) < 200
    sent = records_to_numpy(endpoint.asked["Body"]).features["values"]
    assert (sent != matrix).nnz == 0


def test_a_file_goes_out_as_it_is(session: Session, endpoint: Endpoint, tmp_path: Path) -> None:
    path = tmp_path / "rows.pbr"
    with path.open("wb") as file:
        write_numpy_to_dense_tensor(file, ROWS)
    endpoint.answers(answer(score=[1, 2]))
    with path.open("rb") as file:
        LinearLearnerPredictor("e", session).predict(file)
    assert endpoint.asked["Body"] == path.read_bytes()


def test_other_formats_are_said_once(session: Session, endpoint: Endpoint) -> None:
    types = {"ContentType": "text/csv", "Accept": "application/json"}
    predictor = KMeansPredictor(
        "e", session, serializer=csv_serializer, deserializer=json_deserializer
    )
    endpoint.answers(b'{"predictions": [{"closest_cluster": 1.0}]}', "application/json", **types)
    found = predictor.predict(ROWS)
    assert found == {"predictions": [{"closest_cluster": 1.0}]}
    assert endpoint.asked["Body"].split() == [b"1.5,2.5", b"3.5,4.5"]


def test_a_damaged_answer_is_named(session: Session, endpoint: Endpoint) -> None:
    endpoint.answers(answer(score=[1, 2])[:-1])
    with pytest.raises(CodecError, match="recordio: the record at byte 28 is cut off"):
        KMeansPredictor("e", session).predict(ROWS)
