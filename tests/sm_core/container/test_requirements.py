"""requirements.txt, installed from a folder of wheels."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sysconfig
import time
import venv
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from sm_core.container.requirements import is_package
from sm_core.testing.containers import Container
from tests.packageindex import package_index

pytestmark = pytest.mark.integ

TRAIN = {"sagemaker_program": "train.py"}
PATIENCE = 30.0
SCRIPT = """
import os, subprocess, sys, tiny_dependency
child = subprocess.check_output(
    [sys.executable, "-c", "import tiny_dependency; print(tiny_dependency.__file__)"], text=True
)
assert child.strip() == tiny_dependency.__file__
print("found", tiny_dependency.__file__)
"""


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with the wheel of tiny-dependency 1.0."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    write_wheel(folder, "tiny_dependency")
    return folder


def write_wheel(folder: Path, name: str, *, requires: str = "") -> Path:
    """A wheel of version 1.0 with one empty module, that may require another distribution."""
    information = f"{name}-1.0.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{name}.py": "",
        f"{information}/METADATA": (
            f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n{needs}"
        ),
        f"{information}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = f"{information}/RECORD"
    lines = [f"{path},sha256={_hash(text)},{len(text)}" for path, text in files.items()]
    files[record] = "\n".join([*lines, f"{record},,", ""])
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in files.items():
            wheel.writestr(member, text)
    return path


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def index(wheels: Path) -> dict[str, str]:
    """Settings for both installers: this folder and no index."""
    return {
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(wheels),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "HOME": str(wheels.parent),
    }


def test_they_are_installed_before_training(tmp_path: Path, wheels: Path) -> None:
    container = Container(tmp_path)
    container.write_code({"requirements.txt": "tiny-dependency\n", "train.py": SCRIPT})
    ended = container.train(hyperparameters=TRAIN, variables=index(wheels))
    assert ended.exit_code == 0, ended.log
    assert f"found {container.base}/dependencies/tiny_dependency.py" in ended.log


def test_what_the_index_delivered_once_is_enough_when_it_has_gone(
    tmp_path: Path, wheels: Path
) -> None:
    container = Container(tmp_path)
    container.write_code({"requirements.txt": "tiny-dependency\n", "train.py": SCRIPT})
    with package_index(tmp_path / "pages", *wheels.iterdir()) as (url, vanish):
        variables = {"UV_DEFAULT_INDEX": url, "UV_HTTP_RETRIES": "0", "NO_PROXY": "127.0.0.1"}
        variables["UV_CACHE_DIR"] = str(tmp_path / "cache")
        logs = [container.train(hyperparameters=TRAIN, variables=variables).log]
        vanish()
        shutil.rmtree(container.base / "dependencies")
        logs.append(container.train(hyperparameters=TRAIN, variables=variables).log)
    assert ["does not answer" in log for log in logs] == [False, True]
    assert all(f"found {container.base}/dependencies/tiny" in log for log in logs), logs


def test_pip_does_where_there_is_no_uv(tmp_path: Path, wheels: Path) -> None:
    python = environment_without_uv(tmp_path / "environment")
    container = Container(tmp_path, python=str(python))
    container.write_code({"requirements.txt": "tiny-dependency\n", "train.py": SCRIPT})
    variables = {**index(wheels), "PATH": str(python.parent)}
    ended = container.train(hyperparameters=TRAIN, variables=variables)
    assert ended.exit_code == 0, ended.log
    assert "Successfully installed tiny-dependency-1.0" in ended.log


def environment_without_uv(folder: Path) -> Path:
    """Interpreter of a new environment that sees the packages of this one, not its commands."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    packages = sysconfig.get_path("purelib")
    (site / "chain.pth").write_text(
        f"import site; site.addsitedir({packages!r})\n", encoding="utf-8"
    )
    return folder / "bin" / "python"


