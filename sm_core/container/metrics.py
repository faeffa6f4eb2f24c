"""Use of CPU, memory, disk and GPU, sent to CloudWatch every minute.

A process of its own measures and sends (`run`); `metrics_sent` starts it.
Names, units and meaning are those of SageMaker's own metrics of instances: CPUUtilization and the
two of GPUs are sums over the CPUs or GPUs, so that 400 stands for four that are busy.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from sm_core.container.aws import aws_client
from sm_core.container.environment import ServingEnvironment, TrainingEnvironment
from sm_core.container.machine import tool_output
from sm_core.container.sidecar import is_over, sidecar

__all__ = ["NAMESPACE", "Meter", "metrics_sent", "run"]

logger = logging.getLogger(__name__)

NAMESPACE = "AWS/SageMakerContainer"
#: Seconds between two measurements; the variable is for those who want CloudWatch's finer
#: resolution.
_PERIOD_VARIABLE, _PERIOD = "SMCORE_METRICS_SECONDS", 60.0
#: Seconds that sending may hold up the end of the container.
_PATIENCE = 2.0
_GPU_QUERY = (
    "nvidia-smi",
    "--query-gpu=utilization.gpu,memory.used,memory.total",
    "--format=csv,noheader,nounits",
)


@contextmanager
def metrics_sent(environment: TrainingEnvironment | ServingEnvironment) -> Iterator[None]:
    """Send metrics of this container while what runs inside runs, if `environment` asks for it.

    The dimension ``Host`` is ``<job>/<host>`` in training and the container's host name in serving.
    Whatever fails there is one warning in the log.
    """
    if not environment.cloudwatch_metrics:
        yield
        return
    if isinstance(environment, TrainingEnvironment):
        host = f"{environment.job_name}/{environment.current_host}".strip("/")
    else:
        host = socket.gethostname()
    settings = {
        "host": host,
        "region": environment.region,
        "base_dir": str(environment.base_dir),
        "log_level": environment.log_level,
        "period": _period(),
    }
    with sidecar(__name__, settings, patience=_PATIENCE):
        yield


def _period() -> float:
    text = os.environ.get(_PERIOD_VARIABLE) or str(_PERIOD)
    try:
        return max(0.1, float(text))
    except ValueError:
        logger.warning("%s is %r; it must be a number of seconds", _PERIOD_VARIABLE, text)
        return _PERIOD


@attrs.define
class Meter:
    """Measures this machine.

    Attributes:
        folder: of the file system whose use is measured.
        root: where ``proc`` lies.
    """

    folder: Path
    root: Path = Path("/")
    _before: tuple[int, int] | None = attrs.field(default=None, init=False)

    def read(self) -> dict[str, float]:
        """Name of each metric → its value in percent; those that can be measured here.

        The use of CPUs is that since the last reading; the first one has none.
        """
        values = {**self._cpu(), **self._memory(), **self._disk(), **_gpus()}
        return {name: round(value, 2) for name, value in values.items()}

    def _cpu(self) -> dict[str, float]:
        lines = [line.split() for line in self._lines("proc/stat") if line.startswith("cpu")]
        if not lines or len(lines[0]) < 6:
            return {}
        # user nice system idle iowait irq softirq steal; guests are part of the first two.
        ticks = [int(word) for word in lines[0][1:9]]
        now = (sum(ticks), ticks[3] + ticks[4])
        before, self._before = self._before, now
        if before is None or now[0] <= before[0]:
            return {}
        idle = (now[1] - before[1]) / (now[0] - before[0])
        return {"CPUUtilization": 100 * (1 - idle) * max(1, len(lines) - 1)}

    def _memory(self) -> dict[str, float]:
        amounts = {}
        for line in self._lines("proc/meminfo"):
            name, _, rest = line.partition(":")
            amounts[name] = rest.split()[0] if rest.split() else ""
        try:
            total, available = int(amounts["MemTotal"]), int(amounts["MemAvailable"])
        except (KeyError, ValueError):
            return {}
        return {"MemoryUtilization": 100 * (1 - available / total)} if total else {}

    def _disk(self) -> dict[str, float]:
        try:
            use = shutil.disk_usage(self.folder)
        except OSError:
            return {}
        return {"DiskUtilization": 100 * use.used / use.total} if use.total else {}

    def _lines(self, name: str) -> list[str]:
        try:
            return (self.root / name).read_text(encoding="utf-8").splitlines()
        except OSError:
            return []


def _gpus() -> dict[str, float]:
    """Sums over the GPUs, by the driver's own tool; a value that a device lacks counts as 0."""
    rows = [line.split(",") for line in tool_output(_GPU_QUERY).splitlines() if line.strip()]
    if not rows or any(len(row) != 3 for row in rows):
        return {}
    numbers = [[_number(field) for field in row] for row in rows]
    return {
        "GPUUtilization": sum(use for use, _, _ in numbers),
        "GPUMemoryUtilization": sum(100 * used / total for _, used, total in numbers if total > 0),
    }


def _number(field: str) -> float:
    text = field.strip()
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0


def run(settings: Mapping[str, Any]) -> None:
    """Measure and send until the toolkit has gone; what goes wrong is said once."""
    meter = Meter(Path(settings["base_dir"]))
    meter.read()
    client: Any = None
    said = False
    while not is_over(settings["period"]):
        try:
            client = client or aws_client("cloudwatch", region=settings["region"])
            _send(client, meter.read(), settings["host"])
        except Exception as error:  # noqa: BLE001  # no failure here is worth more than a warning
            if not said:
                logger.warning(
                    "cannot send metrics to CloudWatch; the job goes on without them: %s", error
                )
            said = True


def _send(client: Any, values: Mapping[str, float], host: str) -> None:
    client.put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": "Host", "Value": host}],
                "Unit": "Percent",
                "Value": value,
            }
            for name, value in values.items()
        ],
    )
