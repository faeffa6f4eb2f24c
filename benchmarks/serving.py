"""Our model server against the public toolkit's: one handler, one load, in turns.

The handler multiplies 784 numbers, which come as JSON, by a matrix of 784 by 10. Skipped where Java
or an old enough Python is absent.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.support.servers import (
    Skipped,
    free_port,
    install_ours,
    install_peer,
    our_server,
    peer_server,
    wait_until_healthy,
)

WORKERS = 2
CONNECTIONS = (1, 8)
ROUNDS = 3
SECONDS = 4.0
HANDLER = """
import numpy as np

def model_fn(model_dir):
    return np.random.default_rng(7).random((784, 10))

def predict_fn(data, model):
    return np.asarray(data) @ model
"""


def load(port: int, connections: int, body: Path) -> dict[str, float]:
    """What the load generator, a process of its own, measures."""
    command = [sys.executable, "-m", "benchmarks.support.load"]
    arguments = [str(port), str(connections), str(SECONDS), str(body)]
    answer = subprocess.run(
        [*command, *arguments], stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parents[1]
    )
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def model(folder: Path) -> Path:
    """The tree of a container with the handler."""
    code = folder / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(HANDLER, encoding="utf-8")
    return folder


def measure(scratch: Path) -> dict[tuple[int, str, str], list[float]]:
    """(connections, quantity, whose) → one value for each round; the servers take turns."""
    peer, own = install_peer(scratch), install_ours(scratch)
    body = scratch / "body.json"
    numbers = random.Random(7)
    body.write_text(json.dumps([[numbers.random() for _ in range(784)]]), encoding="utf-8")
    ports = {"ours": free_port(), "theirs": free_port()}
    servers = {
        "ours": our_server(model(scratch / "a"), port=ports["ours"], workers=WORKERS, python=own),
        "theirs": peer_server(
            model(scratch / "b"), port=ports["theirs"], workers=WORKERS, python=peer
        ),
    }
    taken: dict[tuple[int, str, str], list[float]] = {}
    with ExitStack() as stack:
        for whose, server in servers.items():
            process = stack.enter_context(server)
            wait_until_healthy(process, ports[whose], pause=0.1)
        for connections in CONNECTIONS * ROUNDS:
            for whose, port in ports.items():
                for quantity, value in load(port, connections, body).items():
                    taken.setdefault((connections, quantity, whose), []).append(value)
    return taken


def main() -> None:
    """Print each comparison as a line of JSON."""
    try:
        with tempfile.TemporaryDirectory() as scratch:
            taken = measure(Path(scratch))
    except Skipped as skipped:
        print(json.dumps({"skipped": str(skipped)}))
        return
    for connections in CONNECTIONS:
        for quantity, unit in (("throughput", "/s"), ("median", "ms"), ("p99", "ms")):
            comparison = {
                "claim": f"model server / multi-model-server: {quantity}, {connections} at once",
                "ours": statistics.median(taken[connections, quantity, "ours"]),
                "theirs": statistics.median(taken[connections, quantity, "theirs"]),
                "unit": unit,
            }
            print(json.dumps(comparison))


if __name__ == "__main__":
    main()
