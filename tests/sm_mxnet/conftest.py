"""An environment with the real MXNet, built once and kept between runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import uv

from sm_core.plugins import client_plugins
from sm_local.environments import EnvironmentFailed, find_python, index_settings

ROOT = Path(__file__).parents[2]
#: Where the code under test lies; the environment holds it as editable.
DISTRIBUTIONS = (ROOT, ROOT / "plugins" / "sm_mxnet")
CONTAINER_REQUIREMENTS = (
    "attrs",
    "boto3",
    "httptools",
    "orjson",
    "pluggy",
    "typing_extensions",
    "uvicorn",
    "uvloop",
)


@pytest.fixture(scope="session")
def mxnet_python() -> str:
    """Interpreter of an environment as the plugin's ContainerSpec describes it.

    It lies in the user's cache, keyed by what it is made of; a first run takes a minute.
    """
    spec = client_plugins().hook.sm_container(
        framework="mxnet", version=None, device="cpu", image=None
    )
    try:
        python = str(find_python(spec.python))
    except EnvironmentFailed as error:
        pytest.skip(str(error))
    parts = [python, *spec.requirements, *CONTAINER_REQUIREMENTS]
    parts += [
        f"{folder}\n{(folder / 'pyproject.toml').read_text('utf-8')}" for folder in DISTRIBUTIONS
    ]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sm-core-tests"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"mxnet-{key}"
    with (cache / f"mxnet-{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _build(folder, python, [*spec.requirements, *CONTAINER_REQUIREMENTS])
            (folder / ".complete").touch()
    return str(folder / "bin" / "python")


def _build(folder: Path, python: str, requirements: list[str]) -> None:
    _uv("venv", "--quiet", "--python", python, str(folder))
    install = ("pip", "install", "--quiet", "--python", str(folder / "bin" / "python"))
    _uv(*install, *requirements)
    _uv(*install, "--no-deps", *(f"--editable={entry}" for entry in DISTRIBUTIONS))


def _uv(*arguments: str) -> None:
    done = subprocess.run(
        [uv.find_uv_bin(), *arguments],
        env={**os.environ, **index_settings(os.environ)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"uv {' '.join(arguments)}:\n{done.stderr}"