def with_pip(tmp_path: Path, wheels: Path) -> tuple[Container, dict[str, str]]:
    """A container that has no uv, and its variables."""
    python = environment_without_uv(tmp_path / "environment")
    variables = {**index(wheels), "PATH": str(python.parent)}
    return Container(tmp_path, python=str(python)), variables


def with_uv(tmp_path: Path, wheels: Path) -> tuple[Container, dict[str, str]]:
    """A container that has uv, and its variables."""
    return Container(tmp_path), index(wheels)


INSTALLERS = pytest.mark.parametrize("made", [with_uv, with_pip])
Made = Callable[[Path, Path], tuple[Container, dict[str, str]]]


@INSTALLERS
def test_what_is_there_is_not_installed_again(made: Made, tmp_path: Path, wheels: Path) -> None:
    # No index has sm-core, as none has an image's own build of a framework.
    write_wheel(wheels, "tiny_plugin", requires="sm-core")
    container, variables = made(tmp_path, wheels)
    script = "import sm_core, tiny_plugin; print('found', tiny_plugin.__file__)"
    container.write_code({"requirements.txt": "tiny-plugin\nattrs\n", "train.py": script})
    ended = container.train(hyperparameters=TRAIN, variables=variables)
    assert ended.exit_code == 0, ended.log
    assert f"found {container.base}/dependencies/tiny_plugin.py" in ended.log
    found = {path.name for path in (container.base / "dependencies").iterdir()}
    assert found - {".lock", "__pycache__"} == {"tiny_plugin.py", "tiny_plugin-1.0.dist-info"}


@INSTALLERS
def test_nothing_is_missing(made: Made, tmp_path: Path, wheels: Path) -> None:
    container, variables = made(tmp_path, wheels)
    container.write_code({"requirements.txt": "attrs\n# nothing else\n", "train.py": ""})
    ended = container.train(hyperparameters=TRAIN, variables=variables)
    assert ended.exit_code == 0, ended.log
    assert "all of it is installed already" in ended.log


