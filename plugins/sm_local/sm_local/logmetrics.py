"""Finds the last values of a job's metrics in its logs, in a process of its own.

The regular expressions are the request's, and one can take for ever on a line: then this process is
given up, and not the service. Run as ``python -S -m sm_local.logmetrics``; on standard input and
output there is JSON: ``{"definitions": [{"Name": …, "Regex": …}], "logs": [paths]}``, and a list of
``{"name": …, "value": …, "time": …}``, the time in seconds since the epoch. Standard library only.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["final_metrics"]

_SECONDS = 60.0


def final_metrics(
    definitions: Sequence[Mapping[str, str]],
    logs: Sequence[Path],
    *,
    environment: Mapping[str, str],
    seconds: float = _SECONDS,
) -> list[dict[str, Any]]:
    """The last value of each metric that has one, in the order of the definitions. Blocks.

    Args:
        definitions: MetricDefinitions of the request.
        logs: of the job's hosts; a missing one has no lines.
        environment: for the process that searches them.
        seconds: that it may take.

    Raises:
        TimeoutError: it takes longer.
        OSError: it fails.
    """
    question = {"definitions": list(definitions), "logs": [str(log) for log in logs]}
    try:
        searched = subprocess.run(
            [sys.executable, "-S", "-m", "sm_local.logmetrics"],
            input=json.dumps(question),
            env=dict(environment),
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"searching the log took longer than {seconds:.0f} s") from error
    if searched.returncode != 0:
        *_, reason = searched.stderr.strip().splitlines() or [f"exit code {searched.returncode}"]
        raise OSError(f"searching the log failed: {reason}")
    found: list[dict[str, Any]] = json.loads(searched.stdout)
    return found


def _lines(logs: Sequence[str]) -> Iterator[tuple[float, str]]:
    for log in logs:
        try:
            file = open(log, encoding="utf-8", errors="replace")  # noqa: SIM115 - closed below
        except FileNotFoundError:
            continue
        with file:
            for line in file:
                stamp, _, text = line.rstrip("\n").partition(" ")
                if stamp.isdigit():
                    yield int(stamp) / 1000, text


def _search(definitions: Sequence[Mapping[str, str]], logs: Sequence[str]) -> list[dict[str, Any]]:
    patterns = {each["Name"]: re.compile(each["Regex"]) for each in definitions}
    last: dict[str, tuple[float, float]] = {}
    for time, text in _lines(logs):
        for name, pattern in patterns.items():
            value = _value(pattern, text)
            if value is not None and time >= last.get(name, (0.0, 0.0))[0]:
                last[name] = (time, value)
    return [
        {"name": name, "value": last[name][1], "time": last[name][0]}
        for name in patterns
        if name in last
    ]


def _value(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    if found is None or not pattern.groups or found[1] is None:
        return None
    try:
        value = float(found[1])
    except ValueError:
        return None
    return value if math.isfinite(value) else None


if __name__ == "__main__":
    question = json.load(sys.stdin)
    json.dump(_search(question["definitions"], question["logs"]), sys.stdout)
