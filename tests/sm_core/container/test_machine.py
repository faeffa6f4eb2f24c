"""What the machine offers: CPUs by affinity and control group, devices by their drivers' tools."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.container.machine import count_cpus, count_gpus, count_neurons, cpu_quota


def control_groups(root: Path, membership: str, files: Mapping[str, str]) -> Path:
    """A file system with these control groups."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(membership, encoding="utf-8")
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        # The path is the host's, which is not to be seen inside.
        ("0::/kubepods/pod1\n", {"cpu.max": "200000 100000\n"}, 2.0),
        # The outer group grants less.
        ("0::/a/b\n", {"a/b/cpu.max": "400000 100000", "a/cpu.max": "100000 100000"}, 1.0),
        (
            "4:memory:/x\n3:cpu,cpuacct:/docker/1\n0::/\n",
            {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            3.0,
        ),
        (
            "1:cpu:/\n",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            None,
        ),
        ("nonsense\n", {"cpu.max": "what"}, None),
    ],
)
def test_the_quota_of_control_groups(
    membership: str, files: dict[str, str], quota: float | None, tmp_path: Path
) -> None:
    assert cpu_quota(control_groups(tmp_path, membership, files)) == quota


def test_no_control_groups_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None


@hypothesis.given(
    membership=st.text(alphabet="0:/.abcpu\n\\", max_size=30), limit=st.text(max_size=9)
)
def test_any_control_group_is_read(
    membership: str, limit: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = control_groups(tmp_path_factory.mktemp("root"), membership, {"cpu.max": limit})
    quota = cpu_quota(root)
    assert quota is None or quota > 0


def test_no_more_cpus_than_this_process_may_use() -> None:
    own = os.sched_getaffinity(0)
    assert 1 <= count_cpus() <= len(own)
    try:
        os.sched_setaffinity(0, {min(own)})
        assert count_cpus() == 1
    finally:
        os.sched_setaffinity(0, own)


def test_the_quota_limits_the_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    for quota, expected in ((0.1, 1), (1.5, 2), (3.0, 3), (64.0, 8), (math.inf, 8)):
        monkeypatch.setattr(
            "sm_core.container.machine.cpu_quota", lambda value=quota: min(value, 1e6)
        )
        assert count_cpus() == expected


def nvidia_smi(folder: Path, listing: str) -> Mapping[str, str]:
    """A driver's tool that lists these devices; it stands first on PATH."""
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<'E'\n{listing}\nE\n", encoding="utf-8")
    tool.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.integ
@pytest.mark.parametrize(
    ("visible", "count"), [(None, 2), ("0", 1), ("0,1,2", 2), ("", 0), ("-1", 0), ("1,-1,0", 1)]
)
def test_gpus_are_counted_by_device(
    visible: str | None, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = nvidia_smi(tmp_path, "GPU 0: A (UUID: x)\nGPU 1: A (UUID: y)\n  MIG 1g: (UUID: z)")
    monkeypatch.setenv("PATH", found["PATH"])
    assert count_gpus({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}) == count


def test_no_driver_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert count_gpus({}) == 0
    assert count_neurons() == 0


@pytest.mark.integ
@pytest.mark.parametrize(
    ("listing", "count"),
    [('[{"nc_count": 2}, {"nc_count": 4}]', 6), ("no JSON", 0), ('{"nc_count": 1}', 0)],
)
def test_neuron_cores_are_counted(
    listing: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "neuron-ls"
    tool.write_text(f"#!/bin/sh\necho '{listing}'\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert count_neurons() == count
