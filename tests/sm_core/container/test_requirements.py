"""requirements.txt, installed from a folder of wheels."""

from __future__ import annotations

import base64
import hashlib
import json
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from sm_core.testing.containers import Container

pytestmark = pytest.mark.integ

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
    files = {
        "tiny_dependency.py": "",
        "tiny_dependency-1.0.dist-info/METADATA": (
            "Metadata-Version: 2.1\nName: tiny-dependency\nVersion: 1.0\n"
        ),
        "tiny_dependency-1.0.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = "tiny_dependency-1.0.dist-info/RECORD"
    lines = [f"{name},sha256={_hash(text)},{len(text)}" for name, text in files.items()]
    files[record] = "\n".join([*lines, f"{record},,", ""])
    with zipfile.ZipFile(folder / "tiny_dependency-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return folder


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
    ended = container.train(
        hyperparameters={"sagemaker_program": "train.py"}, variables=index(wheels)
    )
    assert ended.exit_code == 0, ended.log
    assert f"found {container.base}/dependencies/tiny_dependency.py" in ended.log


def test_pip_does_where_there_is_no_uv(tmp_path: Path, wheels: Path) -> None:
    python = environment_without_uv(tmp_path / "environment")
    container = Container(tmp_path, python=str(python))
    container.write_code({"requirements.txt": "tiny-dependency\n", "train.py": SCRIPT})
    variables = {**index(wheels), "PATH": str(python.parent)}
    ended = container.train(hyperparameters={"sagemaker_program": "train.py"}, variables=variables)
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
    ended = container.train(
        hyperparameters={"sagemaker_program": "train.py"}, variables=index(wheels)
    )
    assert ended.exit_code == 1
    assert ended.failure is not None
    assert ended.failure.startswith("cannot install requirements.txt:\n")
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
    ended = container.train(
        hyperparameters={"sagemaker_program": "train.py"}, variables=withheld(wheels)
    )
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
        hyperparameters={"sagemaker_program": "train.py"},
        variables={"SMCORE_PACKAGE_INDEX": json.dumps({**SECRETS, "UV_HTTP_RETRIES": "0"})},
    )
    assert ended.failure is not None
    assert "127.0.0.1:9" in ended.failure
    assert "hush" not in ended.failure + ended.log
