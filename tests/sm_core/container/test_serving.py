"""Model servers, driven through the contract as processes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sm_core.testing.containers import Container, ModelServer

pytestmark = pytest.mark.integ

PATIENCE = 30.0
ECHO = """
import os, time
def model_fn(model_dir):
    return os.path.basename(model_dir)
def transform_fn(model, data, content_type, accept):
    if data == b"raise":
        raise ValueError("no labels")
    if data == b"exit":
        os._exit(9)
    if data == b"slow":
        time.sleep(1)
    if data == b"wait":
        base = os.environ["SAGEMAKER_BASE_DIR"]
        open(base + "/begun", "w").close()
        while not os.path.exists(base + "/go"):
            time.sleep(0.02)
    return f"{model} {os.getpid()} {data!r}", "text/plain"
"""


@pytest.fixture
def container(tmp_path: Path) -> Container:
    container = Container(tmp_path)
    container.write_code({"serve.py": ECHO})
    return container


VARIABLES = {"SAGEMAKER_PROGRAM": "serve.py"}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def worker_of(server: ModelServer) -> int:
    return int(server.invoke(b"hi", content_type="x/y").body.split()[1])


def test_a_model_is_served_and_stopped(container: Container) -> None:
    with container.serve(variables=VARIABLES) as server:
        answer = server.invoke(b"hi", content_type="x/y")
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/plain"
        assert answer.body.startswith(b"model ")
        assert answer.body.endswith(b" b'hi'")
        failed = server.invoke(b"raise", content_type="x/y")
        assert (failed.status, failed.body) == (500, b"ValueError: no labels")
        assert server.request("GET", "/ping").status == 200
        assert server.stop() == 0
    assert not container.socket.exists()
    log = container.log()
    assert 'serve.py", line 7, in transform_fn' in log
    assert "sm_core/container" not in log.partition("Traceback")[2]


def test_ping_is_answered_while_the_model_works_and_stopping_waits(container: Container) -> None:
    with container.serve(variables=VARIABLES) as server:
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(server.invoke(b"wait", content_type="x/y").status)
        )
        thread.start()
        wait_for((container.base / "begun").exists)
        assert server.request("GET", "/ping").status == 200
        assert not answers
        stopping = threading.Timer(0.2, (container.base / "go").touch)
        stopping.start()
        assert server.stop() == 0
        stopping.join()
        thread.join()
        assert answers == [200]


def test_a_dead_worker_is_replaced(container: Container) -> None:
    with container.serve(variables=VARIABLES) as server:
        first = worker_of(server)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: "is replaced" in container.log())
        server.wait_until_healthy()
        second = worker_of(server)
        assert second != first
        died = server.invoke(b"exit", content_type="x/y")
        assert (died.status, died.body) == (
            500,
            b"the worker process ended with exit code 9 on this request",
        )
        server.wait_until_healthy()
        assert worker_of(server) not in (first, second)
    assert "ended with exit code 137 and is replaced" in container.log()
    assert "ended with exit code 9 and is replaced" in container.log()


def test_several_workers_answer_at_once(container: Container) -> None:
    variables = {**VARIABLES, "SAGEMAKER_MODEL_SERVER_WORKERS": "2"}
    with container.serve(variables=variables) as server, ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(server.invoke, b"slow", content_type="x/y") for _ in range(3)]
        seen = {int(each.result().body.split()[1]) for each in asked}
        assert len(seen) == 2
        assert server.process.pid not in seen
        assert server.stop() == 0
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in seen))


@pytest.mark.parametrize(
    ("script", "reasons"),
    [
        (
            "def model_fn(model_dir):\n    raise OSError('no weights')\ndef transform_fn(*a): ...",
            [
                "the model cannot be loaded",
                "Traceback",
                "line 2, in model_fn",
                "OSError: no weights",
            ],
        ),
        ("import no_such_module", ["Traceback", "No module named 'no_such_module'"]),
        ("print 'hello'", ["line 1", "is Python 2"]),
        (
            "import argparse\nargparse.ArgumentParser().parse_args()",
            [
                "serve.py ended Python while it was imported for its functions",
                'below `if __name__ == "__main__":`',
                "line 2, in <module>",
            ],
        ),
        (
            "import os\ndef model_fn(model_dir): os._exit(0)\ndef transform_fn(*a): ...",
            ["a worker ended with exit code 0 before it was ready"],
        ),
    ],
)
def test_a_model_that_cannot_be_loaded_ends_the_server(
    container: Container, script: str, reasons: list[str]
) -> None:
    container.write_code({"serve.py": script})
    variables = {**VARIABLES, "SAGEMAKER_MODEL_SERVER_WORKERS": "2"}
    with container.serving(variables=variables) as server:
        assert server.process.wait(PATIENCE) == 1
    log = container.log()
    for reason in reasons:
        assert reason in log
    assert not container.socket.exists()


def test_connections_are_refused_until_the_model_is_loaded(container: Container) -> None:
    script = (
        "import os, time\n"
        "def model_fn(model_dir):\n"
        "    open('../loading', 'w').close()\n"
        "    while not os.path.exists('../go'): time.sleep(0.02)\n"
        "def transform_fn(*a): return ''\n"
    )
    container.write_code({"serve.py": script})
    with container.serving(variables=VARIABLES) as server:
        wait_for((container.base / "loading").exists)
        with pytest.raises(ConnectionRefusedError):
            server.request("GET", "/ping")
        (container.base / "go").touch()
        server.wait_until_healthy()


def test_workers_end_with_their_parent(container: Container) -> None:
    with container.serve(variables=VARIABLES) as server:
        worker = worker_of(server)
        server.process.kill()
        server.process.wait()
        wait_for(lambda: not Path(f"/proc/{worker}").exists())


def test_a_port_is_bound_and_a_taken_one_is_named(container: Container) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        variables = {
            **VARIABLES,
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SMCORE_SERVER_SOCKET": "",
        }
        with container.serving(variables=variables) as server:
            assert server.process.wait(PATIENCE) == 1
        assert f"cannot listen on port {port}" in container.log()
    with container.serving(variables=variables) as server:
        wait_for(lambda: answers(port))
        assert server.stop() == 0


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            return connection.recv(12) == b"HTTP/1.1 200"
    except ConnectionRefusedError:
        return False


def test_a_body_over_the_limit_is_refused(container: Container) -> None:
    variables = {**VARIABLES, "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1"}
    with container.serve(variables=variables) as server:
        big = server.invoke(b"x" * (8 << 20), content_type="x/y")
        assert (big.status, big.body) == (413, b"the body exceeds the limit of 1048576 bytes")
        assert server.invoke(b"hi", content_type="x/y").status == 200


STUCK = """
import os, re, time
def model_fn(model_dir): ...
def transform_fn(model, data, content_type, accept):
    if data == b"sleep":
        time.sleep(100)
    if data == b"hold":
        re.match(r"(a+)+$", "a" * 60 + "b")  # holds the interpreter lock for years
    return str(os.getpid()), "text/plain"
