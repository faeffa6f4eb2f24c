"""Builders of environments: several at once, killed ones, and those whose index has gone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from sm_core.containerspec import ContainerSpec
from sm_local.environments import EnvironmentFailed, ensure_environment
from sm_local.environmentspec import EnvironmentSpec, Wheel
from sm_local.home import Home
from sm_local.pruning import built_environments
from sm_local.wheels import WheelFile, installed_wheel
from tests.packageindex import package_index

pytestmark = pytest.mark.integ

PLAIN = ContainerSpec(
    framework="plain", version="1", python=f"=={sys.version_info.major}.{sys.version_info.minor}.*"
)
#: Builds, and kills itself as soon as a line of the log begins with the last argument.
BUILDER = """
import json, os, signal, sys
from pathlib import Path
from sm_local.environments import ensure_environment
from sm_local.environmentspec import EnvironmentSpec

home, spec, wheels, fatal = sys.argv[1:]
lines = []

def log(line):
    lines.append(line)
    if fatal and line.startswith(fatal):
        os.kill(os.getpid(), signal.SIGKILL)

wheels = {digest: Path(path) for digest, path in json.loads(wheels).items()}
sys.stdin.readline()
folder = ensure_environment(Path(home), EnvironmentSpec.from_json(spec.encode()), wheels, log)
print(json.dumps({"folder": str(folder), "lines": lines}))
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def wheel(tmp_path: Path) -> WheelFile:
    """A package that is there because pytest is."""
    return installed_wheel("iniconfig", tmp_path / "wheels")


def spec_of(wheel: WheelFile) -> EnvironmentSpec:
    return EnvironmentSpec(
        container=PLAIN,
        wheels=(Wheel(filename=wheel.filename, sha256=wheel.sha256),),
        index={"UV_NO_INDEX": "1"},
    )


def builder(home: Home, wheel: WheelFile, fatal: str = "") -> subprocess.Popen[str]:
    """A process that waits for a line, then builds."""
    wheels = json.dumps({wheel.sha256: str(wheel.path)})
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, home.path, spec_of(wheel).to_json(), wheels, fatal],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def imports(folder: str | Path, module: str) -> bool:
    command = [str(Path(folder) / "bin" / "python"), "-I", "-c", f"import {module}"]
    return subprocess.run(command, check=False).returncode == 0


def test_several_processes_ask_for_one_at_once(home: Home, wheel: WheelFile) -> None:
    builders = [builder(home, wheel) for _ in range(4)]
    for process in builders:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [json.loads(process.communicate()[0]) for process in builders]
    assert [process.returncode for process in builders] == [0] * 4
    (folder,) = {answer["folder"] for answer in answers}
    built = [
        answer for answer in answers if any("building the" in line for line in answer["lines"])
    ]
    assert len(built) == 1
    assert imports(folder, "iniconfig")


@pytest.mark.parametrize("line", ["building", "Resolved", "Prepared", "Installed", "environment"])
def test_one_that_was_killed_midway_leaves_nothing_broken(
    home: Home, wheel: WheelFile, line: str
) -> None:
    process = builder(home, wheel, fatal=line)
    process.communicate("\n")
    assert process.returncode == -signal.SIGKILL
    complete = line == "environment"  # its last line
    assert len(built_environments(home)) == complete
    log: list[str] = []
    folder = ensure_environment(home.path, spec_of(wheel), {wheel.sha256: wheel.path}, log.append)
    assert imports(folder, "iniconfig")
    assert any(each.startswith("building") for each in log) != complete
    assert [each.folder for each in built_environments(home)] == [folder]


def test_what_came_from_the_index_once_is_enough_when_it_has_gone(
    home: Home, wheel: WheelFile, tmp_path: Path
) -> None:
    def build(url: str, *requirements: str) -> tuple[Path, list[str]]:
        log: list[str] = []
        container = attrs.evolve(PLAIN, requirements=requirements)
        settings = {
            "UV_DEFAULT_INDEX": url,
            "UV_CACHE_DIR": str(tmp_path / "cache"),
            "UV_HTTP_RETRIES": "0",
            "NO_PROXY": "127.0.0.1",
        }
        spec = EnvironmentSpec(container=container, index=settings)
        return ensure_environment(home.path, spec, {}, log.append), log

    with package_index(tmp_path / "pages", wheel.path) as (url, vanish):
        first, log = build(url, "iniconfig")
        assert not any("does not answer" in line for line in log)
        vanish()
        assert build(url, "iniconfig") == (first, [])
        # Another environment of the same packages: the client's own code has changed, say.
        second, log = build(url, "iniconfig>=1")
        assert any("does not answer" in line for line in log)
        assert second != first
        assert imports(second, "iniconfig")
        with pytest.raises(EnvironmentFailed, match=r"(?s)Failed to fetch.*127\.0\.0\.1"):
            build(url, "iniconfig", "another-package")


def test_a_long_explanation_is_told_with_its_beginning_and_end(home: Home, tmp_path: Path) -> None:
    source = tmp_path / "broken"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "back"\nbackend-path = ["."]\n'
        '[project]\nname = "broken"\nversion = "1.0"\n'
    )
    (source / "back.py").write_text(
        "import sys\n"
        "def build_wheel(*_):\n"
        "    for number in range(100): print('compiling', number, file=sys.stderr)\n"
        "    raise RuntimeError('there is no compiler')\n"
    )
    log: list[str] = []
    container = attrs.evolve(PLAIN, requirements=(f"broken @ {source.as_uri()}",))
    spec = EnvironmentSpec(container=container, index={"UV_NO_INDEX": "1"})
    with pytest.raises(EnvironmentFailed) as caught:
        ensure_environment(home.path, spec, {}, log.append)
    message = str(caught.value)
    assert len(message) < 1000
    assert "Failed to build `broken @" in message
    assert "there is no compiler" in message
    assert sum("compiling" in line for line in log) == 100
