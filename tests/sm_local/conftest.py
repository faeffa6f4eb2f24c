"""Homes of local services, which no service outlives."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import uv

from sm_local.environments import index_settings
from sm_local.home import Home
from sm_local.locks import free
from sm_local.startup import probe, stop_service

STANDIN = Path(__file__).with_name("standin.py")


@contextmanager
def home_with_standin(folder: Path) -> Iterator[Home]:
    """A home in `folder` whose service, started meanwhile, has the stand-in."""
    library = folder / "lib"
    library.mkdir()
    shutil.copy(STANDIN, library / "sitecustomize.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(library))
        home = Home(folder / "home")
        yield home
        running = probe(home)
        if running is not None:
            os.kill(running.pid, signal.SIGKILL)
        assert free(home.service_lock, 20)


@pytest.fixture
def standin_home(tmp_path: Path) -> Iterator[Home]:
    """The test's home; its service has the stand-in."""
    with home_with_standin(tmp_path) as home:
        yield home


@pytest.fixture(scope="module")
def shared_standin_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home for the tests of a module; its service has the stand-in."""
    with home_with_standin(tmp_path_factory.mktemp("standin")) as home:
        yield home


@pytest.fixture
def service_home(tmp_path: Path) -> Iterator[Home]:
    """The test's home; its service is the real one, and is stopped in any case."""
    home = Home(tmp_path / "home")
    yield home
    running = probe(home)
    try:
        stop_service(home)
    finally:
        if running is not None and not free(home.service_lock, 20):
            os.kill(running.pid, signal.SIGKILL)


Install = Callable[[str], Path]


@pytest.fixture(scope="session")
def client_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Installs a client in a virtual environment of its own: of a requirement, the ``bin``."""

    @cache
    def install(requirement: str) -> Path:
        folder = tmp_path_factory.mktemp("client") / "environment"
        python = ("--python", str(folder / "bin" / "python"))
        for arguments in (
            ("venv", "--quiet", "--python", sys.executable, str(folder)),
            ("pip", "install", "--quiet", *python, requirement),
        ):
            subprocess.run(
                [uv.find_uv_bin(), *arguments],
                env={**os.environ, **index_settings(os.environ)},
                check=True,
            )
        return folder / "bin"

    return install


@pytest.fixture
def shell_of_a_user(tmp_path: Path) -> Callable[[Home, Path], dict[str, str]]:
    """Variables of a shell set up for AWS, for the service of a home and a client's programs.

    They are in the way of whoever does not evaluate what ``sm local env`` prints.
    """

    def variables(home: Home, programs: Path) -> dict[str, str]:
        own = Path(sys.executable).parent
        nowhere = "http://127.0.0.1:9"
        return {
            "PATH": os.pathsep.join(map(str, (programs, own, "/usr/bin", "/bin"))),
            "HOME": str(tmp_path),
            "TMPDIR": str(tmp_path),
            "LANG": "C.UTF-8",
            "SMCORE_LOCAL_HOME": str(home.path),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PROFILE": "missing",
            "AWS_SESSION_TOKEN": "of-the-shell",
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL_S3": nowhere,
            "HTTP_PROXY": nowhere,
            "http_proxy": nowhere,
        }

    return variables
