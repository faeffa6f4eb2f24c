"""The specification's samples of scripts for MXNet, in a container with the real MXNet."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sm_core.containerspec import ContainerSpec
from sm_core.plugins import client_plugins
from sm_core.testing.containers import Container

pytestmark = [pytest.mark.integ, pytest.mark.timeout(600)]

SAMPLES: dict[str, str] = {
    title.strip(): code
    for title, code in re.findall(
        r"^## (.*?)\n.*?^```\w+\n(.*?)^```$",
        (Path(__file__).parent / "mxnet_scripts.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
}
TRAIN = {"sagemaker_program": "script.py"}
SERVE = {"SAGEMAKER_PROGRAM": "script.py"}
GRAPH = """
    data = mx.sym.Variable("images")
    return mx.sym.FullyConnected(mx.sym.flatten(data), num_hidden=1, name="fc")
"""


@pytest.fixture(scope="module")
def python(container_python: Callable[[ContainerSpec], str]) -> str:
    spec = client_plugins().hook.sm_container(
        framework="mxnet", version=None, device="cpu", image=None, hosts=1, function_mode=None
    )
    return container_python(spec)


@pytest.fixture
def container(tmp_path: Path, python: str) -> Container:
    container = Container(tmp_path, python=python)
    container.write_channel("train", {"x": ""})
    return container


def defined(title: str, *body: str) -> str:
    """A function of a sample that shows its signature only, with a body."""
    return "\n    ".join([f"{SAMPLES[title].strip()}:", *body]) + "\n"


def module_script() -> str:
    """The sample for the default save, with a graph and what binds its Module."""
    sample: str = SAMPLES["A model for the default save"]
    sample = sample.replace("    # Code to create graph omitted for brevity\n", GRAPH)
    sample = sample.replace("symbol=sym, context=ctx", "symbol=sym, context=ctx, **NAMES")
    names = 'NAMES = {"data_names": ["images"], "label_names": None}\n'
    fit = (
        '    mod.bind([("images", (100, 1, 28, 28))], for_training=False)\n'
        "    mod.init_params(mx.init.One())\n"
    )
    return names + sample.replace("    # Code to fit mod omitted for brevity\n", fit)


def test_a_module_is_saved_and_served_by_default(container: Container) -> None:
    container.write_code({"script.py": module_script()})
    ended = container.train(hyperparameters=TRAIN)
    assert (ended.exit_code, ended.succeeded) == (0, True), ended.log
    # Labels are no input of a model that predicts: AWS's images neither write nor read them.
    images, _ = json.loads(SAMPLES["The shapes of a model"])
    assert json.loads((container.base / "model" / "model-shapes.json").read_bytes()) == [images]
    steps = SAMPLES["Steps of a request"]
    own = [
        defined("Input processing", "return mx.nd.array(json.loads(request_body))"),
        defined("Prediction", "return [model.symbol.name, input_object.shape]"),
        defined("Output processing", "return json.dumps([content_type, prediction])"),
    ]
    code = "import json\nimport mxnet as mx\n" + "".join(own)
    container.write_code({"script.py": code})
    body = json.dumps([[[[0] * 28] * 28]] * 2)
    with container.serve(variables=SERVE) as server:
        answer = json.loads(server.invoke(body, accept="application/json").body)
    assert answer == ["application/json", ["fc", [2, 1, 28, 28]]]
    # The steps, in the words of the specification, with the same functions.
    names: dict[str, object] = {
        "request_body": "[1]",
        "request_content_type": "application/json",
        "response_content_type": "text/csv",
        "model": "m",
        "input_fn": lambda body, kind, model: (body, kind, model),
        "predict_fn": lambda given, model: (given, model),
        "output_fn": lambda prediction, kind: (prediction, kind),
    }
    exec(compile(steps, "steps", "exec"), names)
    assert names["ouput"] == ((("[1]", "application/json", "m"), "m"), "text/csv")


def test_save_and_model_fn_of_one_s_own(container: Container) -> None:
    script = "".join(
        [
            "import json\ndef train(): return [3]\n",
            defined(
                "A save of one's own",
                "with open(model_dir + '/m', 'w') as f:",
                "    json.dump(model, f)",
            ),
            defined("Loading a model", "return json.load(open(model_dir + '/m'))"),
            defined("Prediction", "return model"),
            defined("Input processing", "return None"),
            defined("Output processing", "return json.dumps(prediction)"),
        ]
    )
    container.write_code({"script.py": script})
    assert container.train(hyperparameters=TRAIN).exit_code == 0
    with container.serve(variables=SERVE) as server:
        assert server.invoke("{}").body == b"[3]"


RESNET = """
import sys
import mxnet as mx
net = mx.gluon.model_zoo.vision.get_model("resnet34_v2", pretrained=False, classes=10)
net.initialize(mx.init.Xavier())
net(mx.nd.zeros((1, 3, 32, 32)))
net.save_params(sys.argv[1] + "/model.params")
"""


@pytest.mark.long
def test_a_gluon_model_of_the_zoo_is_loaded(container: Container, python: str) -> None:
    subprocess.run([python, "-c", RESNET, container.base / "model"], check=True)
    imports = "import mxnet as mx\nfrom mxnet.gluon.model_zoo import vision as models\n\n"
    container.write_code({"script.py": imports + SAMPLES["Loading a Gluon model"]})
    with container.serve(variables={**SERVE, "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}) as server:
        answer = server.invoke(json.dumps([[[[0.5] * 32] * 32] * 3] * 2))
    assert answer.status == 200, answer.body
    first, second = json.loads(answer.body)
    assert len(first) == 10
    assert first == pytest.approx(second, rel=1e-4)


def test_every_sample_is_run() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    never_ran = "An input_fn for pickled arrays"
    assert len(SAMPLES) == 10
    assert [title for title in SAMPLES if f'"{title}"' not in source.split("never_ran")[0]] == [
        never_ran
    ]
