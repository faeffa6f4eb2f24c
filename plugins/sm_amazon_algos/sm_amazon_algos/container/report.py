"""The lines that AWS's containers of the algorithms log, which metric definitions read.

Their form was taken from the logs of AWS's own jobs: ``[11/27/2026 09:00:00 INFO 1234] text``, and
bare lines that begin with ``#metrics``.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import attrs

__all__ = ["Report", "Summary"]


@attrs.frozen
class Summary:
    """What is said of a quantity that was measured `count` times: as in ``#metrics`` lines."""

    sum: float
    count: int
    min: float
    max: float

    @classmethod
    def of(cls, *values: float) -> Summary:
        """Of all `values`, at least one."""
        return cls(float(sum(values)), len(values), float(min(values)), float(max(values)))


@attrs.frozen(kw_only=True)
class Report:
    """Writes the lines of one host.

    Attributes:
        algorithm: as ``#metrics`` lines call it (``AWS/KMeansWebscale``).
        host: this host's name.
    """

    algorithm: str
    host: str

    def info(self, text: str) -> None:
        """A line for people."""
        self._write("INFO", text)

    def warning(self, text: str) -> None:
        """A line about what the user may want to change."""
        self._write("WARNING", text)

    def error(self, text: str) -> None:
        """Why the job fails."""
        self._write("ERROR", text)

    def quality(
        self, phase: str, metric: str, value: float, *, tag: str = "loss", epoch: int | None = None
    ) -> None:
        """``#quality_metric``: what a model is worth.

        Args:
            phase: ``train``, ``validation`` or ``test``.
            metric: its name (``msd``).
            value: of it.
            tag: ``loss`` if less is better, ``score`` if more.
            epoch: that it is of; None for the final model.
        """
        when = "" if epoch is None else f"epoch={epoch}, "
        text = f"host={self.host}, {when}{phase} {metric} <{tag}>={float(value)!r}"
        self.info(f"#quality_metric: {text}")

    def progress(self, done: int, epochs: int) -> None:
        """``#progress_metric``: how many of the epochs are done."""
        percent = 100.0 * done / epochs
        self.info(f"#progress_metric: host={self.host}, completed {percent!r} % of epochs")

    def throughput(self, records: int, seconds: float) -> None:
        """``#throughput_metric``: records that were trained on in a second."""
        rate = records / max(seconds, 1e-9)
        self.info(f"#throughput_metric: host={self.host}, train throughput={rate!r} records/second")

    def early_stopping(self, epoch: int, criteria: str, value: float) -> None:
        """``#early_stopping_criteria_metric``: what decides whether training goes on."""
        text = f"host={self.host}, epoch={epoch}, criteria={criteria}, value={float(value)!r}"
        self.info(f"#early_stopping_criteria_metric: {text}")

    def score(self, phase: str, metric: str, value: float) -> None:
        """``#validation_score``, ``#test_score``, ``#train_score``."""
        self.info(f"#{phase}_score ({self.host}) : ('{metric}', {float(value)!r})")

    def metrics(
        self,
        values: Mapping[str, Summary | float],
        *,
        started: float,
        ended: float | None = None,
        operation: str = "training",
        **dimensions: int | str,
    ) -> None:
        """``#metrics``: measurements as a line of JSON.

        Args:
            values: by name; a number was measured once.
            started: when their time began, in seconds since the epoch.
            ended: when it ended; None for now.
            operation: what went on.
            **dimensions: ``epoch``, ``model``, ``Meta``.
        """
        document = {
            "StartTime": started,
            "EndTime": time.time() if ended is None else ended,
            "Dimensions": {
                "Algorithm": self.algorithm,
                "Host": self.host,
                "Operation": operation,
                **dimensions,
            },
            "Metrics": {
                name: attrs.asdict(value if isinstance(value, Summary) else Summary.of(value))
                for name, value in values.items()
            },
        }
        _print(f"#metrics {json.dumps(document)}")

    def counters(
        self, meta: str, *, started: float, records: int, batches: int, epoch: int | None = None
    ) -> None:
        """The ``#metrics`` line of one pass over a channel: what was read of it.

        Args:
            meta: ``init_train_data_iter``, ``training_data_iter`` or ``test_data_iter``.
            started: when the pass began, in seconds since the epoch.
            records: of the pass.
            batches: of the pass.
            epoch: number of the pass, from 0; None where there is one only.
        """
        passes = 1 if epoch is None else epoch + 1
        names: dict[str, Any] = {} if epoch is None else {"epoch": epoch}
        self.metrics(
            {
                "Total Records Seen": records * passes,
                "Total Batches Seen": batches * passes,
                "Max Records Seen Between Resets": records,
                "Max Batches Seen Between Resets": batches,
                "Reset Count": passes,
                "Number of Records Since Last Reset": records,
                "Number of Batches Since Last Reset": batches,
            },
            started=started,
            **names,
            Meta=meta,
        )

    def _write(self, level: str, text: str) -> None:
        now = datetime.now(timezone.utc).strftime("%m/%d/%Y %H:%M:%S")
        _print(f"[{now} {level} {threading.get_ident()}] {text}")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
