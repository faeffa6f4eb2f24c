"""The port of a home: chosen once, kept, and refused clearly when somebody else has it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sm_core.errors import ConfigurationError, LocalServiceError
from sm_local.home import Home
from sm_local.ports import HOST, PORT_VARIABLE, listen


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def occupied() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def port_of(home: Home, wanted: int | None = None) -> int:
    """The port that a start would listen on; closed again."""
    with listen(home, wanted) as listener:
        host, port = listener.getsockname()
    assert host == HOST
    assert home.port_file.read_text() == f"{port}\n"
    return int(port)


def test_chosen_once_and_kept(home: Home) -> None:
    port = port_of(home)
    assert 20000 <= port < 32768
    assert [port_of(home), port_of(home, 0)] == [port, port]


def test_a_named_port_is_kept(home: Home) -> None:
    named = port_of(Home(home.path.with_name("other")).create())
    assert port_of(home, named) == named
    assert port_of(home) == named


def test_it_accepts_at_once_and_on_loopback_only(home: Home) -> None:
    with listen(home, None) as listener:
        address = listener.getsockname()
        socket.create_connection(address).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", address[1]))


def test_a_kept_port_in_use(home: Home, occupied: int) -> None:
    home.port_file.write_text(str(occupied))
    with pytest.raises(LocalServiceError, match=f"port {occupied} .*sm local up --port N.*0 picks"):
        listen(home, None)
    assert home.port_file.read_text() == str(occupied)
    assert port_of(home, 0) != occupied


def test_a_named_port_in_use(home: Home, occupied: int) -> None:
    with pytest.raises(LocalServiceError, match="in use by another program"):
        listen(home, occupied)
    assert not home.port_file.exists()


def test_the_variable(home: Home, occupied: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PORT_VARIABLE, str(occupied))
    with pytest.raises(LocalServiceError, match=str(occupied)):
        listen(home, None)
    monkeypatch.setenv(PORT_VARIABLE, "0")
    assert port_of(home) != occupied


@pytest.mark.parametrize("text", ["http", "-1", "65536", "80.5"])
def test_a_variable_that_is_no_port(home: Home, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PORT_VARIABLE, text)
    with pytest.raises(ConfigurationError, match=PORT_VARIABLE):
        listen(home, None)


@pytest.mark.parametrize("text", ["", "0", "port", "70000"])
def test_a_port_file_that_holds_none(home: Home, text: str) -> None:
    home.port_file.write_text(text)
    assert port_of(home) >= 20000
