"""requirements.txt beside the real MXNet, which it must not replace."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sm_core.testing.containers import Container

pytestmark = [pytest.mark.integ, pytest.mark.timeout(600)]

SCRIPT = """
import numpy, tiny
def train():
    print("with numpy", numpy.__version__)
"""


def write_wheel(folder: Path, name: str, version: str) -> None:
    """A wheel with one empty module."""
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")


@pytest.mark.parametrize("wanted", ["tiny\n", "tiny\nnumpy>=1.24\n"])
def test_what_the_framework_needs_stays(wanted: str, tmp_path: Path, mxnet_python: str) -> None:
    write_wheel(tmp_path, "tiny", "1.0")
    write_wheel(tmp_path, "numpy", "9.0")
    container = Container(tmp_path, python=mxnet_python)
    container.write_code({"requirements.txt": wanted, "train.py": SCRIPT})
    # Neither uv nor pip is installed there: Python's own pip does it.
    variables = {
        "PATH": str(Path(mxnet_python).parent),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
    }
    ended = container.train(hyperparameters={"sagemaker_program": "train.py"}, variables=variables)
    if "numpy" not in wanted:
        assert "with numpy 1.23.5" in ended.log
        return
    assert ended.exit_code == 1
    assert ended.failure is not None
    assert ended.failure.startswith("InstallRequirementsError:\nExitCode 1\nErrorMessage ")
    assert "numpy==1.23.5" in ended.failure
