"""Serving with the real MXNet."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sm_core.testing.containers import Answer, Container

pytestmark = [pytest.mark.integ, pytest.mark.timeout(600)]

#: y = 2a + 3b + 1 for a 1 x 2 "image", saved by MXNet as the default save does.
MAKE = """
import sys
from pathlib import Path
import mxnet as mx
from sm_mxnet.container.saving import save_module

data = mx.sym.Variable("image")
layer = mx.sym.FullyConnected(mx.sym.flatten(data), num_hidden=1, name="fc")
module = mx.mod.Module(layer, data_names=["image"], label_names=None)
module.bind(data_shapes=[("image", (100, 1, 2))], for_training=False)
weights = {"fc_weight": mx.nd.array([[2, 3]]), "fc_bias": mx.nd.array([1])}
module.init_params(arg_params=weights)
save_module(module, Path(sys.argv[1]))

net = mx.gluon.nn.Dense(1, in_units=2)
net.initialize(mx.init.Constant(2))
net.save_parameters(sys.argv[1] + "/net.params")
"""
PROGRAM = {"SAGEMAKER_PROGRAM": "serve.py"}
GLUON = """
import mxnet as mx
def model_fn(model_dir):
    net = mx.gluon.nn.Dense(1)
    net.load_params(model_dir + "/net.params", ctx=mx.cpu())
    return net
