"""Environments are built once, whole, and by nobody else at the same time."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import platform
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from sm_core.containerspec import ContainerSpec
from sm_local.environments import EnvironmentFailed, ensure_environment, find_python
from sm_local.environmentspec import EnvironmentSpec, Wheel
from sm_local.indexes import index_settings

NO_INDEX = {"UV_NO_INDEX": "1"}
RANGE = f"=={sys.version_info.major}.{sys.version_info.minor}.*"


class Wheels:
    """Wheels made by the test, as the service would have them: files without a telling name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, Path] = {}

    def add(self, name: str, *requires: str, code: str = "", version: str = "1.0") -> Wheel:
        content = io.BytesIO()
        info = f"{name}-{version}.dist-info"
        metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(f"{name}/__init__.py", code)
            archive.writestr(f"{info}/METADATA", "\n".join(metadata))
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        digest = hashlib.sha256(content.getvalue()).hexdigest()
        self.files[digest] = self.folder / f"blob{len(self.files)}"
        self.files[digest].write_bytes(content.getvalue())
        return Wheel(filename=f"{name}-{version}-py3-none-any.whl", sha256=digest)

    def folder_of_links(self, *wheels: Wheel) -> str:
        """Return a folder in which an installer finds the wheels by their names."""
        links = self.folder / "links"
        links.mkdir()
        for wheel in wheels:
            os.link(self.files[wheel.sha256], links / wheel.filename)
        return links.as_uri()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def wheels(tmp_path: Path) -> Wheels:
    return Wheels(tmp_path)


@pytest.fixture
def log() -> list[str]:
    return []


def spec(
    *requirements: str,
    wheels: tuple[Wheel, ...] = (),
    index: dict[str, str] | None = None,
    python: str = RANGE,
    platforms: tuple[str, ...] = (),
    avoid: tuple[str, ...] = (),
) -> EnvironmentSpec:
    container = ContainerSpec(
        framework="mxnet",
        version="1.9.1",
        python=python,
        requirements=requirements,
        platforms=platforms,
        avoid=avoid,
    )
    return EnvironmentSpec(
        container=container, wheels=wheels, index=NO_INDEX if index is None else index
    )


def python(folder: Path, command: str) -> str:
    return subprocess.check_output([folder / "bin" / "python", "-I", "-c", command], text=True)


@pytest.mark.integ
def test_an_empty_one(home: Path, log: list[str]) -> None:
    folder = ensure_environment(home, spec(), {}, log.append)
    assert folder.parent == home / "environments"
    assert python(folder, "import sys; print(sys.prefix)").strip() == str(folder)
    assert log[0] == "building the environment of mxnet 1.9.1"
    assert log[-1].startswith("environment ready after")
    log.clear()
    assert ensure_environment(home, spec(), {}, log.append) == folder
    assert log == []


@pytest.mark.integ
def test_wheels_and_their_container_requirements(
    home: Path, wheels: Wheels, log: list[str]
) -> None:
    wanted = [wheels.add("wanted"), wheels.add("also"), wheels.add("direct", "wanted")]
    core = wheels.add(
        "core",
        "no-such-base",
        "wanted>=1; extra == 'container'",
        "also ; (sys_platform != 'win32') and extra == \"container\"",
        "no-such-windows; sys_platform == 'win32' and extra == 'container'",
        "no-such-extra; extra == 'test'",
        code="answer = 42",
    )
    index = {**NO_INDEX, "UV_FIND_LINKS": wheels.folder_of_links(*wanted)}
    folder = ensure_environment(
        home, spec("direct==1.0", wheels=(core,), index=index), wheels.files, log.append
    )
    assert python(folder, "import core, wanted, also, direct; print(core.answer)") == "42\n"
    assert any(line.startswith("Installed 3 packages") for line in log)
    assert not [line for line in log if line.startswith((" +", "Using"))]


