"""`make dist`: wheels built from the sdists install and work where the repository is not."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

pytestmark = pytest.mark.integ

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "sm-core": "sm_core",
    "sm-amazon-algos": "sm_amazon_algos",
    "sm-local": "sm_local",
    "sm-mxnet": "sm_mxnet",
    "sm-tensorflow": "sm_tensorflow",
}

NO_FRAMEWORK = """
import sm_core
try:
    sm_core.Estimator(framework="mxnet", entry_point="train.py", train_instance_type="ml.c5.xlarge")
except sm_core.UnknownFrameworkError as error:
    print(error)
try:
    sm_core.Session.local()
except sm_core.UnknownBackendError as error:
    print(error)
"""


class Environment:
    """A virtual environment, empty at first, and commands run in it away from the repository."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=True)
        self.folder = folder
        self.bin = folder / "venv" / "bin"

    def run(self, command: str, *arguments: str | Path) -> str:
        """What a command of the environment prints; fails with its output if it does."""
        answer = subprocess.run(
            [self.bin / command, *arguments],
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "200", "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    def install(self, *arguments: str | Path) -> None:
        constraints = ROOT / "constraints.txt"
        pip = ("-m", "pip", "install", "--quiet", "--constraint", constraints)
        self.run("python", *pip, *arguments)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sdists and wheels, built as `make dist` does."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    plugins = [package for package in PACKAGES.values() if package != "sm_core"]
    for source in (ROOT, *(ROOT / "plugins" / package for package in plugins)):
        subprocess.run([*build, source], check=True, capture_output=True)
    return folder


@attrs.frozen(kw_only=True)
class Installed:
    """One environment: what was said with sm-core alone in it, and then with all wheels."""

    environment: Environment
    alone: str
    plugins_alone: str


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    environment = Environment(tmp_path_factory.mktemp("installed"))
    environment.install(*dist.glob("sm_core-*.whl"))
    alone = environment.run("python", "-c", NO_FRAMEWORK)
    plugins_alone = environment.run("sm", "plugins")
    environment.install(*dist.glob("*.whl"))
    return Installed(environment=environment, alone=alone, plugins_alone=plugins_alone)


def test_every_distribution_has_an_sdist_and_a_wheel(dist: Path) -> None:
    names = sorted(path.name.partition("-")[0] for path in dist.iterdir())
    assert names == sorted([*PACKAGES.values(), *PACKAGES.values()])


def members(archive: Path) -> Iterator[str]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            yield from wheel.namelist()
    else:
        with tarfile.open(archive) as sdist:
            yield from (name.partition("/")[2] for name in sdist.getnames())


def test_each_holds_its_own_package_whole_and_nothing_else(dist: Path) -> None:
    for archive in dist.iterdir():
        package = archive.name.partition("-")[0]
        folder = ROOT if package == "sm_core" else ROOT / "plugins" / package
        sources = {
            str(path.relative_to(folder))
            for path in (folder / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        held = set(members(archive))
        assert sources <= held
        strangers = {name for name in held - sources if name.endswith(".py")}
        assert not strangers
        assert any(name.endswith("LICENSE") for name in held)


def test_descriptions_are_ready_for_an_index(dist: Path) -> None:
    twine = [sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir())]
    checked = subprocess.run(twine, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_core_alone_names_the_commands_that_help(installed: Installed) -> None:
    framework, backend = installed.alone.splitlines()
    assert "pip install sm-mxnet" in framework
    assert "pip install sm-local" in backend


def test_the_core_alone_lists_only_itself(installed: Installed) -> None:
    assert "sm-core" in installed.plugins_alone
    assert "sm-local" not in installed.plugins_alone


def test_the_wheels_work_together(installed: Installed) -> None:
    complete = installed.environment
    everything = f"import {', '.join(PACKAGES.values())}; print(sm_core.__file__)"
    where = complete.run("python", "-c", everything)
    assert str(complete.folder) in where
    listing = complete.run("sm", "plugins")
    assert set(PACKAGES) <= set(listing.split())
    complete.run("python", "-m", "pip", "check")
    frameworks = complete.run("python", "-c", "import sm_core; print(sm_core.list_frameworks())")
    assert frameworks.strip() == "['kmeans', 'linear-learner', 'mxnet', 'pca', 'tensorflow']"


@pytest.mark.long
def test_the_container_s_extra_is_enough_for_the_container(dist: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    wheel = next(dist.glob("sm_core-*.whl"))
    environment.install("--no-deps", wheel)
    extra = environment.run(
        "python",
        "-c",
        "from importlib.metadata import requires\n"
        "for line in requires('sm-core'):\n"
        "    requirement, _, marker = line.partition(';')\n"
        "    if 'container' in marker: print(requirement.strip())",
    )
    environment.install(*extra.split())
    environment.run("python", "-c", "import sm_core.container.training, sm_core.container.serving")


@pytest.mark.long
def test_an_editable_install_works(tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    editable = [
        word
        for folder in (ROOT, *sorted((ROOT / "plugins").iterdir()))
        for word in ("--editable", str(folder))
    ]
    environment.install(*editable)
    where = environment.run("python", "-c", "import sm_mxnet; print(sm_mxnet.__file__)")
    assert str(ROOT / "plugins") in where
    assert set(PACKAGES) <= set(environment.run("sm", "plugins").split())
