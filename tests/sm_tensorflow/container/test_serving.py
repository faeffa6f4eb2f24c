"""Serving with the real TensorFlow, through the model server."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sm_core.testing.containers import Answer, Container
from sm_tensorflow import (
    ClassificationRequest,
    ClassificationResponse,
    PredictRequest,
    PredictResponse,
    array_of_tensor,
    make_tensor_proto,
)

pytestmark = [pytest.mark.integ, pytest.mark.timeout(600)]

KINDS = ("classifier", "regressor", "linear", "several", "examples", "keras")
PROTOBUF = "application/octet-stream"


@pytest.fixture(scope="session")
def models(tensorflow_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each kind of SavedModel, all made by TensorFlow 2.14.1."""
    return made(tensorflow_python, tmp_path_factory.mktemp("models"), KINDS)


def made(python: str, folder: Path, kinds: tuple[str, ...]) -> Path:
    maker = Path(__file__).with_name("models.py")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [python, maker, folder, *kinds],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


Serves = Callable[..., Container]


@pytest.fixture
def serves(tmp_path: Path, tensorflow_python: str, models: Path) -> Serves:
    """Makes a container that holds a kind of model, and a script."""

    def container(kind: str, script: str = "") -> Container:
        held = Container(tmp_path, python=tensorflow_python)
        shutil.copytree(models / kind, held.base / "model", dirs_exist_ok=True)
        held.write_code({"serve.py": script})
        return held

    return container


PROGRAM = {"SAGEMAKER_PROGRAM": "serve.py"}


