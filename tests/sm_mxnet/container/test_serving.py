"""Serving with the real MXNet."""

from __future__ import annotations

import json
import os
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
ROOT = Path(__file__).parents[3]
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
        refused: list[tuple[str | bytes, str | None, str | None, int, str]] = [
            ("[[1, 2, 3]]", "application/json", None, 400, "the model takes (rows, 1, 2)"),
            ("[[1, 2], [3]]", "application/json", None, 400, "rows of equal length"),
            ("", None, None, 400, "the body is not JSON"),
            ("[[1, NaN]]", None, None, 400, "the body is not JSON"),
            ("[[1, 1e60]]", None, None, 400, "every number must be finite, and within the range"),
            ("[]", None, None, 400, "the body is an empty list"),
            ("null", None, None, 400, "one JSON list of rows, not null"),
            ("7", None, None, 400, "one JSON list of rows, not a number"),
            ('{"instances": [[1, 2]]}', None, None, 400, "one JSON list of rows, not an object"),
            ('[["a", "b"]]', None, None, 400, "with numbers only: no text, null or objects"),
            ("[[1, 2]][[3, 4]]", None, None, 400, "the body is not JSON"),
            ("[1, 2]", None, None, 400, "the list has the shape (2), the model takes (rows, 1, 2)"),
            (b"\xff[[1, 2]]", None, None, 400, "the body is no text in utf-8"),
            ("1,2\n3", "text/csv", None, 400, "line 2 has 1 numbers instead of 2"),
            ("", "text/csv", None, 400, "no line"),
            ("a,b\n1,2", "text/csv", None, 400, "line 1"),
            ("1,nan", "text/csv", None, 400, "finite"),
            ("x", "image/png", None, 415, "this model reads: application/json, text/csv"),
            ("[[1,2]]", None, "image/png", 406, "this model answers with: application/json"),
        ]
        for body, content_type, accept, status, reason in refused:
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
        assert wrong.status == 400
        assert wrong.body.decode().startswith(
            "the network does not take an array of the shape (1, 3): Shape inconsistent, "
        )
        assert server.invoke("1,2\n3", content_type="text/csv").status == 400


def test_a_gluon_network_whose_input_fn_makes_an_array(container: Container) -> None:
    script = "def input_fn(data, content_type): return mx.nd.array([[float(data), 0]])\n"
    container.write_code({"serve.py": GLUON + script})
    with container.serve(variables=PROGRAM) as server:
        assert predicted(server.invoke("5")) == [[10]]


