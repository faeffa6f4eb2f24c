"""Installed distributions become wheels again, whatever way they were installed."""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import uv

from sm_local.wheels import WheelError, installed_wheel

METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: 1.0\nRequires-Dist: attrs\n"
ENTRY_POINTS = "[sm_core.plugins]\nthing = {0}.plugin\n\n[console_scripts]\n{0} = {0}:main\n"


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


class Site:
    """A site-packages folder of the running interpreter, in which the test installs things."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.path = prefix / "lib" / "python3" / "site-packages"
        self.path.mkdir(parents=True)

    def install(
        self,
        name: str,
        files: Mapping[str, str],
        *,
        info: Mapping[str, str] | None = None,
        tags: Sequence[str] = ("py3-none-any",),
    ) -> None:
        """Write the files and a .dist-info folder whose RECORD lists them."""
        folder = f"{name.replace('-', '_')}-1.0.dist-info"
        wheel = ["Wheel-Version: 1.0", "Root-Is-Purelib: true", *(f"Tag: {tag}" for tag in tags)]
        described = {"METADATA": METADATA.format(name), "WHEEL": "\n".join(wheel), **(info or {})}
        listed = {**files, **{f"{folder}/{key}": text for key, text in described.items()}}
        listed[f"{folder}/RECORD"] = "".join(f'"{path}",,\n' for path in listed)
        write(self.path, listed)
        importlib.invalidate_caches()

    def install_editable(
        self, name: str, project: Path, *, info: Mapping[str, str] | None = None
    ) -> None:
        direct_url = {"dir_info": {"editable": True}, "url": project.as_uri()}
        self.install(
            name,
            {f"_editable_{name}.pth": str(project)},
            info={"direct_url.json": json.dumps(direct_url), **(info or {})},
        )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path / "prefix")
    monkeypatch.syspath_prepend(str(made.path))
    return made


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree on the path, as a .pth file would put it there."""
    path = tmp_path / "my project"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    return path


