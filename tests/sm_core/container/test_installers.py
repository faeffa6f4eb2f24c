"""Which installer is used, with which index."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sm_core.container.errors import InstallerFailed
from sm_core.container.installers import Installer, find_installer


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """As if no installer were configured, and an executable were named as uv."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("sm_core.container.installers._PIP_FILES", ())
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("UV", sys.executable)
    monkeypatch.delenv("CA_REPOSITORY_ARN", raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "uv"),
    [
        ({}, True),
        ({"PIP_INDEX_URL": "https://mine.example"}, False),
        ({"PIP_EXTRA_INDEX_URL": "https://mine.example"}, False),
        ({"PIP_FIND_LINKS": "/wheels"}, False),
        ({"PIP_CONFIG_FILE": "/pip.conf"}, False),
        ({"PIP_CACHE_DIR": "/cache"}, True),
        ({"PIP_INDEX_URL": "https://mine.example", "UV_DEFAULT_INDEX": "https://x"}, True),
        ({"PIP_INDEX_URL": "https://mine.example", "UV_INDEX_URL": "https://x"}, True),
    ],
)
def test_the_one_that_knows_the_index_is_used(
    variables: dict[str, str], uv: bool, bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("pip")
    for name, value in variables.items():
        bare.setenv(name, value)
    assert find_installer(tmp_path, tmp_path).is_uv is uv


def test_a_configuration_file_speaks_for_pip(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("pip")
    (tmp_path / "pip.conf").touch()
    assert not find_installer(tmp_path, tmp_path).is_uv


@pytest.mark.integ
def test_what_it_says_shows_no_password(tmp_path: Path) -> None:
    script = "import sys; print('https://ann:hush@mine.example/x', *sys.argv[1:]); sys.exit(3)"
    installer = Installer(command=(sys.executable, "-c", script), directory=tmp_path, is_uv=True)
    with pytest.raises(InstallerFailed, match=r"https://\*\*\*@mine\.example/x a") as caught:
        installer.run(["a"])
    assert caught.value.exit_code == 3
    assert caught.value.command[-1] == "a"