def test_the_script_may_lie_in_the_model_as_aws_s_newer_images_have_it(
    container: Container,
) -> None:
    code = container.base / "model" / "code"
    code.mkdir()
    (code / "own.py").write_text("def output_fn(p, accept): return str(len(p)), 'text/plain'\n")
    variables = {
        "SAGEMAKER_PROGRAM": "own.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    }
    with container.serve(variables=variables) as server:
        assert server.invoke("[[1, 2], [3, 4]]").body == b"2"


TWO_INPUTS = """
import mxnet as mx
def model_fn(model_dir):
    symbol = mx.sym.Variable("a") + mx.sym.Variable("b")
    module = mx.mod.Module(symbol, data_names=["a", "b"], label_names=None)
    module.bind([("a", (1, 2)), ("b", (1, 2))], for_training=False)
    module.init_params()
    return module
"""


def test_a_model_of_several_inputs_needs_an_input_fn(container: Container) -> None:
    container.write_code({"serve.py": TWO_INPUTS})
    with container.serve(variables=PROGRAM) as server:
        refused = server.invoke("[[1, 2]]")
        assert refused.status == 412
        assert refused.body == (
            b"the model has 2 inputs and one list feeds one only: define input_fn in the script"
        )
    own = "def input_fn(body, kind): return mx.io.NDArrayIter(dict(a=A, b=A), batch_size=1)\n"
    container.write_code({"serve.py": TWO_INPUTS + "A = mx.nd.ones((1, 2))\n" + own})
    with container.serve(variables=PROGRAM) as server:
        assert predicted(server.invoke("")) == [[2, 2]]


def test_models_may_lie_in_one_folder_and_under_the_specified_name(container: Container) -> None:
    model = container.base / "model"
    (model / "my_model").mkdir()
    for name in ("model-symbol.json", "model-shapes.json", "model.params"):
        (model / name).rename(model / "my_model" / name)
    for left in model.glob("*.params"):
        left.unlink()
    # What archives made on a Mac have besides.
    (model / "._my_model").write_bytes(b"\0\5\x16\7")
    (model / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
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


def test_a_file_is_missing_where_the_others_are(container: Container) -> None:
    model = container.base / "model"
    (model / "my_model").mkdir()
    (model / "model-symbol.json").rename(model / "my_model" / "model-symbol.json")
    for left in model.glob("*.*"):
        left.unlink()
    with container.serving(variables=PROGRAM) as server:
        assert server.process.wait(60) == 1
    lacks = "lacks model-0000.params or model.params, model-shapes.json; it has: model-symbol.json"
    assert lacks in container.log()


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("", "is not bound: call bind("),
        ("module.bind([('data', (1, 2))])", "has no parameters: call set_params("),
    ],
)
def test_a_module_that_is_not_ready_is_named(container: Container, step: str, reason: str) -> None:
    script = f"""
import mxnet as mx
def model_fn(model_dir):
    layer = mx.sym.FullyConnected(mx.sym.Variable('data'), num_hidden=1)
    module = mx.mod.Module(layer, label_names=None)
    {step}
    return module
"""
    container.write_code({"serve.py": script})
    with container.serving(variables=PROGRAM) as server:
        assert server.process.wait(60) == 1
    assert f"model_fn returned a Module that {reason}" in container.log()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model-symbol.json", b"{}", "MXNet cannot load the model"),
        ("model-0000.params", b"short", "MXNet cannot load the model"),
        ("model-shapes.json", b'[{"name": "image"}]', "a JSON list of objects with name and shape"),
        ("model-shapes.json", b"[]", "whole numbers above 0; it is empty"),
        (
            "model-shapes.json",
            b'[{"name": "image", "shape": [1, 0]}]',
            "image' has the shape [1, 0]",
        ),
        (
            "model-shapes.json",
            b'[{"name": "image", "shape": [1, 3]}]',
            "MXNet cannot load the model",
        ),
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


LACKING = """
import sys
import mxnet as mx
from sm_mxnet.container.models import load_module

path = sys.argv[1] + "/model-0000.params"
values = mx.nd.load(path)
del values["arg:fc_bias"]
mx.nd.save(path, values)
module = load_module(sys.argv[1], first_dimension=1)
print(module.predict(mx.io.NDArrayIter(mx.nd.array([[[1, 2]]]))).asnumpy().tolist())
"""