@pytest.mark.integ
def test_the_installer_says_why_it_failed(home: Path, log: list[str]) -> None:
    index = {"UV_DEFAULT_INDEX": "http://ann:hush@127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}
    with pytest.raises(EnvironmentFailed) as caught:
        ensure_environment(home, spec("no-such-package", index=index), {}, log.append)
    assert "mxnet 1.9.1" in str(caught.value)
    assert "no-such-package" in str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)
    assert "hush" not in str(caught.value) + "".join(log)
    assert [path.suffix for path in (home / "environments").iterdir()] == [".lock"]


@pytest.mark.integ
def test_passwords_in_requirements_are_not_shown(home: Path, log: list[str]) -> None:
    requirement = "thing @ http://ann:hush@127.0.0.1:9/thing-1.0-py3-none-any.whl"
    index = {"UV_HTTP_RETRIES": "0"}
    with pytest.raises(EnvironmentFailed, match="thing") as caught:
        ensure_environment(home, spec(requirement, index=index), {}, log.append)
    assert "hush" not in str(caught.value) + "".join(log)


@pytest.mark.integ
def test_a_damaged_wheel(home: Path, wheels: Wheels, log: list[str]) -> None:
    wheel = wheels.add("thing")
    wheels.files[wheel.sha256].write_bytes(b"damaged")
    with pytest.raises(EnvironmentFailed, match=r"thing-1\.0-py3-none-any\.whl was damaged"):
        ensure_environment(home, spec(wheels=(wheel,)), wheels.files, log.append)


@pytest.mark.integ
def test_a_half_built_one_is_built_anew(home: Path, wheels: Wheels, log: list[str]) -> None:
    wheel = wheels.add("thing")
    wanted = spec(wheels=(wheel,))
    folder = ensure_environment(home, wanted, wheels.files, log.append)
    (folder / ".complete").unlink()
    (folder / "rubbish").touch()
    assert ensure_environment(home, wanted, wheels.files, log.append) == folder
    assert not (folder / "rubbish").exists()
    assert python(folder, "import thing") == ""


@pytest.mark.integ
def test_one_whose_interpreter_has_gone_is_built_anew(home: Path, log: list[str]) -> None:
    folder = ensure_environment(home, spec(), {}, log.append)
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/no/such/python")
    assert ensure_environment(home, spec(), {}, log.append) == folder
    assert python(folder, "print(1)") == "1\n"


@pytest.mark.integ
def test_content_decides_which_one(home: Path, wheels: Wheels, log: list[str]) -> None:
    first, second = wheels.add("thing"), wheels.add("thing", code="new = 1")

    def folder(wheel: Wheel, **index: str) -> Path:
        wanted = spec(wheels=(wheel,), index={**NO_INDEX, **index})
        return ensure_environment(home, wanted, wheels.files, log.append)

    assert folder(first) == folder(first, HTTPS_PROXY="http://proxy.example")
    assert folder(first) != folder(second)
    token = "https://aws:{}@index.example/simple"
    assert folder(first, UV_DEFAULT_INDEX=token.format("monday")) == folder(
        first, UV_DEFAULT_INDEX=token.format("tuesday")
    )
    assert folder(first) != folder(first, UV_DEFAULT_INDEX=token.format("monday"))


