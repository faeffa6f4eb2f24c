"""`import sm_core` against `import boto3`: medians of fresh interpreters, taken in turns.

An interpreter that imports nothing is timed too, and its median taken off both.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

ROUNDS = 15


def seconds(statement: str) -> float:
    """Wall-clock time of an interpreter that runs `statement`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the comparison as one line of JSON."""
    statements = {"nothing": "pass", "ours": "import sm_core", "theirs": "import boto3"}
    for statement in statements.values():
        seconds(statement)  # fill the file cache
    taken: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(ROUNDS):
        for name, statement in statements.items():
            taken[name].append(seconds(statement))
    median = {name: statistics.median(times) for name, times in taken.items()}
    comparison = {
        "claim": "import sm_core / import boto3",
        "ours": 1000 * (median["ours"] - median["nothing"]),
        "theirs": 1000 * (median["theirs"] - median["nothing"]),
        "unit": "ms",
    }
    print(json.dumps(comparison))


if __name__ == "__main__":
    main()
