"""make's targets: all there, described, and honest about what they leave out."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROMISED = {
    "quickstart", "test", "test-unit", "test-integ", "test-all", "test-long", "test-aws", "check",
    "docs", "bench", "dist", "setup", "clean", "help",
}  # fmt: skip


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        # A shell cannot trap what its parent ignores, as in the background of a script.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
    )


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))


def test_the_promised_targets_exist_and_no_file_hides_one() -> None:
    phony = re.search(r"\.PHONY:((?:[^\n\\]|\\\n)*)", MAKEFILE)
    assert phony is not None
    assert set(phony[1].replace("\\", " ").split()) == targets()
    assert targets() >= PROMISED


def test_without_a_target_make_shows_them_all() -> None:
    answer = make()
    assert answer.returncode == 0
    shown = set(re.findall(r"^  make ([a-z-]+) +\S", answer.stdout, re.MULTILINE))
    assert shown == targets()


@pytest.mark.parametrize("target", sorted(targets()))
def test_a_target_can_be_made(target: str) -> None:
    answer = make("--dry-run", target, f"PYTHON={sys.executable}")
    assert answer.returncode == 0, answer.stderr


def test_tests_can_be_chosen_by_name() -> None:
    assert '-k "estimator"' in make("--dry-run", "test", "K=estimator").stdout


def test_an_old_python_is_refused_by_name(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    answer = make("setup", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")
    assert answer.returncode != 0
    assert f"{old} is older than Python 3.10" in answer.stdout
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(
    ("program", "ends", "down"),
    [
        ("exit 0", 0, "sm local down"),
        ("exit 1", 2, "sm local down"),
        ("kill -INT $PPID; exit 130", 2, "sm local down --all"),
    ],
)
def test_the_quickstart_always_ends_the_service(
    tmp_path: Path, program: str, ends: int, down: str
) -> None:
    (tmp_path / "bin").mkdir()
    for name, text in (("python", program), ("sm", 'echo "sm $*"')):
        command = tmp_path / "bin" / name
        command.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        command.chmod(0o755)
    (tmp_path / ".installed").touch()
    answer = make("quickstart", f"VENV={tmp_path}", f"PYTHON={sys.executable}")
    assert answer.returncode == ends, answer.stderr
    assert answer.stdout.splitlines()[-1] == down


def test_pythons_are_found_on_the_path_and_among_pyenv_s(tmp_path: Path) -> None:
    finder = ROOT / "tools" / "find-python"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    bin_folder = tmp_path / "versions" / f"{version}.99" / "bin"
    bin_folder.mkdir(parents=True)
    interpreter = bin_folder / f"python{version}"
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    interpreter.chmod(0o755)
    for variables in (
        {"PATH": "/usr/bin:/bin", "PYENV_ROOT": str(tmp_path)},
        {"PATH": f"{bin_folder}:/usr/bin:/bin", "PYENV_ROOT": "/nowhere"},
    ):
        found = subprocess.run([finder, version], env=variables, capture_output=True, check=True)
        assert found.stdout.strip()
    none = {"PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
    missing = subprocess.run([finder, "9.9"], env=none, capture_output=True, check=False)
    assert missing.returncode == 1


def test_continuous_integration_checks_and_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = script.read_text(encoding="utf-8").splitlines()
    assert [line.split("<")[0].strip() for line in lines if line.startswith("make ")] == [
        "make check",
        "make test",
    ]