"""


@pytest.mark.parametrize("how", [b"sleep", b"hold"])
def test_a_model_that_takes_too_long_is_answered_for_and_replaced(
    container: Container, how: bytes
) -> None:
    container.write_code({"serve.py": STUCK})
    variables = {**VARIABLES, "SAGEMAKER_MODEL_SERVER_TIMEOUT": "1"}
    with container.serve(variables=variables) as server, ThreadPoolExecutor(2) as threads:
        stuck = threads.submit(server.invoke, how, content_type="x/y")
        waiting = threads.submit(server.invoke, b"hi", content_type="x/y")
        assert server.request("GET", "/ping").status == 200
        # Until its worker is ended, of which this learns a moment before the client does.
        while not stuck.done() and server.request("GET", "/ping").status == 200:
            pass
        answers = {each.result().status: each.result().body for each in (stuck, waiting)}
        assert answers.pop(504) == b"the model did not answer within 1 seconds"
        # The other one was there first, waited for the next worker, or waited too long.
        assert set(answers) <= {200, 503}
        wait_for(lambda: "is replaced" in container.log())
        server.wait_until_healthy()
        assert server.invoke(b"hi", content_type="x/y").status == 200
        assert server.stop() == 0
    # Where it was stuck.
    assert re.search(r'File ".*serve.py", line \d+ in transform_fn', container.log())


def test_workers_that_cannot_be_started_any_more_end_the_server(container: Container) -> None:
    script = (
        "import os\n"
        "def model_fn(model_dir):\n"
        "    if os.path.exists('../once'): os._exit(7)\n"
        "    open('../once', 'w').close()\n"
        "def transform_fn(model, data, content_type, accept): os._exit(9)\n"
    )
    container.write_code({"serve.py": script})
    with container.serve(variables=VARIABLES) as server:
        assert server.invoke(b"hi", content_type="x/y").status == 500
        assert server.process.wait(PATIENCE) == 7
    assert container.log().count("ended with exit code 7 and is replaced") == 3


def test_a_model_that_takes_too_long_to_load_ends_the_server(container: Container) -> None:
    script = "import time\ndef model_fn(d): time.sleep(100)\ndef transform_fn(*a): ...\n"
    container.write_code({"serve.py": script})
    variables = {**VARIABLES, "SAGEMAKER_STARTUP_TIMEOUT": "1"}
    with container.serving(variables=variables) as server:
        assert server.process.wait(PATIENCE) == 134
    assert "took over 1 seconds to load" in container.log()


def test_a_server_that_still_loads_can_be_stopped(container: Container) -> None:
    script = (
        "import time\n"
        "def model_fn(d):\n"
        "    open('../loading', 'w').close()\n"
        "    time.sleep(100)\n"
        "def transform_fn(*a): ...\n"
    )
    container.write_code({"serve.py": script})
    with container.serving(variables=VARIABLES) as server:
        wait_for((container.base / "loading").exists)
        assert server.stop() == 0


def test_the_access_log_is_written_on_demand(container: Container) -> None:
    with container.serve(variables={**VARIABLES, "SMCORE_ACCESS_LOG": "true"}) as server:
        server.invoke(b"hi", content_type="x/y")
        assert server.stop() == 0
    lines = [json.loads(line) for line in container.log().splitlines() if line.startswith("{")]
    assert [line["path"] for line in lines if line["status"] == 200][-1] == "/invocations"


def connected(container: Container) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    connection.connect(str(container.socket))
    return connection


def everything(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


INVOKE = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: x/y\r\n"


def test_pipelined_requests_are_answered_in_order(container: Container) -> None:
    with container.serve(variables=VARIABLES) as server, connected(container) as connection:
        bodies = [b"slow", b"a", b"bc", b"slow", b"def"]
        requests = [b"%bContent-Length: %d\r\n\r\n%b" % (INVOKE, len(b), b) for b in bodies]
        last = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(b"".join(requests) + last)
        answered = everything(connection)
        assert re.findall(rb"b'(\w+)'", answered) == bodies
        assert answered.count(b"HTTP/1.1 200 OK") == 6
        assert server.request("GET", "/ping").status == 200


def test_what_is_too_big_is_refused_without_being_sent(container: Container) -> None:
    limit = {**VARIABLES, "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1"}
    with container.serve(variables=limit):
        with connected(container) as connection:
            connection.sendall(INVOKE + b"Content-Length: 2000000\r\nExpect: 100-continue\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 413"
        with connected(container) as connection:
            connection.sendall(INVOKE + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(20):
                connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            connection.sendall(b"0\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 413"
            while b"limit of 1048576 bytes" not in connection.recv(65536):
                pass
            # The rest was read and dropped; the connection can go on.
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_slow_and_endless_clients_are_let_go(container: Container) -> None:
    variables = {**VARIABLES, "SMCORE_SERVER_TRANSFER_TIMEOUT": "1"}
    script = "def model_fn(d): ...\ndef transform_fn(*a): return bytes(50 << 20), 'a/b'\n"
    container.write_code({"serve.py": script})
    with container.serve(variables=variables) as server:
        silent, head, body, reader, endless = (connected(container) for _ in range(5))
        with silent, head, body, reader, endless:
            head.sendall(b"GET /ping HT")
            body.sendall(INVOKE + b"Content-Length: 9\r\n\r\nhalf")
            reader.sendall(INVOKE + b"Content-Length: 0\r\n\r\n")
            endless.sendall(b"GET /ping HTTP/1.1\r\nX-More: ".ljust(64 * 1024 + 1, b"x"))
            assert b"431" in everything(endless)
            for connection in (silent, head, body):
                assert everything(connection) == b""
            wait_for(lambda: "take its answer" in container.log())
        assert server.request("GET", "/ping").status == 200
        assert server.stop() == 0
