"""Start of our model server to a healthy ping, against a bare uvicorn: medians, taken in turns.

Each process is started anew on a free port and asked for ``/ping`` until it answers 200. Ours has
one worker, with a model that is nothing; the bare one serves an application of four lines.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.support.servers import (
    Skipped,
    bare_uvicorn,
    free_port,
    install_ours,
    our_server,
    wait_until_healthy,
)

ROUNDS = 10
PAUSE = 0.002
SCRIPT = "def model_fn(model_dir): return len\n"


def seconds(server: AbstractContextManager[subprocess.Popen[bytes]], port: int) -> float:
    """From the start of the process to its answer."""
    began = time.perf_counter()
    with server as process:
        wait_until_healthy(process, port, pause=PAUSE)
        return time.perf_counter() - began


def measure(scratch: Path) -> dict[str, list[float]]:
    """Seconds of each start, the first of either aside."""
    python = install_ours(scratch)
    code = scratch / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(SCRIPT, encoding="utf-8")
    taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(ROUNDS + 1):
        port = free_port()
        ours = our_server(scratch, port=port, workers=1, python=python)
        taken["ours"].append(seconds(ours, port))
        port = free_port()
        taken["theirs"].append(seconds(bare_uvicorn(scratch, port=port, python=python), port))
    return {whose: times[1:] for whose, times in taken.items()}


def main() -> None:
    """Print the comparison as a line of JSON."""
    try:
        with tempfile.TemporaryDirectory() as scratch:
            taken = measure(Path(scratch))
    except Skipped as skipped:
        print(json.dumps({"skipped": str(skipped)}))
        return
    comparison = {
        "claim": "model server / bare uvicorn: start to a healthy ping",
        **{whose: 1000 * statistics.median(times) for whose, times in taken.items()},
        "unit": "ms",
    }
    print(json.dumps(comparison))


if __name__ == "__main__":
    main()
