"""Memory of our model server after many requests, against that after a few thousand.

``python -m benchmarks.server_memory [REQUESTS]``; 100 000 unless said otherwise. Resident memory of
the front process and of its workers is summed up.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.support.load import request
from benchmarks.support.servers import (
    Skipped,
    free_port,
    install_ours,
    our_server,
    wait_until_healthy,
)

WARM_UP = 5_000
SCRIPT = "def model_fn(model_dir): return lambda rows: [sum(row) for row in rows]\n"


def resident(pid: int) -> int:
    """Bytes of memory of a process and its descendants."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    own = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return int(own.split()[1]) * 1024 + sum(resident(int(child)) for child in children)


def measure(scratch: Path, requests: int) -> tuple[int, int]:
    """Bytes after `requests`, and after the first few."""
    python = install_ours(scratch)
    code = scratch / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(SCRIPT, encoding="utf-8")
    port = free_port()
    with our_server(scratch, port=port, workers=2, python=python) as process:
        wait_until_healthy(process, port, pause=0.05)
        request(port, connections=8, count=WARM_UP, body=b"[[1, 2, 3]]")
        early = resident(process.pid)
        request(port, connections=8, count=requests, body=b"[[1, 2, 3]]")
        return resident(process.pid), early


def main(requests: int) -> None:
    """Print the comparison as a line of JSON."""
    try:
        with tempfile.TemporaryDirectory() as scratch:
            late, early = measure(Path(scratch), requests)
    except Skipped as skipped:
        print(json.dumps({"skipped": str(skipped)}))
        return
    comparison = {
        "claim": f"model server's memory after {requests:,} requests / after {WARM_UP:,}",
        "ours": late / 1e6,
        "theirs": early / 1e6,
        "unit": "MB",
    }
    print(json.dumps(comparison))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
