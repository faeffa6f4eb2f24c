"""Deploying and asking on this machine, through the local service."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sm_core import ModelError, Session
from sm_core.archives import pack
from sm_tensorflow import (
    PredictRequest,
    PredictResponse,
    TensorFlowModel,
    TensorFlowPredictor,
    array_of_tensor,
    make_tensor_proto,
    tf_csv_serializer,
    tf_proto_deserializer,
    tf_proto_serializer,
)

pytestmark = [pytest.mark.integ, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def archive(tensorflow_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shout")
    maker = Path(__file__).with_name("container") / "models.py"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [tensorflow_python, str(maker), str(folder / "made"), "shout"]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    pack(folder / "made" / "shout", folder / "model.tar.gz")
    return folder / "model.tar.gz"


@pytest.fixture
def endpoint(archive: Path, local_session: Session) -> Iterator[TensorFlowPredictor]:
    session = local_session
    model_data = session.upload_data(str(archive), key_prefix="models")
    model = TensorFlowModel(
        f"{model_data}/model.tar.gz" if not model_data.endswith(".tar.gz") else model_data,
        role="SageMakerRole",
        framework_version="1.12",
        sagemaker_session=session,
        model_server_workers=1,
    )
    with model.deploy(1, "local") as predictor:
        yield predictor


def test_an_endpoint_is_asked_by_its_name(endpoint: TensorFlowPredictor) -> None:
    assert isinstance(endpoint, TensorFlowPredictor)
    predictor = TensorFlowPredictor(endpoint.name, Session.local())
    shouted = predictor.predict(["text"])["outputs"]["shouted"]
    assert shouted["dtype"] == "DT_STRING"
    assert base64.b64decode(shouted["stringVal"][0]) == b"text!"
    # A tensor travels as JSON.
    found = predictor.predict(make_tensor_proto(["a", "b"]))["outputs"]["shouted"]
    assert [base64.b64decode(each) for each in found["stringVal"]] == [b"a!", b"b!"]
    # A request of TensorFlow Serving is answered by a message.
    request = PredictRequest()
    request.inputs["text"].CopyFrom(make_tensor_proto(["c"]))
    response = predictor.predict(request)
    assert isinstance(response, PredictResponse)
    assert array_of_tensor(response.outputs["shouted"]).tolist() == [b"c!"]
    plain = TensorFlowPredictor(
        endpoint.name,
        Session.local(),
        serializer=tf_proto_serializer,
        deserializer=tf_proto_deserializer,
    )
    assert array_of_tensor(plain.predict(request).outputs["shouted"]).tolist() == [b"c!"]
    rows = TensorFlowPredictor(endpoint.name, Session.local(), serializer=tf_csv_serializer)
    with pytest.raises(ModelError, match="no number"):
        rows.predict([["x"]])
    with pytest.raises(ModelError, match="input 'other' is not found"):
        predictor.predict({"other": ["x"]})