@INSTALLERS
def test_a_file_may_say_where_packages_come_from(made: Made, tmp_path: Path, wheels: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    container, variables = made(tmp_path, empty)
    container.write_code(
        {
            "requirements.txt": "-r more/own.txt  # and all of that\n",
            "more/own.txt": f"--find-links {wheels}\ntiny-dependency == 1.0\n",
            "train.py": SCRIPT,
        }
    )
    ended = container.train(hyperparameters=TRAIN, variables=variables)
    assert ended.exit_code == 0, ended.log


@INSTALLERS
@pytest.mark.parametrize("right", [True, False])
def test_hashes_are_checked(made: Made, right: bool, tmp_path: Path, wheels: Path) -> None:
    content = (wheels / "tiny_dependency-1.0-py3-none-any.whl").read_bytes()
    digest = hashlib.sha256(content if right else b"").hexdigest()
    container, variables = made(tmp_path, wheels)
    requirements = f"tiny-dependency==1.0 --hash=sha256:{digest}\n"
    container.write_code({"requirements.txt": requirements, "train.py": SCRIPT})
    ended = container.train(hyperparameters=TRAIN, variables=variables)
    assert (ended.exit_code == 0) is right, ended.log


@INSTALLERS
def test_a_file_of_the_code_may_be_installed(made: Made, tmp_path: Path, wheels: Path) -> None:
    container, variables = made(tmp_path, tmp_path)
    container.write_code({"requirements.txt": "./tiny_dependency-1.0-py3-none-any.whl\n"})
    container.write_code({"train.py": SCRIPT})
    write_wheel(container.base / "code", "tiny_dependency")
    ended = container.train(hyperparameters=TRAIN, variables=variables)
    assert ended.exit_code == 0, ended.log


BACKEND = """
import zipfile
METADATA = "Metadata-Version: 2.1\\nName: my-digits\\nVersion: 1.0\\n"
METADATA += "Requires-Dist: tiny-dependency\\n"
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "my_digits-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel_directory + "/" + name, "w") as wheel:
        wheel.writestr("my_digits/__init__.py", "")
        wheel.writestr("my_digits/run.py", open("my_digits/run.py").read())
        wheel.writestr("my_digits-1.0.dist-info/METADATA", METADATA)
        wheel.writestr("my_digits-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr("my_digits-1.0.dist-info/RECORD", "")
    return name
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@INSTALLERS
@pytest.mark.parametrize("program", ["my_digits/run.py", "my_digits.run"])
def test_a_package_is_installed_and_run_as_a_module(
    made: Made, program: str, tmp_path: Path, wheels: Path
) -> None:
    container, variables = made(tmp_path, wheels)
    script = "import sys, tiny_dependency; print(__name__, __spec__.name, sys.argv[1:])"
    container.write_code(
        {"backend.py": BACKEND, "my_digits/run.py": script, "pyproject.toml": PROJECT}
    )
    ended = container.train(
        hyperparameters={"sagemaker_program": program, "epochs": 3}, variables=variables
    )
    assert ended.exit_code == 0, ended.log
    assert "__main__ my_digits.run ['--epochs', '3']" in ended.log


STUCK = """
import os, time
open("pid.part", "w").write(str(os.getpid()))
os.rename("pid.part", os.environ["PID_FILE"])
time.sleep(60)
"""


@INSTALLERS
@pytest.mark.parametrize("command", ["train", "serve"])
def test_a_stop_ends_what_is_being_built(
    made: Made, command: str, tmp_path: Path, wheels: Path
) -> None:
    container, variables = made(tmp_path, wheels)
    pid_file = tmp_path / "pid"
    variables = {**variables, "PID_FILE": str(pid_file)}
    files = {"requirements.txt": "./stuck\n", "stuck/backend.py": STUCK}
    container.write_code({**files, "stuck/pyproject.toml": PROJECT, "train.py": ""})
    with ExitStack() as stack:
        if command == "train":
            process = stack.enter_context(
                container.training(hyperparameters=TRAIN, variables=variables)
            )
        else:
            process = stack.enter_context(container.serving(variables=variables)).process
        deadline = time.monotonic() + PATIENCE
        while not pid_file.exists():
            assert process.poll() is None, container.log()
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)
        process.terminate()
        assert process.wait(PATIENCE) == (143 if command == "train" else 0)
    builder = int(pid_file.read_text(encoding="utf-8"))
    while _is_running(builder):
        assert time.monotonic() < deadline, "it is still being built"
        time.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_package_that_cannot_be_built(tmp_path: Path, wheels: Path) -> None:
    container, variables = with_uv(tmp_path, wheels)
    container.write_code({"backend.py": "raise OSError('no')", "pyproject.toml": PROJECT})
    container.write_code({"train.py": ""})
    ended = container.train(hyperparameters=TRAIN, variables=variables)
    assert ended.exit_code == 1
    assert ended.failure is not None
    assert ended.failure.startswith("InstallModuleError:\nExitCode 1\nErrorMessage ")


@pytest.mark.parametrize(
    ("files", "package"),
    [
        ({"setup.py": ""}, True),
        ({"pyproject.toml": PROJECT}, True),
        ({"pyproject.toml": "[tool.ruff]\nline-length = 100\n"}, False),
        ({"setup.cfg": ""}, False),
    ],
)
def test_what_makes_a_package(files: dict[str, str], package: bool, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert is_package(tmp_path) is package


def test_they_are_installed_before_serving(tmp_path: Path, wheels: Path) -> None:
    container = Container(tmp_path)
    script = (
        "import tiny_dependency\n"
        "def model_fn(model_dir): return tiny_dependency.__name__\n"
        "def transform_fn(model, *rest): return model\n"
    )
    container.write_code({"requirements.txt": "tiny-dependency\n", "serve.py": script})
    variables = {"SAGEMAKER_PROGRAM": "serve.py", **index(wheels)}
    with container.serve(variables=variables) as server:
        assert server.invoke(b"", content_type="x/y").body == b"tiny_dependency"


@pytest.mark.parametrize(
    ("requirements", "reason"),
    [("no-such-package-anywhere\n", "no-such-package-anywhere"), ("attrs<20\n", "attrs")],
)
def test_the_installer_s_own_error_is_the_reason(
    tmp_path: Path, wheels: Path, requirements: str, reason: str
) -> None:
    container = Container(tmp_path)
    container.write_code({"requirements.txt": requirements, "train.py": "print('not reached')"})
    ended = container.train(hyperparameters=TRAIN, variables=index(wheels))
    assert ended.exit_code == 1
    assert ended.failure is not None
    assert ended.failure.startswith("InstallRequirementsError:\nExitCode 1\nErrorMessage ")
    assert reason in ended.failure
    assert "not reached" not in ended.log


SECRETS = {
    "UV_DEFAULT_INDEX": "http://ann:hush1@127.0.0.1:9/simple",
    "UV_INDEX_MINE_USERNAME": "hush2",
    "UV_INDEX_MINE_PASSWORD": "hush3",
}
LOOKING = """
import os, subprocess, sys
children = subprocess.check_output([sys.executable, "-c", "import os; print(dict(os.environ))"])
seen = str(dict(os.environ)) + children.decode()
assert "hush" not in seen and "SMCORE_PACKAGE_INDEX" not in seen, "the password is there"
for pid in (os.getpid(), os.getppid()):
    if os.path.exists("/proc/%d/environ" % pid):
        with open("/proc/%d/environ" % pid, "rb") as variables:
            assert b"hush" not in variables.read(), "the kernel still shows the password"
assert os.environ["UV_INDEX_URL"] == "https://mine.example"
import tiny_dependency
"""


def withheld(wheels: Path) -> dict[str, str]:
    """The platform's own index, which takes a password, beside a setting of the request's."""
    own = {**SECRETS, **index(wheels)}
    return {"SMCORE_PACKAGE_INDEX": json.dumps(own), "UV_INDEX_URL": "https://mine.example"}


def test_a_script_does_not_see_the_index_s_password(tmp_path: Path, wheels: Path) -> None:
    container = Container(tmp_path)
    container.write_code({"requirements.txt": "tiny-dependency\n", "train.py": LOOKING})
    ended = container.train(hyperparameters=TRAIN, variables=withheld(wheels))
    assert ended.exit_code == 0, ended.log
    assert "hush" not in ended.log


def test_a_model_does_not_see_the_index_s_password(tmp_path: Path, wheels: Path) -> None:
    container = Container(tmp_path)
    script = LOOKING + "def model_fn(model_dir): exec(LOOKING)\ndef transform_fn(*_): return seen\n"
    script = f"LOOKING = {LOOKING!r}\n{script}"
    container.write_code({"requirements.txt": "tiny-dependency\n", "serve.py": script})
    variables = {"SAGEMAKER_PROGRAM": "serve.py", **withheld(wheels)}
    with container.serve(variables=variables) as server:
        answer = server.invoke(b"", content_type="x/y")
    assert answer.status == 200
    assert b"hush" not in answer.body


def test_a_failing_installer_does_not_show_it(tmp_path: Path) -> None:
    container = Container(tmp_path)
    container.write_code({"requirements.txt": "tiny-dependency\n", "train.py": ""})
    ended = container.train(
        hyperparameters=TRAIN,
        variables={"SMCORE_PACKAGE_INDEX": json.dumps({**SECRETS, "UV_HTTP_RETRIES": "0"})},
    )
    assert ended.failure is not None
    assert "127.0.0.1:9" in ended.failure
    assert "hush" not in ended.failure + ended.log
