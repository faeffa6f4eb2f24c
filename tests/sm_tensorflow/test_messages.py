"""The messages: TensorFlow's own, in a pool of their own."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool

import sm_tensorflow
from sm_tensorflow import (
    ClassificationRequest,
    Example,
    PredictRequest,
    make_tensor_proto,
    messages,
)
from sm_tensorflow.schema import message_classes

ROOT = Path(__file__).parents[2]


def test_bytes_are_those_of_the_format() -> None:
    request = PredictRequest()
    request.model_spec.name = "generic_model"
    request.model_spec.version.value = 3
    request.inputs["x"].CopyFrom(make_tensor_proto([1.0, 2.0]))
    assert request.SerializeToString(deterministic=True).hex() == (
        "0a13" + "0a0d" + b"generic_model".hex() + "12020803"
        "1217" + "0a0178" + "1212" + "0801" + "120412020802" + "2208" + "0000803f00000040"
    )
    example = Example()
    example.features.feature["a"].int64_list.value.append(7)
    assert example.SerializeToString().hex() == "0a0c0a0a0a016112051a030a0107"


def test_every_message_can_be_named_pickled_and_read_again() -> None:
    for name in message_classes("x"):
        made = getattr(sm_tensorflow, name)()
        assert type(made).__name__ == name
        assert pickle.loads(pickle.dumps(made)) == made
    assert set(message_classes("x")) == set(messages.__all__) <= set(sm_tensorflow.__all__)


def test_the_default_pool_knows_nothing_of_them() -> None:
    ClassificationRequest()
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("tensorflow.serving.PredictRequest")


CROSSING = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
from sm_tensorflow import PredictRequest, make_tensor_proto, array_of_tensor, messages
from sm_tensorflow.schema import DATA_TYPES, message_classes
made = make_tensor_proto([[1.0, 2.0]])
import tensorflow as tf
import numpy as np
assert tf.make_ndarray(tf.core.framework.tensor_pb2.TensorProto.FromString(
    made.SerializeToString())).tolist() == [[1, 2]] if hasattr(tf, "core") else True
for dtype in (np.float32, np.int64, np.float16, np.complex64, np.bool_, np.uint8):
    theirs = tf.make_tensor_proto(np.ones((2, 3), dtype))
    assert array_of_tensor(theirs).tolist() == np.ones((2, 3), dtype).tolist()
try:
    from tensorflow_serving.apis import classification_pb2, inference_pb2, predict_pb2
    from tensorflow_serving.apis import regression_pb2, get_model_metadata_pb2, input_pb2, model_pb2
except ImportError:
    pass
else:
    request = PredictRequest()
    request.inputs["x"].CopyFrom(made)
    request.model_spec.signature_name = "s"
    data = request.SerializeToString(deterministic=True)
    theirs = predict_pb2.PredictRequest.FromString(data)
    assert theirs.SerializeToString(deterministic=True) == data
    compared = 0
    modules = (classification_pb2, inference_pb2, predict_pb2, regression_pb2,
               get_model_metadata_pb2, input_pb2, model_pb2)
    for name, ours in message_classes("x").items():
        for module in modules:
            original = getattr(module, name, None)
            if original is None:
                continue
            compared += 1
            fields = original.DESCRIPTOR.fields_by_name
            for field in ours.DESCRIPTOR.fields:
                other = fields[field.name]
                assert (other.number, other.type) == (field.number, field.type), field.full_name
    assert compared >= 18, compared
print("both work")
"""


@pytest.mark.integ
@pytest.mark.parametrize("order", [("tensorflow", "sm_tensorflow"), ("sm_tensorflow.messages",)])
def test_beside_the_real_tensorflow_in_either_order(
    tensorflow_python: str, order: tuple[str, ...]
) -> None:
    assert run(tensorflow_python, CROSSING, *order) == "both work\n"


@pytest.mark.long
@pytest.mark.parametrize("order", [("tensorflow_serving.apis.predict_pb2",), ("sm_tensorflow",)])
def test_beside_tensorflow_serving_api(
    tensorflow_python: str, tmp_path: Path, order: tuple[str, ...]
) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    command = [*pip, str(tmp_path), "tensorflow-serving-api==2.14.1"]
    subprocess.run(command, check=True, capture_output=True)
    assert run(tensorflow_python, CROSSING, *order, PYTHONPATH=str(tmp_path)) == "both work\n"


ALONE = """
from sm_tensorflow import PredictRequest, array_of_tensor, make_tensor_proto
request = PredictRequest()
request.inputs["x"].CopyFrom(make_tensor_proto([[1.0, 2.0]]))
request.model_spec.version.value = 3
read = PredictRequest.FromString(request.SerializeToString())
assert array_of_tensor(read.inputs["x"]).tolist() == [[1, 2]]
from google.protobuf import json_format
shown = json_format.MessageToDict(make_tensor_proto(1.5))
assert shown["floatVal"] == [1.5], shown
print("works")
"""


@pytest.mark.long
@pytest.mark.parametrize("implementation", ["upb", "python"])
@pytest.mark.parametrize("version", ["3.20.3", "4.21.12", "4.25.8", "5.29.5", "6.33.0"])
def test_with_every_protobuf(tmp_path: Path, version: str, implementation: str) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", f"protobuf=={version}", "numpy", "attrs"]
    subprocess.run(install, check=True, capture_output=True)
    path = f"{ROOT}:{ROOT / 'plugins' / 'sm_tensorflow'}"
    kind = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation}
    if implementation == "upb" and version == "3.20.3":
        kind = {}
    assert run(python, ALONE, PYTHONPATH=path, **kind) == "works\n"


def run(python: str, program: str, *arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [python, "-c", program, *arguments],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
