"""Two model servers under the same load, in turns, and what is printed of it."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from benchmarks.support.servers import Skipped, wait_until_healthy

__all__ = ["Taken", "image_of_numbers", "print_comparisons", "take_turns"]

CONNECTIONS = (1, 8)
ROUNDS = 3
SECONDS = 4.0
UNITS = (("throughput", "/s"), ("median", "ms"), ("p99", "ms"))

#: (connections, quantity, whose) → one value for each round.
Taken = dict[tuple[int, str, str], list[float]]


def _load(port: int, connections: int, body: Path) -> dict[str, float]:
    """What the load generator, a process of its own, measures."""
    command = [sys.executable, "-m", "benchmarks.support.load"]
    arguments = [str(port), str(connections), str(SECONDS), str(body)]
    answer = subprocess.run(
        [*command, *arguments], stdout=subprocess.PIPE, check=True, cwd=Path(__file__).parents[2]
    )
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def take_turns(
    servers: Mapping[str, AbstractContextManager[subprocess.Popen[bytes]]],
    ports: Mapping[str, int],
    body: Path,
) -> Taken:
    """Load each server several times, one after the other.

    Args:
        servers: by whose they are, ``ours`` and ``theirs``.
        ports: on which they listen.
        body: of each request, JSON.
    """
    taken: Taken = {}
    with ExitStack() as stack:
        for whose, server in servers.items():
            process = stack.enter_context(server)
            wait_until_healthy(process, ports[whose], pause=0.1)
        for connections in CONNECTIONS * ROUNDS:
            for whose, port in ports.items():
                for quantity, value in _load(port, connections, body).items():
                    taken.setdefault((connections, quantity, whose), []).append(value)
    return taken


def print_comparisons(measure: Callable[[Path], Taken], what: str) -> None:
    """Print each comparison as a line of JSON, or why there is none.

    Args:
        measure: takes the values, in a folder that is deleted then.
        what: is divided by what.
    """
    try:
        with tempfile.TemporaryDirectory() as scratch:
            taken = measure(Path(scratch))
    except Skipped as skipped:
        print(json.dumps({"skipped": str(skipped)}))
        return
    for connections in CONNECTIONS:
        for quantity, unit in UNITS:
            comparison = {
                "claim": f"{what}: {quantity}, {connections} at once",
                "ours": statistics.median(taken[connections, quantity, "ours"]),
                "theirs": statistics.median(taken[connections, quantity, "theirs"]),
                "unit": unit,
            }
            print(json.dumps(comparison))


def image_of_numbers(scratch: Path) -> Path:
    """A file with a request: one row of 784 numbers as JSON."""
    body = scratch / "body.json"
    numbers = random.Random(7)
    body.write_text(json.dumps([[numbers.random() for _ in range(784)]]), encoding="utf-8")
    return body
