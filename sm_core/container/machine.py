"""What the machine offers to this container: CPUs by affinity and control group, devices."""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

__all__ = ["count_cpus", "count_gpus", "count_neurons", "cpu_quota", "tool_output"]

#: Seconds that a driver's tool may take; the first call wakes the devices up.
_TOOL_PATIENCE = 60


def count_cpus() -> int:
    """CPUs that this process may use: those it may run on, and no more than its quota pays for."""
    affinity = getattr(os, "sched_getaffinity", None)
    allowed = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    quota = cpu_quota()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def cpu_quota(root: Path = Path("/")) -> float | None:
    """CPUs' worth of time that the control groups of this process grant; None without a limit.

    Args:
        root: where ``proc`` and ``sys`` lie.
    """
    quotas = [quota for folder in _control_groups(root) if (quota := _quota_of(folder)) is not None]
    return min(quotas, default=None)


def _control_groups(root: Path) -> Iterator[Path]:
    """Folders of the groups of this process that may limit CPU time, the innermost first.

    Inside a container the path that the kernel tells may be the host's, which is not to be seen
    here; then the mounted root is the container's own group.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            mount = root / "sys/fs/cgroup"
        elif "cpu" in controllers.split(","):
            mount = root / "sys/fs/cgroup/cpu"
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for length in range(len(parts), -1, -1):
            yield mount.joinpath(*parts[:length])


def _quota_of(group: Path) -> float | None:
    """The quota of one group, of either version of the kernel's interface."""
    current = _words(group / "cpu.max")
    if len(current) != 2:
        current = [
            *_words(group / "cpu.cfs_quota_us"),
            *_words(group / "cpu.cfs_period_us"),
        ]
    try:
        quota, period = (int(word) for word in current)
    except ValueError:
        # "max", or no such files.
        return None
    return quota / period if quota > 0 and period > 0 else None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []


def count_gpus(variables: Mapping[str, str]) -> int:
    """GPU devices that this process can see, by the driver's own tool; 0 where there is none.

    ``CUDA_VISIBLE_DEVICES`` limits them, as it limits every framework.
    """
    visible = variables.get("CUDA_VISIBLE_DEVICES")
    named = None if visible is None else _devices_before_invalid(visible)
    if named == 0:
        return 0
    listing = tool_output(["nvidia-smi", "--list-gpus"])
    found = sum(line.startswith("GPU ") for line in listing.splitlines())
    return found if named is None else min(found, named)


def _devices_before_invalid(visible: str) -> int:
    """CUDA reads the list up to the first entry that names no device, such as -1."""
    count = 0
    for entry in visible.split(","):
        if not entry.strip() or entry.strip().startswith("-"):
            break
        count += 1
    return count


def count_neurons() -> int:
    """Neuron cores of this machine, by the driver's own tool; 0 where there is none."""
    try:
        devices = json.loads(tool_output(["neuron-ls", "-j"]) or "[]")
        return sum(int(device.get("nc_count", 0)) for device in devices)
    except (AttributeError, TypeError, ValueError):
        return 0


def tool_output(command: Sequence[str]) -> str:
    """What a driver's tool prints; "" where there is no such tool or it fails."""
    try:
        finished = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_TOOL_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return finished.stdout if finished.returncode == 0 else ""