def value(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def refusal(answer: Answer, status: int = 400) -> str:
    assert answer.status == status, answer.body
    return answer.body.decode()


def test_a_premade_classifier_answers_as_the_specification_shows(serves: Serves) -> None:
    with serves("classifier").serve(variables=PROGRAM) as server:
        found = value(server.invoke("[6.4, 3.2, 4.5, 1.5]"))
        assert list(found) == ["result"]
        (classified,) = found["result"]["classifications"]
        assert [each["label"] for each in classified["classes"]] == ["0", "1", "2"]
        scores = [each["score"] for each in classified["classes"]]
        assert sum(scores) == pytest.approx(1)
        assert all(score == np.float32(score) for score in scores)
        # Whole numbers, dicts, several rows and CSV are examples, too.
        expected = value(server.invoke("[6, 3, 4, 1]"))
        for body in ("[6.0, 3.0, 4.0, 1.0]", '{"inputs": [6, 3, 4, 1]}', "[[6, 3, 4, 1]]"):
            assert value(server.invoke(body)) == expected
        assert value(server.invoke("6,3,4,1", content_type="text/csv")) == expected
        two = value(server.invoke("6,3,4,1\n6.4,3.2,4.5,1.5\n", content_type="text/csv"))
        assert two["result"]["classifications"] == [
            *expected["result"]["classifications"],
            classified,
        ]
        rows = server.invoke("[6, 3, 4, 1]", accept="text/csv")
        assert rows.headers["content-type"] == "text/csv"
        assert len(rows.body.decode().strip().split(",")) == 3


def test_a_classifier_in_protobuf(serves: Serves) -> None:
    request = ClassificationRequest()
    example = request.input.example_list.examples.add()
    example.features.feature["inputs"].float_list.value.extend([6.4, 3.2, 4.5, 1.5])
    with serves("classifier").serve(variables=PROGRAM) as server:
        answer = server.invoke(request.SerializeToString(), content_type=PROTOBUF, accept=PROTOBUF)
        assert answer.headers["content-type"] == PROTOBUF
        response = ClassificationResponse.FromString(answer.body)
        shown = value(server.invoke("[6.4, 3.2, 4.5, 1.5]"))
        (classified,) = response.result.classifications
        assert [{"label": each.label, "score": each.score} for each in classified.classes] == shown[
            "result"
        ]["classifications"][0]["classes"]
        assert not response.HasField("model_spec")
        empty = ClassificationRequest()
        refused = server.invoke(empty.SerializeToString(), content_type=PROTOBUF)
        assert "at least one example" in refusal(refused)
        refused = server.invoke(b"\xff\xff", content_type=PROTOBUF)
        assert "no ClassificationRequest" in refusal(refused)


def test_what_a_classifier_refuses(serves: Serves) -> None:
    with serves("classifier").serve(variables=PROGRAM) as server:
        for body, reason in [
            ("[]", "at least one example"),
            ("[1, 2, 3]", "feature inputs has 3 values; the model takes 4"),
            ('{"petals": [1, 2, 3, 4]}', "lacks the feature inputs; it has: petals"),
            ('["a", "b", "c", "d"]', "feature inputs cannot be"),
            ("nonsense", "the body is not JSON"),
            ('{"examples": [{"inputs": [1]}]}', "feature inputs has 1 values"),
            ('{"instances": []}', "at least one row"),
            (
                '{"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "-5"}]}, "floatVal": [1]}',
                "the tensor's shape is not fully known",
            ),
        ]:
            assert reason in refusal(server.invoke(body)), body
        assert "this model reads" in refusal(server.invoke("x", content_type="image/png"), 415)
        assert "this model answers with" in refusal(server.invoke("[1]", accept="image/png"), 406)


def test_a_premade_regressor(serves: Serves) -> None:
    with serves("regressor").serve(variables=PROGRAM) as server:
        found = value(server.invoke("[6.4, 3.2, 4.5, 1.5]"))
        (regression,) = found["result"]["regressions"]
        assert list(regression) == ["value"]
        assert isinstance(regression["value"], float)
        rest = value(server.invoke('{"examples": [{"inputs": [6.4, 3.2, 4.5, 1.5]}]}'))
        assert rest == {"results": [regression["value"]]}


def tensor(*shape: int, **values: Any) -> dict[str, Any]:
    return {"tensorShape": {"dim": [{"size": str(size)} for size in shape]}, **values}


def test_predict_with_tensors(serves: Serves) -> None:
    expected = {"outputs": {"ages": tensor(1, dtype="DT_FLOAT", floatVal=[9.0])}}
    with serves("linear").serve(variables=PROGRAM) as server:
        proto = {"dtype": "DT_FLOAT", **tensor(1, 2, floatVal=[1, 2])}
        for body in ([1, 2], [[1.0, 2.0]], proto, {"inputs": proto}):
            assert value(server.invoke(json.dumps(body))) == expected
        assert value(server.invoke("1,2", content_type="text/csv")) == expected
        two = value(server.invoke("1,2\n3,4", content_type="text/csv"))
        assert two["outputs"]["ages"]["floatVal"] == [9, 19]
        request = PredictRequest()
        request.inputs["inputs"].CopyFrom(make_tensor_proto([[1.0, 2.0]]))
        answer = server.invoke(request.SerializeToString(), content_type=PROTOBUF, accept=PROTOBUF)
        response = PredictResponse.FromString(answer.body)
        assert array_of_tensor(response.outputs["ages"]).tolist() == [9]
        request.output_filter.append("none")
        refused = server.invoke(request.SerializeToString(), content_type=PROTOBUF)
        assert "output_filter" in refusal(refused)
        assert "DT_FLOAT of shape [any, 2]" in refusal(server.invoke("[1, 2, 3]"))
        assert "input 'x' is not found" in refusal(server.invoke('{"x": [1, 2]}'))


def test_predict_in_the_rest_form(serves: Serves) -> None:
    with serves("linear").serve(variables=PROGRAM) as server:
        for body, expected in [
            ({"instances": [[1, 2], [3, 4]]}, {"predictions": [9, 19]}),
            ({"inputs": [[1, 2]]}, {"outputs": [9]}),
            ({"inputs": {"inputs": [[1, 2]]}, "signature_name": "serving_default"}, None),
        ]:
            found = value(server.invoke(json.dumps(body)))
            assert found == (expected or {"outputs": [9]})
        headers = {
            "Content-Type": "text/csv",
            "X-Amzn-SageMaker-Custom-Attributes": "tfs-method=predict,tfs-model-name=Servo",
        }
        answer = server.request("POST", "/invocations", body=b"1,2\n3,4\n", headers=headers)
        assert value(answer) == {"predictions": [9, 19]}
        headers["X-Amzn-SageMaker-Custom-Attributes"] = "tfs-model-name=other"
        answer = server.request("POST", "/invocations", body=b"1,2\n", headers=headers)
        assert "there is no model 'other': Servo" in refusal(answer, 404)


def test_several_inputs_and_outputs(serves: Serves) -> None:
    with serves("several").serve(variables=PROGRAM) as server:
        found = value(server.invoke('{"a": [0, 9007199254740993], "text": ["x", "ü"]}'))["outputs"]
        assert found["twice"]["int64Val"] == ["0", "18014398509481986"]
        assert [base64.b64decode(each).decode() for each in found["joined"]["stringVal"]] == [
            "x!",
            "ü!",
        ]
        assert found["ratio"]["floatVal"] == ["NaN", 1.0]
        row = {"a": 1, "text": {"b64": base64.b64encode(b"z").decode()}}
        rest = value(server.invoke(json.dumps({"instances": [row]})))
        (predicted,) = rest["predictions"]
        assert predicted["twice"] == 2
        assert predicted["joined"] == "z!"
        assert base64.b64decode(predicted["raw_bytes"]["b64"]).startswith(b"z")
        assert "several inputs" in refusal(server.invoke("[1]"))
        assert "the input text is missing" in refusal(server.invoke('{"a": [1]}'))


def test_a_predict_signature_that_parses_examples(serves: Serves) -> None:
    with serves("examples").serve(variables=PROGRAM) as server:
        for body in ({"image": [[1, 2], [3, 4]]}, [{"image": [1, 2, 3, 4], "id": [7]}]):
            found = value(server.invoke(json.dumps(body)))
            assert found["outputs"]["total"]["floatVal"] == [10]
        assert "image ([2, 2] float)" in refusal(server.invoke('{"picture": [1]}'))
        numbers = {"dtype": 1, "tensorShape": {"dim": [{"size": 1}]}, "floatVal": [1]}
        assert "the tensor holds float32" in refusal(server.invoke(json.dumps(numbers)))


def test_a_keras_model(serves: Serves) -> None:
    with serves("keras").serve(variables=PROGRAM) as server:
        found = value(server.invoke("[[1, 2], [3, 4]]"))
        ((_, output),) = found["outputs"].items()
        assert output["floatVal"] == [9, 19]
        assert value(server.invoke('{"instances": [[1, 2]]}')) == {"predictions": [[9]]}


def test_functions_of_the_script_are_called_around_the_model(serves: Serves) -> None:
    script = """
import json
def input_fn(serialized_input, content_type):
    assert content_type == "application/x-pairs", content_type
    return [[float(x) for x in serialized_input.decode().split()]]
def output_fn(prediction_result, accepts):
    tensor = prediction_result.outputs["ages"]
    return json.dumps({"ages": list(tensor.float_val), "accepts": accepts})
def model_fn(features, labels, mode, hyperparameters):
    raise AssertionError("this is for training")
"""
    with serves("linear", script).serve(variables=PROGRAM) as server:
        answer = server.invoke("1 2", content_type="application/x-pairs", accept="text/x-own")
        assert value(answer) == {"ages": [9], "accepts": "text/x-own"}
        assert answer.headers["content-type"] == "text/x-own"


def test_a_script_of_tensorflow_1_serves_with_its_functions(serves: Serves) -> None:
    script = """
import numpy as np
import tensorflow as tf
from tensorflow.contrib.learn.python.learn.datasets import base

PLACE = tf.placeholder(tf.float32, [None, np.int(2)])

def model_fn(features, labels, mode, hyperparameters): ...
def train_input_fn(training_dir, hyperparameters): ...
def eval_input_fn(training_dir, hyperparameters): ...
def serving_input_fn(hyperparameters): ...

def input_fn(serialized_input, content_type):
    return np.asarray(serialized_input.split(), dtype=np.float).tolist()
"""
    with serves("linear", script).serve(variables=PROGRAM) as server:
        answer = server.invoke("1 2", content_type="text/csv")
        assert value(answer)["outputs"]["ages"]["floatVal"] == [9]


def test_transform_fn_of_three_arguments(serves: Serves) -> None:
    script = "def transform_fn(data, content_type, accepts):\n    return data.upper()\n"
    with serves("linear", script).serve(variables=PROGRAM) as server:
        assert server.invoke("abc", content_type="text/csv").body == b"ABC"


HANDLERS = """
import json
def input_handler(data, context):
    assert context.request_content_type == "text/plain", context
    return json.dumps({"instances": [[float(x) for x in data.read().decode().split()]]})
def output_handler(response, context):
    if response.status_code != 200:
        raise ValueError(response.content.decode())
    return json.dumps({"got": response.json()["predictions"]}), context.accept_header
"""
HANDLER = """
import requests
def handler(data, context):
    response = requests.post(context.rest_uri, data=data.read(), timeout=20)
    return response.content, f"application/json; status={response.status_code}"
"""


def test_input_and_output_handlers(serves: Serves) -> None:
    with serves("linear", HANDLERS).serve(variables=PROGRAM) as server:
        assert value(server.invoke("1 2", content_type="text/plain")) == {"got": [9]}
        failed = server.invoke("1 2 3", content_type="text/plain")
        assert "DT_FLOAT of shape [any, 2]" in refusal(failed, 500)


def test_a_handler_that_asks_tensorflow_serving_itself(serves: Serves) -> None:
    with serves("linear", HANDLER).serve(variables=PROGRAM) as server:
        answer = server.invoke('{"instances": [[1, 2]]}')
        assert value(answer) == {"predictions": [9]}
        answer = server.invoke('{"instances": [[1]]}')
        assert "status=400" in answer.headers["content-type"]
        assert "DT_FLOAT" in json.loads(answer.body)["error"]


def test_half_of_a_pair_of_handlers_is_named(serves: Serves) -> None:
    script = "def input_handler(data, context): ...\n"
    container = serves("linear", script)
    with container.serving(variables=PROGRAM) as server:
        assert server.process.wait(60) == 1
    assert "serve.py defines input_handler only" in container.log()


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("weights.h5", "weights.h5 is Keras's own format"),
        ("1/saved_model.pb", "cannot load the SavedModel"),
        ("readme.txt", "the model lacks a SavedModel"),
    ],
)
def test_a_model_that_is_none_is_named(
    tmp_path: Path, tensorflow_python: str, file: str, reason: str
) -> None:
    container = Container(tmp_path, python=tensorflow_python)
    path = container.base / "model" / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"nothing")
    with container.serving(variables={}) as server:
        assert server.process.wait(60) == 1
    assert reason in container.log()
    assert "Traceback" not in container.log()