"""


@pytest.fixture(scope="session")
def model(mxnet_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Module's three files and a Gluon network's parameters."""
    folder = tmp_path_factory.mktemp("model")
    subprocess.run([mxnet_python, "-c", MAKE, str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture
def container(tmp_path: Path, mxnet_python: str, model: Path) -> Container:
    container = Container(tmp_path, python=mxnet_python)
    shutil.copytree(model, container.base / "model", dirs_exist_ok=True)
    container.write_code({"serve.py": ""})
    return container


def predicted(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    return json.loads(answer.body)


@pytest.mark.parametrize("size", ["1", "4", "0"])
def test_a_module_by_default(container: Container, size: str) -> None:
    variables = {**PROGRAM, "SAGEMAKER_DEFAULT_MODEL_FIRST_DIMENSION_SIZE": size}
    with container.serve(variables=variables) as server:
        for count in (1, 3, 4, 5, 8, 9, 101):
            rows = [[[i, i + 1]] for i in range(count)]
            expected = [[2 * i + 3 * (i + 1) + 1] for i in range(count)]
            assert predicted(server.invoke(json.dumps(rows))) == expected
            flat = "".join(f"{i},{i + 1}\n" for i in range(count))
            answer = server.invoke(flat, content_type="text/csv", accept="text/csv")
            assert answer.headers["content-type"] == "text/csv"
            assert answer.body.decode() == "".join(f"{float(row[0])}\r\n" for row in expected)


def test_what_a_module_refuses(container: Container) -> None:
    with container.serve(variables=PROGRAM) as server:
        for body, content_type, accept, status, reason in [
            ("[[1, 2, 3]]", "application/json", None, 400, "the model takes (rows, 1, 2)"),
            ("[[1, 2], [3]]", "application/json", None, 400, "rows of equal length"),
            ("", None, None, 400, "the body is not JSON"),
            ("1,2\n3", "text/csv", None, 400, "line 2 has 1 numbers instead of 2"),
            ("x", "image/png", None, 415, "this model reads: application/json, text/csv"),
            ("[[1,2]]", None, "image/png", 406, "this model answers with: application/json"),
        ]:
            answer = server.invoke(body, content_type=content_type, accept=accept)
            assert answer.status == status
            assert reason in answer.body.decode()
        assert predicted(server.invoke("[[1, 2]]", accept="*/*")) == [[9]]


def test_functions_of_the_script_replace_the_defaults(container: Container) -> None:
    script = """
import mxnet as mx
import numpy as np
def input_fn(request_body, request_content_type, model):
    rows = np.frombuffer(request_body, dtype="float32").reshape(-1, *model.data_shapes[0].shape[1:])
    return mx.io.NDArrayIter(rows, batch_size=model.data_shapes[0].shape[0])
def output_fn(prediction, content_type):
    return prediction.asnumpy().tobytes()
"""
    container.write_code({"serve.py": script})
    with container.serve(variables=PROGRAM) as server:
        body = b"\0\0\x80?\0\0\0@"  # 1 and 2 as float32, the machine's order
        answer = server.invoke(body, content_type="application/raw", accept="application/raw")
        assert (answer.status, answer.body) == (200, b"\0\0\x10A")  # 9


def test_a_gluon_network(container: Container) -> None:
    container.write_code({"serve.py": GLUON})
    with container.serve(variables=PROGRAM) as server:
        assert predicted(server.invoke("[[1, 2], [3, 4], [5, 6]]")) == [[6], [14], [22]]
        answer = server.invoke("1,2\n3,4", content_type="text/csv", accept="text/csv")
        assert answer.body == b"6.0\r\n14.0\r\n"
        wrong = server.invoke("[[1, 2, 3]]")
        assert wrong.status == 500
        assert wrong.body.startswith(b"mxnet.base.MXNetError: ")


def test_a_gluon_network_whose_input_fn_makes_an_array(container: Container) -> None:
    script = "def input_fn(data, content_type): return mx.nd.array([[float(data), 0]])\n"
    container.write_code({"serve.py": GLUON + script})
    with container.serve(variables=PROGRAM) as server:
        assert predicted(server.invoke("5")) == [[10]]


def test_models_may_lie_in_one_folder_and_under_the_specified_name(container: Container) -> None:
    model = container.base / "model"
    (model / "my_model").mkdir()
    for name in ("model-symbol.json", "model-shapes.json", "model.params"):
        (model / name).rename(model / "my_model" / name)
    for left in model.glob("*.params"):
        left.unlink()
    with container.serve(variables=PROGRAM) as server:
        assert predicted(server.invoke("[[1, 2]]")) == [[9]]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("model-symbol.json", "the model lacks model-symbol.json; it has: model-0000.params"),
        ("model*.params", "the model lacks model-0000.params or model.params"),
        ("model-shapes.json", "the model lacks model-shapes.json"),
    ],
)
def test_a_missing_file_is_named(container: Container, spoil: str, reason: str) -> None:
    for path in (container.base / "model").glob(spoil):
        path.unlink()
    with container.serving(variables=PROGRAM) as server:
        assert server.process.wait(60) == 1
    assert reason in container.log()
    assert "Traceback" not in container.log()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model-symbol.json", b"{}", "MXNet cannot load the model"),
        ("model-0000.params", b"short", "MXNet cannot load the model"),
        ("model-shapes.json", b'[{"name": "image"}]', "a JSON list of objects with name and shape"),
        ("model-0000.params", None, "the parameters are not those of a Module"),
    ],
)
def test_a_broken_file_is_named(
    container: Container, name: str, content: bytes | None, reason: str
) -> None:
    model = container.base / "model"
    (model / name).unlink()
    if content is None:
        shutil.copy(model / "net.params", model / name)
    else:
        (model / name).write_bytes(content)
    with container.serving(variables=PROGRAM) as server:
        assert server.process.wait(60) == 1
    assert reason in container.log()


def test_a_model_of_another_type_needs_functions_of_its_own(container: Container) -> None:
    container.write_code({"serve.py": "def model_fn(model_dir): return {'weights': 3}\n"})
    with container.serving(variables=PROGRAM) as server:
        assert server.process.wait(60) == 1
    assert "model_fn returned a dict" in container.log()
    predict = "def predict_fn(data, model): return next(data).data[0] * model['weights']\n"
    container.write_code({"serve.py": "def model_fn(d): return {'weights': 3}\n" + predict})
    with container.serve(variables=PROGRAM) as server:
        assert predicted(server.invoke("[[1, 2]]")) == [[3, 6]]