def contents(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def code(path: Path) -> set[str]:
    return {name for name in contents(path) if ".dist-info/" not in name}


def test_regular(site: Site, cache: Path) -> None:
    (site.prefix / "bin").mkdir()
    site.install(
        "My.Thing",
        {
            "my_thing/__init__.py": "def main(): ...",
            "my_thing/__pycache__/__init__.cpython-311.pyc": "",
            "my_thing/data/table.csv": "1,2",
            "my_thing/odd, name.txt": "",
            "../../../bin/my_thing": "#!/somewhere/python\n",
            "../../../bin/tool": "#!/somewhere/python3.11 -E\nprint()\n",
            "../../../share/man/thing.1": "manual",
        },
        info={
            "entry_points.txt": ENTRY_POINTS.format("my_thing"),
            "INSTALLER": "pip",
            "REQUESTED": "",
            "direct_url.json": json.dumps({"url": "file:///secret", "archive_info": {}}),
            "licenses/LICENSE": "free",
        },
    )
    made = installed_wheel("my_thing", cache)
    assert made.filename == "my_thing-1.0-py3-none-any.whl"
    assert made.path.name == made.filename
    assert made.path.is_relative_to(cache)
    found = contents(made.path)
    record = found.pop("my_thing-1.0.dist-info/RECORD")
    assert found == {
        "my_thing/__init__.py": "def main(): ...",
        "my_thing/data/table.csv": "1,2",
        "my_thing/odd, name.txt": "",
        "my_thing-1.0.data/scripts/tool": "#!python\nprint()\n",
        "my_thing-1.0.data/data/share/man/thing.1": "manual",
        "my_thing-1.0.dist-info/METADATA": METADATA.format("My.Thing"),
        "my_thing-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: sm-local\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
        "my_thing-1.0.dist-info/entry_points.txt": ENTRY_POINTS.format("my_thing"),
        "my_thing-1.0.dist-info/licenses/LICENSE": "free",
    }
    rows = [line.rpartition(",sha256=") for line in record.splitlines()]
    assert len(rows) == len(found) + 1
    assert '"my_thing/odd, name.txt"' in {row[0] for row in rows}
    assert rows[-1][2] == "my_thing-1.0.dist-info/RECORD,,"


def test_the_same_files_make_the_same_bytes(site: Site, cache: Path, tmp_path: Path) -> None:
    site.install("thing", {"thing/__init__.py": "1", "thing/b.py": "2"})
    first = installed_wheel("thing", cache)
    assert installed_wheel("thing", cache) == first
    os.utime(site.path / "thing" / "b.py", (0, 0))
    (site.path / "thing" / "b.py").chmod(0o600)
    again = installed_wheel("thing", tmp_path / "another cache")
    assert (again.sha256, again.path.read_bytes()) == (first.sha256, first.path.read_bytes())
    (site.path / "thing" / "b.py").write_text("3")
    assert installed_wheel("thing", cache).sha256 != first.sha256
    (site.path / "thing" / "b.py").write_text("2")
    (site.path / "thing" / "b.py").chmod(0o755)
    assert installed_wheel("thing", cache).sha256 != first.sha256


def test_compiled_modules_keep_their_tags(site: Site, cache: Path) -> None:
    tags = ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64")
    site.install("fast", {"fast/core.so": "", "fast/__init__.py": ""}, tags=tags)
    made = installed_wheel("fast", cache)
    platforms = "manylinux_2_17_x86_64.manylinux2014_x86_64"
    assert made.filename == f"fast-1.0-cp311-cp311-{platforms}.whl"
    wheel = contents(made.path)["fast-1.0.dist-info/WHEEL"]
    assert [line.removeprefix("Tag: ") for line in wheel.splitlines() if "Tag" in line] == [*tags]


def test_editable(site: Site, project: Path, cache: Path) -> None:
    write(
        project,
        {
            "my_thing/__init__.py": "",
            "my_thing/plugin.py": "",
            "my_thing/py.typed": "",
            "my_thing/deep/data.json": "{}",
            "my_thing/deep/data.json~": "",
            "my_thing/.data.json.swp": "",
            "my_thing/.mypy_cache/x.json": "",
            "my_thing/__pycache__/plugin.cpython-311.pyc": "",
            "helpers.py": "",
            "tests/__init__.py": "",
            "setup.py": "",
        },
    )
    (project / "my_thing" / "linked").symlink_to(project / "my_thing")
    info = {"entry_points.txt": "[sm_core.plugins]\nx = helpers\n", "INSTALLER": "uv"}
    site.install_editable("my-thing", project, info=info)
    made = installed_wheel("my-thing", cache)
    assert made.filename == "my_thing-1.0-py3-none-any.whl"
    assert code(made.path) == {
        "helpers.py",
        "my_thing/__init__.py",
        "my_thing/deep/data.json",
        "my_thing/plugin.py",
        "my_thing/py.typed",
    }
    assert set(contents(made.path)) - code(made.path) == {
        f"my_thing-1.0.dist-info/{name}"
        for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")
    }


def test_editable_and_regular_are_the_same(site: Site, project: Path, cache: Path) -> None:
    files = {"thing/__init__.py": "1", "thing/sub/x.py": "2"}
    write(project, files)
    site.install_editable("thing", project)
    editable = installed_wheel("thing", cache)
    (site.path / "thing-1.0.dist-info" / "direct_url.json").unlink()
    site.install("thing", files)
    assert installed_wheel("thing", cache).sha256 == editable.sha256


def test_editable_with_a_src_folder(
    site: Site, project: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        project,
        {
            "src/thing/__init__.py": "",
            "src/_thing_helpers.py": "",
            "src/other/__init__.py": "",
            "src/notes/read.me": "",
            "src/thing.egg-info/PKG-INFO": METADATA.format("thing"),
            "src/README": "",
        },
    )
    monkeypatch.syspath_prepend(str(project / "src"))
    site.install_editable("thing", project)
    assert code(installed_wheel("thing", cache).path) == {
        "_thing_helpers.py",
        "other/__init__.py",
        "thing/__init__.py",
    }


def test_editable_with_an_import_hook(
    site: Site, project: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finder:
        @staticmethod
        def find_spec(
            name: str, path: object = None, target: object = None
        ) -> importlib.machinery.ModuleSpec | None:
            if name not in mapping:
                return None
            return importlib.util.spec_from_file_location(name, project / mapping[name])

    mapping = {"hooked": "code/__init__.py", "single": "code/one.py"}
    write(project, {"code/__init__.py": "", "code/inner.py": "", "code/one.py": ""})
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    site.install_editable("some-name", project, info={"top_level.txt": "hooked\nsingle\n"})
    assert code(installed_wheel("some-name", cache).path) == {
        "single.py",
        "hooked/one.py",
        "hooked/__init__.py",
        "hooked/inner.py",
    }


def test_editable_portion_of_a_namespace(
    site: Site, project: Path, tmp_path: Path, cache: Path
) -> None:
    write(project, {"acme_space/mine/plugin.py": ""})
    write(site.path, {"acme_space/other/__init__.py": ""})
    site.install_editable(
        "acme-mine",
        project,
        info={"entry_points.txt": "[sm_core.plugins]\nx = acme_space.mine.plugin\n"},
    )
    assert code(installed_wheel("acme-mine", cache).path) == {"acme_space/mine/plugin.py"}


def test_editable_with_compiled_modules(site: Site, project: Path, cache: Path) -> None:
    write(project, {"fast/__init__.py": "", "fast/core.so": ""})
    site.install_editable("fast", project)
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert installed_wheel("fast", cache).filename == f"fast-1.0-{python}-{python}-{platform}.whl"


def test_packages_of_others_are_not_taken(site: Site, project: Path, cache: Path) -> None:
    # A virtual environment is often within the project.
    environment = project / ".venv" / "lib" / "site-packages"
    write(environment, {"stranger/__init__.py": ""})
    write(project, {"thing/__init__.py": ""})
    sys.path.append(str(environment))
    try:
        info = {"entry_points.txt": "[x]\na = stranger:f\nb = json:loads\n"}
        site.install_editable("thing", project, info=info)
        assert code(installed_wheel("thing", cache).path) == {"thing/__init__.py"}
    finally:
        sys.path.remove(str(environment))


def test_packages_that_cannot_be_found(site: Site, project: Path, cache: Path) -> None:
    site.install_editable("lost-thing", project)
    with pytest.raises(WheelError, match=r"tried: lost_thing\): install it from a wheel"):
        installed_wheel("lost-thing", cache)


def test_linked_as_an_egg(site: Site, project: Path, cache: Path) -> None:
    write(
        project,
        {
            "thing/__init__.py": "",
            "setup.py": "",
            "thing.egg-info/PKG-INFO": METADATA.format("thing"),
            "thing.egg-info/SOURCES.txt": "setup.py\nthing/__init__.py\n",
            "thing.egg-info/top_level.txt": "thing\n",
        },
    )
    importlib.invalidate_caches()
    found = contents(installed_wheel("thing", cache).path)
    assert found["thing-1.0.dist-info/METADATA"] == METADATA.format("thing")
    assert "thing/__init__.py" in found
    assert "setup.py" not in found


def test_installed_without_a_record(site: Site, cache: Path) -> None:
    site.install("thing", {"thing/__init__.py": "", "unrelated/__init__.py": ""})
    (site.path / "thing-1.0.dist-info" / "RECORD").unlink()
    assert code(installed_wheel("thing", cache).path) == {"thing/__init__.py"}


def test_not_installed(cache: Path) -> None:
    with pytest.raises(WheelError, match="run pip install no-such-thing"):
        installed_wheel("no-such-thing", cache)


def test_a_missing_file(site: Site, cache: Path) -> None:
    site.install("thing", {"thing/__init__.py": ""})
    (site.path / "thing" / "__init__.py").unlink()
    # From Python 3.12 on, such files are not even listed.
    if sys.version_info < (3, 12):
        with pytest.raises(WheelError, match=r"__init__\.py, a file of thing, is missing"):
            installed_wheel("thing", cache)


def test_old_wheels_leave_the_cache(site: Site, cache: Path) -> None:
    site.install("thing", {"thing/__init__.py": ""})
    site.install("thing-two", {"thing_two/__init__.py": ""})
    other = installed_wheel("thing-two", cache)
    for number in range(20):
        (site.path / "thing" / "__init__.py").write_text(f"{number}")
        made = installed_wheel("thing", cache)
        os.utime(made.path.parent, (number, number))
    assert len(list(cache.glob("thing-*"))) <= 9
    assert made.path.exists()
    assert other.path.exists()


@pytest.mark.integ
def test_it_installs(site: Site, cache: Path, tmp_path: Path) -> None:
    site.install(
        "my-thing",
        {
            "my_thing/__init__.py": "def main(): print('it runs')",
            "../../../bin/tool": "#!/usr/bin/python\nprint('so does the script')\n",
        },
        info={"entry_points.txt": ENTRY_POINTS.format("my_thing")},
    )
    made = installed_wheel("my-thing", cache)
    environment = tmp_path / "environment"
    run = [uv.find_uv_bin(), "--quiet", "--no-config", "--offline"]
    subprocess.run([*run, "venv", "--python", sys.executable, environment], check=True)
    install = [*run, "pip", "install", "--python", str(environment), "--no-deps", "--no-cache"]
    subprocess.run([*install, made.path], check=True)
    for script, words in (("my_thing", "it runs"), ("tool", "so does the script")):
        output = subprocess.check_output([environment / "bin" / script], text=True)
        assert output == f"{words}\n"
    command = (
        "import importlib.metadata as m; print(*[e.value for e in m.entry_points(group='{}')])"
    )
    plugins = subprocess.check_output(
        [environment / "bin" / "python", "-I", "-c", command.format("sm_core.plugins")], text=True
    )
    assert plugins == "my_thing.plugin\n"


@pytest.mark.integ
def test_ours_install_beside_each_other(cache: Path, tmp_path: Path) -> None:
    wheels = [installed_wheel(name, cache).path for name in ("sm-core", "sm-local")]
    environment = tmp_path / "environment"
    run = [uv.find_uv_bin(), "--quiet", "--no-config", "--offline"]
    subprocess.run([*run, "venv", "--python", sys.executable, environment], check=True)
    install = [*run, "pip", "install", "--python", str(environment), "--no-deps", "--no-cache"]
    subprocess.run([*install, *wheels], check=True)
    command = "import sm_core, sm_local; print(sm_core.__file__)"
    output = subprocess.check_output(
        [environment / "bin" / "python", "-I", "-c", command], text=True
    )
    assert Path(output.strip()).is_relative_to(environment)
