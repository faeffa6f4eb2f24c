"""Clients in virtual environments of their own: whatever is installed there is what a job runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uv

from sm_local.indexes import index_settings

pytestmark = [pytest.mark.integ, pytest.mark.long]

ROOT = Path(__file__).parents[2]

#: A framework that the repository does not know: its container's code multiplies.
PLUGIN = {
    "pyproject.toml": """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "times-plugin"
version = "1.0"
dependencies = ["sm-core"]

[project.entry-points."sm_core.plugins"]
times = "times_plugin.plugin"

[tool.setuptools]
packages = ["times_plugin"]
""",
    "times_plugin/__init__.py": "",
    "times_plugin/plugin.py": '''
from sm_core.containerspec import ContainerSpec
from sm_core.frameworks import Framework
from sm_core.images import ImageOrigin
from sm_core.plugins import hookimpl


@hookimpl
def sm_frameworks():
    """Multiplication."""
    return [
        Framework(
            name="times",
            estimator="times_plugin.estimator:Times",
            model="times_plugin.estimator:TimesModel",
            predictor="times_plugin.estimator:TimesPredictor",
            script=False,
            default_version="1",
        )
    ]


@hookimpl
def sm_image(request):
    return "registry.example/times:1" if request.framework == "times" else None


@hookimpl
def sm_image_origin(image):
    return ImageOrigin(framework="times") if "/times:" in image else None


@hookimpl
def sm_container(framework, image):
    if framework != "times" and "/times:" not in (image or ""):
        return None
    return ContainerSpec(
        framework="times",
        version="1",
        distributions=("times-plugin",),
        requirements=("iniconfig",),
    )


@hookimpl
def sm_train(environment):
    from times_plugin.container import train

    return train(environment)


@hookimpl
def sm_inference(environment):
    from times_plugin.container import Handler

    return Handler(environment)
''',
    "times_plugin/estimator.py": """
from sm_core import Estimator, Model, Predictor


class Times(Estimator):
    framework_name = "times"


class TimesModel(Model):
    framework_name = "times"


class TimesPredictor(Predictor):
    framework_name = "times"
""",
    "times_plugin/container.py": """
import json
from pathlib import Path

import iniconfig
from sm_core.container.inference import FunctionHandler

FACTOR = 2


def train(environment):
    factor = FACTOR * int(environment.hyperparameters["factor"])
    print("container code at", __file__)
    (environment.base_dir / "model" / "factor.json").write_text(json.dumps(factor))
    return True


class Handler(FunctionHandler):
    reads = writes = ("application/json",)

    def default_model_fn(self, model_dir):
        return json.loads(Path(model_dir, "factor.json").read_text())

    def default_input_fn(self, body, content_type, model):
        return json.loads(body)

    def default_predict_fn(self, data, model):
        return data * model

    def default_output_fn(self, prediction, content_type):
        return json.dumps(prediction)
""",
}

MULTIPLY = """
import times_plugin
from sm_core import Estimator, Session

print("client's plugin at", times_plugin.__file__)
estimator = Estimator(
    framework="times",
    role="SageMakerRole",
    train_instance_type="local",
    hyperparameters={"factor": 3},
    sagemaker_session=Session.local(),
)
estimator.fit()
with estimator.deploy(1, "local") as predictor:
    print("the answer is", predictor.predict(7))
"""

MXNET = """
import sm_core
from sm_core import Estimator, Session

print("client's core at", sm_core.__file__)
estimator = Estimator(
    framework="mxnet",
    entry_point="script.py",
    role="SageMakerRole",
    train_instance_type="local",
    sagemaker_session=Session.local(),
)
estimator.fit()
print(estimator.model_data)
"""

SCRIPT = """
import os
import mxnet as mx
import sm_core

print("container's core at", sm_core.__file__)
print("the sum is", int(mx.nd.ones((2, 3)).sum().asscalar()))
open(os.path.join(os.environ["SM_MODEL_DIR"], "model"), "w").close()
"""

FIT_AND_TELL = """
try:
    estimator.fit(logs=False)
except Exception as error:
    print(type(error).__name__, error)
    raise SystemExit
"""

#: Any AWS client: its requests name an image, no environment.
OTHER_CLIENT = """
import boto3

