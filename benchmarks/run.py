"""Run the measurements of this folder and print each as a ratio.

A measurement is a script that prints one line of JSON: ``claim`` (what is divided by what),
``ours`` and ``theirs``, both taken in the same run, and their ``unit``. Name scripts on the command
line to run only those.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Run the scripts called `names`, or all of them; 1 if one failed."""
    scripts = sorted(set(HERE.glob("*.py")) - {Path(__file__)})
    if names:
        scripts = [script for script in scripts if script.stem in names]
    failed = not scripts
    print(f"{'ratio':>8}  {'ours':>10}  {'theirs':>10}  claim")
    for script in scripts:
        answer = subprocess.run(
            [sys.executable, script], stdout=subprocess.PIPE, text=True, check=False
        )
        if answer.returncode:
            failed = True
            print(
                f"{'failed':>8}  {'':>10}  {'':>10}  {script.stem}: exit code {answer.returncode}"
            )
            continue
        found = json.loads(answer.stdout.splitlines()[-1])
        ours, theirs, unit = found["ours"], found["theirs"], found["unit"]
        print(
            f"{ours / theirs:8.3f}  {ours:7.1f} {unit:2}  {theirs:7.1f} {unit:2}  {found['claim']}",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
