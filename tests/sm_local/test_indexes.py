"""pip's configuration means the same to uv."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sm_core.errors import LocalServiceError
from sm_local.indexes import (
    credentials,
    index_settings,
    mask,
    pip_config_files,
    without_credentials,
    without_transport,
)


def config(tmp_path: Path, text: str, name: str = "pip.conf") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_nothing_configured() -> None:
    assert index_settings({"PATH": "/bin", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}, []) == {}


def test_variables_of_pip(tmp_path: Path) -> None:
    environ = {
        "PIP_INDEX_URL": "https://user:hush@index.example/simple",
        "PIP_EXTRA_INDEX_URL": "https://a.example/simple  https://b.example/simple",
        "PIP_FIND_LINKS": f"{tmp_path} https://c.example/wheels",
        "PIP_TRUSTED_HOST": "a.example b.example:8080",
        "PIP_CERT": str(tmp_path / "ca.pem"),
        "PIP_CLIENT_CERT": str(tmp_path / "client.pem"),
        "PIP_DEFAULT_TIMEOUT": "60.5",
        "PIP_RETRIES": "2",
        "PIP_PROXY": "proxy.example:3128",
        "PIP_KEYRING_PROVIDER": "subprocess",
    }
    assert index_settings(environ, []) == {
        "UV_DEFAULT_INDEX": "https://user:hush@index.example/simple",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": f"{tmp_path.as_uri()},https://c.example/wheels",
        "UV_INSECURE_HOST": "a.example b.example:8080",
        "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        "SSL_CLIENT_CERT": str(tmp_path / "client.pem"),
        "UV_HTTP_TIMEOUT": "60",
        "UV_HTTP_RETRIES": "2",
        "HTTP_PROXY": "http://proxy.example:3128",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "UV_KEYRING_PROVIDER": "subprocess",
    }


def test_what_overrides_what(tmp_path: Path) -> None:
    files = [
        config(
            tmp_path, "[global]\nindex-url = https://1.example\nextra-index-url = https://2", "a"
        ),
        config(tmp_path, "[install]\nindex_url = https://3.example\n[list]\nformat = json", "b"),
        config(tmp_path, "[global]\nindex-url = https://4.example\nextra-index-url = \n", "c"),
        tmp_path / "missing",
    ]
    assert index_settings({}, files) == {"UV_DEFAULT_INDEX": "https://3.example"}
    environ = {"PIP_INDEX_URL": "https://5.example", "PIP_EXTRA_INDEX_URL": ""}
    assert index_settings(environ, files) == {"UV_DEFAULT_INDEX": "https://5.example"}


def test_several_lines(tmp_path: Path) -> None:
    file = config(
        tmp_path, "[global]\nextra-index-url =\n    https://a.example\n    https://b.example\n"
    )
    assert index_settings({}, [file])["UV_INDEX"] == "https://a.example https://b.example"


def test_no_index(tmp_path: Path) -> None:
    environ = {"PIP_NO_INDEX": "1", "PIP_INDEX_URL": "https://a", "PIP_FIND_LINKS": str(tmp_path)}
    assert index_settings(environ, []) == {
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": tmp_path.as_uri(),
    }
    assert index_settings({"PIP_NO_INDEX": "false"}, []) == {}


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my wheels").mkdir()
    (tmp_path / "certs").mkdir()
    environ = {
        "PIP_INDEX_URL": "./simple",
        "PIP_FIND_LINKS": f"file://{tmp_path}/my%20wheels missing file:///no/such/folder",
        "PIP_CERT": "certs",
    }
    assert index_settings(environ, []) == {
        "UV_DEFAULT_INDEX": (tmp_path / "simple").as_uri(),
        "UV_FIND_LINKS": f"file://{tmp_path}/my%20wheels",
        "SSL_CERT_DIR": str(tmp_path / "certs"),
    }


def test_settings_of_uv_come_first() -> None:
    environ = {
        "PIP_INDEX_URL": "https://pip.example",
        "PIP_CERT": "/pip.pem",
        "UV_INDEX": "https://uv.example",
        "UV_INDEX_PRIVATE_PASSWORD": "hush",
        "SSL_CERT_FILE": "/uv.pem",
        "UV_CACHE_DIR": "/cache",
        "https_proxy": "http://proxy.example",
        "UV_PROJECT_ENVIRONMENT": "/elsewhere",
        "UV_PYTHON": "2.7",
    }
    assert index_settings(environ, []) == {
        "UV_INDEX": "https://uv.example",
        "UV_INDEX_PRIVATE_PASSWORD": "hush",
        "SSL_CERT_FILE": "/uv.pem",
        "UV_CACHE_DIR": "/cache",
        "https_proxy": "http://proxy.example",
    }


def test_certificates_of_requests_are_those_of_pip() -> None:
    assert index_settings({"REQUESTS_CA_BUNDLE": "/ca.pem"}, []) == {"SSL_CERT_FILE": "/ca.pem"}


def test_a_configuration_with_errors_is_named(tmp_path: Path) -> None:
    file = config(tmp_path, "index-url = https://a.example")
    with pytest.raises(LocalServiceError, match=r"pip\.conf has errors"):
        index_settings({}, [file])


def test_places_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("sys.prefix", str(tmp_path / "venv"))
    home = {"HOME": "/home/ann"}
    usual = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        Path("/home/ann/.pip/pip.conf"),
        Path("/home/ann/.config/pip/pip.conf"),
        tmp_path / "venv" / "pip.conf",
    ]
    assert pip_config_files(home) == usual
    assert pip_config_files({**home, "PIP_CONFIG_FILE": os.devnull}) == []
    named = config(tmp_path, "")
    assert pip_config_files({**home, "PIP_CONFIG_FILE": str(named)}) == [
        *usual[:2],
        usual[4],
        named,
    ]
    elsewhere = {**home, "XDG_CONFIG_HOME": "/c", "XDG_CONFIG_DIRS": "/a:/b"}
    assert pip_config_files(elsewhere)[:5] == [
        Path("/a/pip/pip.conf"),
        Path("/b/pip/pip.conf"),
        Path("/etc/pip.conf"),
        Path("/home/ann/.pip/pip.conf"),
        Path("/c/pip/pip.conf"),
    ]


def test_places_on_macos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    library = tmp_path / "Library" / "Application Support" / "pip"
    assert tmp_path / ".config/pip/pip.conf" in pip_config_files({"HOME": str(tmp_path)})
    library.mkdir(parents=True)
    assert library / "pip.conf" in pip_config_files({"HOME": str(tmp_path)})


def test_the_usual_places_are_looked_at(tmp_path: Path) -> None:
    named = config(tmp_path, "[global]\nindex-url = https://a.example\n")
    found = index_settings({"PIP_CONFIG_FILE": str(named)})
    assert found["UV_DEFAULT_INDEX"] == "https://a.example"


def test_mask() -> None:
    text = "get https://ann:p%40ss@a.example/x,https://tok@b.example and http://c.example/@d"
    assert mask(text) == "get https://***@a.example/x,https://***@b.example and http://c.example/@d"


def test_what_decides_the_content() -> None:
    settings = {
        "UV_DEFAULT_INDEX": "https://aws:token@a.example/simple",
        "HTTPS_PROXY": "http://proxy.example",
        "UV_HTTP_TIMEOUT": "3",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    assert without_transport(settings) == {
        "UV_DEFAULT_INDEX": "https://a.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_credentials() -> None:
    public = {"UV_HTTP_TIMEOUT": "3", "UV_FIND_LINKS": "file:///a@b", "NO_PROXY": "a@b"}
    secret = {
        "UV_INDEX": "mine=https://ann:hush@a.example/simple https://tok@b.example",
        "UV_INDEX_MINE_USERNAME": "ann",
        "UV_INDEX_MINE_PASSWORD": "hush",
        "HTTPS_PROXY": "ann:hush@proxy.example:3128",
        "http_proxy": "http://ann:hush@proxy.example:3128",
    }
    assert credentials(public | secret) == secret
    assert without_credentials(public | secret) == {
        **public,
        "UV_INDEX": "mine=https://a.example/simple https://b.example",
        "HTTPS_PROXY": "proxy.example:3128",
        "http_proxy": "http://proxy.example:3128",
    }