client = boto3.client("sagemaker")
request = dict(
    TrainingJobName="other",
    RoleArn="arn:aws:iam::000000000000:role/SageMakerRole",
    AlgorithmSpecification={
        "TrainingImage": "registry.example/times:1", "TrainingInputMode": "File"
    },
    OutputDataConfig={"S3OutputPath": "s3://models"},
    ResourceConfig={"InstanceType": "ml.c4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
    StoppingCondition={"MaxRuntimeInSeconds": 60},
)
try:
    client.create_training_job(**request)
except client.exceptions.ClientError as error:
    print(error)
"""


class Client:
    """A virtual environment, and programs that are run in it away from the repository."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.variables = {
            **kept,
            **index_settings(os.environ),
            "SMCORE_LOCAL_HOME": os.environ["SMCORE_LOCAL_HOME"],
            "COLUMNS": "200",
        }
        self._uv("venv", "--python", sys.executable, str(folder / "venv"))

    def install(self, *arguments: str | Path) -> None:
        """Install with the versions that the other tests have."""
        constraints = ("--constraint", str(ROOT / "constraints.txt"))
        python = ("--python", str(self.bin / "python"))
        self._uv("pip", "install", *python, *constraints, *map(str, arguments))

    def run(self, *arguments: str, **variables: str) -> str:
        """What Python prints; fails with its output if it does."""
        done = subprocess.run(
            [self.bin / "python", *arguments],
            cwd=self.folder,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sm_local(self, *arguments: str) -> str:
        """What ``sm local`` prints."""
        return self.run("-m", "sm_core.cli", "local", *arguments)

    def _uv(self, *arguments: str) -> None:
        done = subprocess.run(
            [uv.find_uv_bin(), *arguments],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels, built as `make dist` does."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    for source in (ROOT, ROOT / "plugins" / "sm_local", ROOT / "plugins" / "sm_mxnet"):
        subprocess.run([*build, source], check=True, capture_output=True)
    return folder


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """An environment with nothing in it; the service of the test's home is ended after the test."""
    made = Client(tmp_path / "client")
    yield made
    made.sm_local("down", "--all")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """The source of the plugin, outside the repository."""
    folder = tmp_path / "times"
    for name, text in PLUGIN.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def line_after(words: str, output: str) -> str:
    """The rest of the one line that has these words."""
    (found,) = {line.partition(words)[2].strip() for line in output.splitlines() if words in line}
    return found


def editable(*folders: Path) -> list[str | Path]:
    return [word for folder in folders for word in ("--editable", folder)]


def test_an_editable_install(client: Client) -> None:
    client.install(*editable(ROOT, ROOT / "plugins" / "sm_local", ROOT / "plugins" / "sm_mxnet"))
    (client.folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    output = client.run("-c", MXNET)
    assert line_after("client's core at", output) == str(ROOT / "sm_core" / "__init__.py")
    # A copy: what is edited meanwhile does not reach a job that runs.
    home = client.variables["SMCORE_LOCAL_HOME"]
    assert line_after("container's core at", output).startswith(f"{home}/environments/")
    assert line_after("the sum is", output) == "6"
    assert "model.tar.gz" in output


def test_a_wheel_install(client: Client, dist: Path) -> None:
    client.install(*dist.glob("*.whl"))
    (client.folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    output = client.run("-c", MXNET)
    assert line_after("client's core at", output).startswith(str(client.folder / "venv"))
    home = client.variables["SMCORE_LOCAL_HOME"]
    assert line_after("container's core at", output).startswith(f"{home}/environments/")
    assert line_after("the sum is", output) == "6"
    assert "model.tar.gz" in output


@pytest.mark.parametrize("kind", ["editable", "wheel"])
def test_a_plugin_from_outside_the_repository(
    client: Client, dist: Path, plugin: Path, kind: str
) -> None:
    own = [next(dist.glob(f"{name}-*.whl")) for name in ("sm_core", "sm_local")]
    client.install(*own, *(editable(plugin) if kind == "editable" else [plugin]))
    output = client.run("-c", MULTIPLY)
    where = plugin if kind == "editable" else client.folder / "venv"
    assert line_after("client's plugin at", output).startswith(str(where))
    home = client.variables["SMCORE_LOCAL_HOME"]
    assert line_after("container code at", output).startswith(f"{home}/environments/")
    assert line_after("the answer is", output) == "42"
    if kind == "editable":
        # What is edited is what the next job runs, in another environment.
        code = plugin / "times_plugin" / "container.py"
        code.write_text(code.read_text("utf-8").replace("FACTOR = 2", "FACTOR = 4"), "utf-8")
        assert line_after("the answer is", client.run("-c", MULTIPLY)) == "84"
        environments = json.loads(client.sm_local("envs", "--json"))
        assert [each["what"] for each in environments] == ["times 1 (cpu)"] * 2


def test_a_client_whose_plugins_the_service_does_not_have(
    client: Client, dist: Path, plugin: Path, tmp_path: Path
) -> None:
    own = [next(dist.glob(f"{name}-*.whl")) for name in ("sm_core", "sm_local")]
    server = Client(tmp_path / "server")
    server.install(*own)
    client.install(*own, plugin)
    server.sm_local("up")
    status: dict[str, Any] = json.loads(server.sm_local("status", "--json"))
    interpreter = Path(f"/proc/{status['pid']}/cmdline").read_bytes().split(b"\0")[0]
    assert os.fsdecode(interpreter).startswith(str(server.bin))
    # Asked by its image alone, the service does not know the framework,
    variables = json.loads(server.sm_local("env", "--json"))
    given = {name: value for name, value in variables.items() if value is not None}
    refusal = server.run("-c", OTHER_CLIENT, **given)
    assert "no plugin of the local service knows the image registry.example/times:1" in refusal
    # but a client that does brings it along.
    output = client.run("-c", MULTIPLY)
    assert line_after("the answer is", output) == "42"
    assert json.loads(client.sm_local("status", "--json"))["pid"] == status["pid"]


def test_a_plugin_whose_environment_cannot_be_built(
    client: Client, dist: Path, plugin: Path
) -> None:
    module = plugin / "times_plugin" / "plugin.py"
    text = module.read_text(encoding="utf-8")
    module.write_text(text.replace('("iniconfig",)', '("iniconfig>=2", "iniconfig<2")'), "utf-8")
    client.install(*(next(dist.glob(f"{name}-*.whl")) for name in ("sm_core", "sm_local")), plugin)
    program = MULTIPLY.replace("estimator.fit()", FIT_AND_TELL)
    output = client.run("-c", program)
    assert "cannot be built" in output
    assert "you require iniconfig>=2 and iniconfig<2" in output
    assert json.loads(client.sm_local("envs", "--json")) == []
