"""Run the measurements of this folder and print each as a ratio.

A measurement is a script that prints a line of JSON for each claim: ``claim`` (what is divided by
what), ``ours`` and ``theirs``, both taken in the same run, and their ``unit``; or ``skipped``, with
what it lacks. Name scripts on the command line to run only those. Files that begin with an
underscore are what scripts share.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Run the scripts called `names`, or all of them; 1 if one failed."""
    scripts = sorted(set(HERE.glob("[!_]*.py")) - {Path(__file__)})
    if names:
        scripts = [script for script in scripts if script.stem in names]
    failed = not scripts
    print(f"{'ratio':>8}  {'ours':>10}  {'theirs':>10}  claim")
    for script in scripts:
        exit_code, printed = _measure(script.stem)
        if exit_code:
            failed = True
            print(f"{'failed':>8}  {'':>10}  {'':>10}  {script.stem}: exit code {exit_code}")
            continue
        for line in printed.splitlines():
            print(_row(script.stem, json.loads(line)), flush=True)
    return int(failed)


def _measure(name: str) -> tuple[int, str]:
    """Exit code and output of one script, which is stopped, and cleans up, if this process is."""
    command = [sys.executable, "-m", f"{HERE.name}.{name}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent) as script:
        try:
            printed, _ = script.communicate()
        except BaseException:
            script.terminate()
            raise
    return script.returncode, printed


def _row(name: str, found: dict[str, Any]) -> str:
    if "skipped" in found:
        return f"{'skipped':>8}  {'':>10}  {'':>10}  {name}: {found['skipped']}"
    ours, theirs, unit = found["ours"], found["theirs"], found["unit"]
    return f"{ours / theirs:8.3f}  {ours:7.1f} {unit:2}  {theirs:7.1f} {unit:2}  {found['claim']}"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main(sys.argv[1:]))
