"""A training job's metrics: from its log, from CloudWatch, or the final values alone.

SageMaker searches each line that a job logs for the regular expressions of its metric definitions;
their first group is the value.

https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal

import attrs

from sm_core.clients import translated_errors
from sm_core.errors import RequestError
from sm_core.jobs import TrainingJob
from sm_core.listings import training_log

if TYPE_CHECKING:
    from sm_core.session import Session

__all__ = ["Series", "training_metrics"]

logger = logging.getLogger(__name__)

#: Where CloudWatch keeps the metrics of training jobs.
NAMESPACE = "/aws/sagemaker/TrainingJobs"
#: Values that GetMetricStatistics gives at most in one answer.
_MOST_VALUES = 1440
#: What CloudWatch waits until it has collected the last values of a job.
_LATE = timedelta(minutes=5)


@attrs.frozen(kw_only=True)
class Series:
    """The values of one metric.

    Attributes:
        name: of the metric.
        host: that logged it, ``algo-1``; "" where only the job is known.
        source: ``log``: each value that was logged; ``cloudwatch``: averages over minutes;
            ``final``: the last value alone.
        times: of the values, in seconds since the epoch.
        values: as many, in the order of their times.
    """

    name: str
    host: str
    source: Literal["log", "cloudwatch", "final"]
    times: tuple[float, ...]
    values: tuple[float, ...]


def training_metrics(session: Session, job_name: str) -> list[Series]:
    """The metrics of a training job, in the order of its definitions; none without a value.

    Args:
        session: whose job it is.
        job_name: of a job that runs or has run.

    Raises:
        RequestError: there is no such job, or it cannot be described.
    """
    job = TrainingJob(job_name, session).describe()
    definitions = job.get("AlgorithmSpecification", {}).get("MetricDefinitions") or []
    finals = {each["MetricName"]: each for each in job.get("FinalMetricDataList") or []}
    names = dict.fromkeys([*(each["Name"] for each in definitions), *finals])
    logged = _logged(session, job_name, _expressions(definitions))
    found = []
    for name in names:
        series = [each for (metric, _), each in logged.items() if metric == name]
        if not series and name in finals:
            kept = _kept(session, job, name)
            series = [kept] if kept.values else [_final(finals[name])]
        found += series
    return found


def _expressions(definitions: list[Mapping[str, str]]) -> dict[str, re.Pattern[str]]:
    compiled = {}
    for each in definitions:
        try:
            expression = re.compile(each["Regex"])
        except re.error as error:
            logger.warning("metric %s: %r cannot be searched for: %s", *each.values(), error)
            continue
        if expression.groups:
            compiled[each["Name"]] = expression
    return compiled


def _logged(
    session: Session, job_name: str, expressions: Mapping[str, re.Pattern[str]]
) -> dict[tuple[str, str], Series]:
    """What the log's lines say, by metric and host."""
    if not expressions:
        return {}
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    try:
        for lines in training_log(session, job_name):
            for line in lines:
                for name, value in _values(line.text, expressions):
                    point = (line.timestamp / 1000, value)
                    points.setdefault((name, line.source), []).append(point)
    except RequestError as error:
        # What was read counts, and so does what the service itself tells.
        logger.warning("the log of training job %s cannot be read: %s", job_name, error)
    return {
        (name, host): Series(
            name=name,
            host=host,
            source="log",
            times=tuple(time for time, _ in each),
            values=tuple(value for _, value in each),
        )
        for (name, host), each in points.items()
    }


def _values(text: str, expressions: Mapping[str, re.Pattern[str]]) -> Iterator[tuple[str, float]]:
    for name, expression in expressions.items():
        match = expression.search(text)
        if match is None:
            continue
        try:
            yield name, float(match[1])
        except (TypeError, ValueError):
            # What an expression finds beside numbers is no value of its metric.
            continue


def _kept(session: Session, job: Mapping[str, Any], name: str) -> Series:
    """What CloudWatch keeps of a metric of the first host; without values if it has none."""
    start = job.get("TrainingStartTime") or job["CreationTime"]
    end = (job.get("TrainingEndTime") or datetime.now(timezone.utc)) + _LATE
    minutes = int((end - start).total_seconds() // 60 // _MOST_VALUES) + 1
    host = "algo-1"
    found: list[Mapping[str, Any]] = []
    try:
        with translated_errors():
            found = session.client("cloudwatch").get_metric_statistics(
                Namespace=NAMESPACE,
                MetricName=name,
                Dimensions=[{"Name": "Host", "Value": f"{job['TrainingJobName']}/{host}"}],
                StartTime=start,
                EndTime=end,
                Period=60 * minutes,
                Statistics=["Average"],
            )["Datapoints"]
    except RequestError as error:
        # The final value, which the job itself has, is left.
        logger.warning("metric %s cannot be read from CloudWatch: %s", name, error)
    ordered = sorted(found, key=lambda point: point["Timestamp"])
    return Series(
        name=name,
        host=host,
        source="cloudwatch",
        times=tuple(point["Timestamp"].timestamp() for point in ordered),
        values=tuple(float(point["Average"]) for point in ordered),
    )


def _final(data: Mapping[str, Any]) -> Series:
    return Series(
        name=data["MetricName"],
        host="",
        source="final",
        times=(data["Timestamp"].timestamp(),),
        values=(float(data["Value"]),),
    )