@pytest.mark.integ
def test_two_at_once(home: Path, wheels: Wheels) -> None:
    wanted = spec(wheels=(wheels.add("thing"),))
    logs: list[list[str]] = [[], [], []]
    folders: list[Path] = []

    def build(log: list[str]) -> None:
        folders.append(ensure_environment(home, wanted, wheels.files, log.append))

    threads = [threading.Thread(target=build, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(folders)) == 1
    assert len(folders) == 3
    builders = [log for log in logs if any(line.startswith("building") for line in log)]
    assert len(builders) == 1


@pytest.mark.integ
def test_giving_up_ends_the_installer(home: Path, wheels: Wheels) -> None:
    class GivenUp(Exception):
        pass

    def give_up(line: str) -> None:
        if line.startswith("Prepared"):
            raise GivenUp

    wanted = spec(wheels=(wheels.add("thing"),))
    with pytest.raises(GivenUp):
        ensure_environment(home, wanted, wheels.files, give_up)
    (lock,) = (home / "environments").iterdir()
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert ensure_environment(home, wanted, wheels.files, lambda line: None).is_dir()


@pytest.mark.integ
def test_an_installer_without_its_parent_keeps_the_lock(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer = tmp_path / "uv"
    installer.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\nread x < {tmp_path}/go\n")
    installer.chmod(0o755)
    os.mkfifo(tmp_path / "go")
    script = (
        "import os, sys, uv; from pathlib import Path\n"
        f"uv.find_uv_bin = lambda: {str(installer)!r}\n"
        "from sm_local.environments import ensure_environment\n"
        "from sm_local.environmentspec import EnvironmentSpec\n"
        f"spec = EnvironmentSpec.from_json({spec().to_json()!r})\n"
        f"ensure_environment(Path({str(home)!r}), spec, {{}}, lambda line: None)\n"
    )
    builder = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 30
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    builder.kill()
    builder.wait()
    log: list[str] = []
    successor = threading.Thread(target=ensure_environment, args=(home, spec(), {}, log.append))
    successor.start()
    while not log:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert log == ["waiting for the environment, which is being built already"]
    (tmp_path / "go").write_text("\n")
    successor.join()
    assert log[1] == "building the environment of mxnet 1.9.1"


def test_a_platform_without_a_build(home: Path, log: list[str]) -> None:
    with pytest.raises(EnvironmentFailed, match=r"mxnet 1\.9\.1 has no build for .*plan9-mips"):
        ensure_environment(home, spec(platforms=("plan9-mips",)), {}, log.append)
    assert not home.exists()


@pytest.mark.parametrize(
    ("system", "machine", "fits"),
    [("linux", "x86_64", True), ("darwin", "x86_64", True), ("darwin", "arm64", False)],
)
def test_platforms(
    home: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, fits: bool
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr("sysconfig.get_platform", lambda: f"{system}-11.0-{machine}")
    message = "no Python" if fits else f"no build for macosx-{machine}"
    with pytest.raises(EnvironmentFailed, match=message):
        ensure_environment(
            home,
            spec(platforms=("linux-x86_64", "macosx-x86_64"), python="<3"),
            {},
            lambda line: None,
        )


@pytest.mark.integ
def test_another_python(home: Path, log: list[str]) -> None:
    other = "3.10" if sys.version_info[:2] != (3, 10) else "3.11"
    try:
        find_python(f"=={other}.*")
    except EnvironmentFailed:
        pytest.skip(f"no Python {other} here")
    folder = ensure_environment(home, spec(python=f"=={other}.*"), {}, log.append)
    assert python(folder, "import sys; print(*sys.version_info[:2], sep='.')") == f"{other}\n"


@pytest.mark.integ
@pytest.mark.parametrize("versions", [("1.0+cpu", "1.0", "2.0"), ("1.0", "2.0")])
def test_builds_that_need_less_where_the_index_has_them(
    home: Path, wheels: Wheels, log: list[str], versions: tuple[str, ...]
) -> None:
    made = [wheels.add("heavy")]
    for version in versions:
        requires = () if version.endswith("+cpu") else ("heavy",)
        made.append(wheels.add("toy", *requires, code=f"v = {version!r}", version=version))
    index = {**NO_INDEX, "UV_FIND_LINKS": wheels.folder_of_links(*made)}
    folder = ensure_environment(home, spec("toy>=1", index=index, avoid=("heavy",)), {}, log.append)
    found = python(folder, "import toy, importlib.util as u; print(toy.v, u.find_spec('heavy'))")
    told = any("no builds that do without heavy" in line for line in log)
    if "1.0+cpu" in versions:
        assert (found, told) == ("1.0+cpu None\n", False)
    else:
        assert found.startswith("2.0 ModuleSpec")
        assert told


@pytest.mark.integ
def test_from_the_package_index(home: Path, log: list[str]) -> None:
    index = index_settings(os.environ)
    folder = ensure_environment(home, spec("iniconfig>=2", index=index), {}, log.append)
    assert python(folder, "import iniconfig; print(iniconfig.__name__)") == "iniconfig\n"
