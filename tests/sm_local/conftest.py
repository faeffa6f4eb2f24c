"""Homes of local services, which no service outlives."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

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