def test_parameters_that_a_file_lacks_are_zero_and_told(
    container: Container, mxnet_python: str
) -> None:
    folder = str(container.base / "model")
    done = subprocess.run(
        [mxnet_python, "-c", LACKING, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[[8.0]]\n"
    assert "the model's parameters lack fc_bias: zero is taken" in done.stderr


def test_a_model_of_another_type_needs_functions_of_its_own(container: Container) -> None:
    container.write_code({"serve.py": "def model_fn(model_dir): return {'weights': 3}\n"})
    with container.serving(variables=PROGRAM) as server:
        assert server.process.wait(60) == 1
    assert "model_fn returned a dict" in container.log()
    predict = "def predict_fn(data, model): return next(data).data[0] * model['weights']\n"
    container.write_code({"serve.py": "def model_fn(d): return {'weights': 3}\n" + predict})
    with container.serve(variables=PROGRAM) as server:
        assert predicted(server.invoke("[[1, 2]]")) == [[3, 6]]


OLD = Path(__file__).parent / "mxnet012"
GLUON_012 = """
import mxnet as mx
def model_fn(model_dir):
    net = mx.gluon.nn.Dense(2)
    net.load_params(model_dir + "/net.params", ctx=mx.cpu())
    return net
"""


def answers_of_012(folder: Path, container: Container) -> None:
    """Serve what MXNet 0.12.1 saved, and expect what it answered itself."""
    shutil.rmtree(container.base / "model")
    shutil.copytree(folder, container.base / "model")
    expected = json.loads((folder / "expected.json").read_bytes())
    assert expected["version"] == "0.12.1"
    with container.serve(variables=PROGRAM) as server:
        found = predicted(server.invoke(json.dumps(expected["images"])))
        for mine, its in zip(found, expected["answers"], strict=True):
            assert mine == pytest.approx(its, abs=1e-5)
    container.write_code({"serve.py": GLUON_012})
    with container.serve(variables=PROGRAM) as server:
        (mine,) = predicted(server.invoke("[[1, 2, 3]]"))
        assert mine == pytest.approx(json.loads((folder / "gluon.json").read_bytes())[0], abs=1e-5)


def test_models_that_mxnet_0_12_trained(container: Container) -> None:
    answers_of_012(OLD, container)


#: Trains and saves as AWS's container of 2017 did; for Python 3.6 and MXNet 0.12.1.
TRAIN_012 = """
import json, sys
import mxnet as mx
import numpy as np

folder = sys.argv[1]
net = mx.sym.Convolution(mx.sym.var("data"), kernel=(3, 3), num_filter=2, name="conv")
net = mx.sym.BatchNorm(net, name="bn", fix_gamma=False)
net = mx.sym.Activation(net, act_type="relu")
net = mx.sym.Pooling(net, pool_type="max", kernel=(2, 2), stride=(2, 2))
net = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=3, name="fc")
module = mx.mod.Module(mx.sym.SoftmaxOutput(net, name="softmax"))
images = np.random.RandomState(7).uniform(size=(60, 1, 6, 6)).astype("float32")
labels = (images.mean(axis=(1, 2, 3)) * 30).astype(int) % 3
module.fit(mx.io.NDArrayIter(images, labels, 20), num_epoch=3, initializer=mx.init.Xavier())
module.symbol.save(folder + "/model-symbol.json")
module.save_params(folder + "/model-0000.params")
shapes = [{"name": each.name, "shape": list(each.shape)} for each in module.data_shapes]
json.dump(shapes, open(folder + "/model-shapes.json", "w"))
answers = module.predict(mx.io.NDArrayIter(images[:20], batch_size=20)).asnumpy()
expected = {"version": mx.__version__, "images": images[:20], "answers": answers}
json.dump(expected, open(folder + "/expected.json", "w"), default=lambda each: each.tolist())
dense = mx.gluon.nn.Dense(2, in_units=3)
dense.initialize(mx.init.Xavier())
dense.save_params(folder + "/net.params")
json.dump(dense(mx.nd.array([[1, 2, 3]])).asnumpy().tolist(), open(folder + "/gluon.json", "w"))
"""
#: The last versions of what MXNet 0.12.1 needs that run on Python 3.6.
MXNET_012 = (
    "mxnet==0.12.1",
    "numpy==1.13.3",
    "graphviz==0.8.4",
    "requests<2.28",
    "chardet<4",
    "idna<3",
    "certifi<2022",
    "urllib3<1.27",
)


@pytest.mark.long
def test_models_that_the_real_mxnet_0_12_trains_now(
    container: Container, mxnet_python: str, tmp_path: Path
) -> None:
    found = subprocess.run(
        [ROOT / "tools" / "find-python", "3.6"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip("MXNet 0.12.1 needs Python 3.6, which is not here")
    old, folder = tmp_path / "old", tmp_path / "model012"
    folder.mkdir()
    subprocess.run([found.stdout.strip(), "-m", "venv", old], check=True)
    subprocess.run([old / "bin" / "pip", "install", "--quiet", *MXNET_012], check=True)
    # It needs a Fortran library that systems of today have not; the new MXNet brings it along.
    (library,) = Path(mxnet_python).parents[1].glob("lib/python3.*/site-packages/mxnet")
    subprocess.run(
        [old / "bin" / "python", "-c", TRAIN_012, folder],
        env={**os.environ, "LD_LIBRARY_PATH": str(library)},
        check=True,
    )
    answers_of_012(folder, container)


#: The default prediction takes a shorter way than MXNet's own; this compares the two.
COMPARE = """
import mxnet as mx
import numpy as np
from sm_mxnet.container.models import batches, predict

data = mx.sym.Variable("data")
one = mx.sym.FullyConnected(data, num_hidden=2, name="one")
pair = mx.sym.Group([one, mx.sym.FullyConnected(data, num_hidden=3, name="two")])
for symbol in (one, pair):
    for size in (1, 3, 4):
        module = mx.mod.Module(symbol, label_names=None)
        module.bind([("data", (size, 5))], for_training=False)
        module.init_params(mx.init.Uniform(1))
        for count in range(1, 10):
            rows = np.random.uniform(size=(count, 5)).astype("float32")
            mine = predict(batches(rows, module), module)
            its = module.predict(batches(rows, module))
            if symbol is one:
                mine, its = [mine], [its]
            assert [each.shape[0] for each in mine] == [count] * len(its)
            for a, b in zip(mine, its, strict=True):
                assert (a.asnumpy() == b.asnumpy()).all()
            iterator = batches(rows, module)
            assert isinstance(iterator, mx.io.NDArrayIter) and iterator.batch_size == size
            seen = [batch.data[0][: size - batch.pad].asnumpy() for batch in iterator]
            assert (np.concatenate(seen) == rows).all()
            first = predict(batches(rows, module), module)
            kept = (first if symbol is one else first[0]).asnumpy()
            predict(batches(rows * 0, module), module)
            assert ((first if symbol is one else first[0]).asnumpy() == kept).all()
"""


def test_the_short_way_predicts_what_mxnet_s_own_does(mxnet_python: str) -> None:
    done = subprocess.run(
        [mxnet_python, "-c", COMPARE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


#: Networks that go wrong: by what they are given, or by themselves.
WRONG = """
import mxnet as mx
import numpy as np
from sm_core.container.errors import BadPayload, ContainerError
from sm_mxnet.container.models import batches, predict

class Own(mx.gluon.Block):
    def __init__(self, layer, operation):
        super().__init__()
        self.layer, self.operation = layer, operation

    def forward(self, x):
        return self.operation(self.layer(x))

def own(data):
    return predict(data, layer).asnumpy().tolist()

def answer(net, width):
    try:
        return predict(batches(np.ones((1, width), dtype="float32"), net), net).asnumpy().tolist()
    except BadPayload as error:
        assert "the network does not take an array of the shape (1, 3): Shape inc" in str(error)
        return "refused"
    except mx.base.MXNetError as error:
        assert "shape" in str(error)
        return "broken"

layer = mx.gluon.nn.Dense(1, in_units=2)
layer.initialize(mx.init.One())
rows = np.ones((3, 2), dtype="float32")
every = [rows, mx.nd.array(rows), mx.io.NDArrayIter(rows, batch_size=2)]
assert [own(data) for data in every] == [[[2]] * 3] * 3
try:
    own(mx.io.NDArrayIter(rows, batch_size=4, last_batch_handle="discard"))
except ContainerError as error:
    assert str(error) == "the iterator that input_fn made has no batch"
else:
    raise AssertionError("nothing was predicted of nothing")
right = Own(layer, lambda y: y + 1)
wrong = Own(layer, lambda y: mx.nd.dot(mx.nd.ones((3, 4)), mx.nd.ones((3, 4))))
assert [answer(right, 2), answer(right, 3)] == [[[3.0]], "refused"]
assert [answer(wrong, 2), answer(wrong, 3)] == ["broken", "refused"]

def bound(symbol):
    module = mx.mod.Module(symbol, label_names=None)
    module.bind([("data", (4, 2))], for_training=False)
    module.init_params()
    return module

mean = bound(mx.sym.mean(mx.sym.Variable("data"), axis=0))
assert answer(bound(mx.sym.Variable("data")), 2) == [[1.0, 1.0]]
try:
    answer(mean, 2)
except ContainerError as error:
    assert "a batch of 4 rows with the shape (2,): which part is that of the 3 rows" in str(error)
else:
    raise AssertionError("rows that are no rows were taken away")
"""


def test_what_a_network_takes_and_who_is_at_fault_for_a_shape(mxnet_python: str) -> None:
    done = subprocess.run([mxnet_python, "-c", WRONG], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


BUCKETS = """
import mxnet as mx
def symbol(key):
    return mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc"), ["data"], None
def model_fn(model_dir):
    module = mx.mod.BucketingModule(symbol, default_bucket_key=2)
    module.bind([("data", (4, 2))], for_training=False)
    module.init_params(mx.init.One())
    return module
"""


def test_a_module_of_buckets_serves_the_one_it_is_bound_to(container: Container) -> None:
    container.write_code({"serve.py": BUCKETS})
    with container.serve(variables=PROGRAM) as server:
        rows = [[i, 1] for i in range(6)]
        assert predicted(server.invoke(json.dumps(rows))) == [[i + 1] for i in range(6)]