@pytest.mark.long
@pytest.mark.parametrize("version", ["2.15.1", "2.21.0"])
def test_other_versions_serve_what_they_and_2_14_1_wrote(
    python_with: Callable[[str], str], models: Path, tmp_path: Path, version: str
) -> None:
    python = python_with(version)
    own = made(python, tmp_path / "own", ("keras",))
    for number, folder in enumerate((models / "linear", models / "keras", own / "keras")):
        (tmp_path / str(number)).mkdir()
        container = Container(tmp_path / str(number), python=python)
        shutil.copytree(folder, container.base / "model", dirs_exist_ok=True)
        with container.serve(variables={}) as server:
            found = value(server.invoke('{"instances": [[1, 2]]}'))
            assert np.ravel(found["predictions"]).tolist() == [9]


OLD = Path(__file__).with_name("tensorflow14")


@pytest.mark.parametrize("kind", ["iris", "line"])
def test_models_that_tensorflow_1_4_exported(
    tmp_path: Path, tensorflow_python: str, kind: str
) -> None:
    told = json.loads((OLD / "expected.json").read_text("utf-8"))
    expected = told["answers"][kind]
    container = Container(tmp_path, python=tensorflow_python)
    shutil.copytree(OLD / kind, container.base / "model", dirs_exist_ok=True)
    container.write_code({"serve.py": ""})
    with container.serve(variables=PROGRAM) as server:
        if kind == "line":
            rest = value(server.invoke(json.dumps({"instances": told["rows"]})))
            assert rest["predictions"] == pytest.approx(expected, rel=1e-5)
            outputs = value(server.invoke(json.dumps(told["rows"])))["outputs"]
            assert outputs["y"]["floatVal"] == pytest.approx(expected, rel=1e-5)
            return
        for row, scores in zip(told["rows"], expected, strict=True):
            (classified,) = value(server.invoke(json.dumps(row)))["result"]["classifications"]
            found = [each["score"] for each in classified["classes"]]
            assert found == pytest.approx(scores, rel=1e-4)
