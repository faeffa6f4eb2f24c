"""``sm jobs``: training jobs, listed, looked into, followed and stopped."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from sm_core.cli.output import (
    is_terminal,
    json_option,
    moment,
    print_json,
    print_record,
    print_table,
    span,
)
from sm_core.cli.places import place_options, session

if TYPE_CHECKING:
    from sm_core.jobmetrics import Series

__all__ = ["interruptible", "jobs"]

STATUSES = ("InProgress", "Completed", "Failed", "Stopping", "Stopped")


@contextmanager
def interruptible(name: str) -> Iterator[None]:
    """Say after Ctrl-C how to come back to the job that was waited for."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(
            f"Follow it again: sm jobs logs {name} --follow; stop it: sm jobs stop {name}", err=True
        )
        raise


@click.group()
def jobs() -> None:
    """List, look into, follow and stop training jobs."""


@jobs.command("list")
@click.option("--status", type=click.Choice(STATUSES, case_sensitive=False), help="Only these.")
@click.option("--name-contains", metavar="TEXT", help="Only those with TEXT in their name.")
@click.option(
    "--max",
    "limit",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="How many at most.",
)
@json_option
@place_options
def list_(status: str | None, name_contains: str | None, limit: int, as_json: bool) -> None:
    """List training jobs, the newest first."""
    from sm_core.listings import list_training_jobs

    found = list(
        list_training_jobs(session(), status=status, name_contains=name_contains, limit=limit)
    )
    if as_json:
        print_json(found)
        return
    print_table(
        ["Job", "Status", "Created", "Took"],
        [
            [
                job["TrainingJobName"],
                job["TrainingJobStatus"],
                moment(job["CreationTime"]),
                span(job["CreationTime"], _end(job)),
            ]
            for job in found
        ],
    )


@jobs.command()
@click.argument("name")
@json_option
@place_options
def describe(name: str, as_json: bool) -> None:
    """Show what a job is, and what became of it.

    With --json, DescribeTrainingJob's whole answer.
    """
    from sm_core.jobs import TrainingJob

    description = TrainingJob(name, session()).describe()
    if as_json:
        print_json(description)
    else:
        print_record(_record(description))


@jobs.command()
@click.argument("name")
@click.option("--follow", "-f", is_flag=True, help="Go on until the job has ended.")
@place_options
def logs(name: str, follow: bool) -> None:
    """Print a job's log lines, each behind its host's name.

    With --follow the exit status is 1 if the job fails, and Ctrl-C leaves the job running.
    """
    from sm_core.jobs import TrainingJob
    from sm_core.listings import training_log
    from sm_core.logs import WaitView

    place = session()
    job = TrainingJob(name, place)
    if follow:
        with interruptible(name):
            job.wait()
        return
    # An unknown job has no lines either, but is a mistake.
    job.describe()
    view = WaitView(f"training job {name}")
    for lines in training_log(place, name):
        view.lines(lines)


@jobs.command()
@click.argument("name")
@place_options
def stop(name: str) -> None:
    """Ask a job to stop; what it has saved by then becomes its model."""
    from sm_core.jobs import TrainingJob

    TrainingJob(name, session()).stop()
    click.echo(f"Training job {name} is asked to stop.", err=True)


@jobs.command()
@click.argument("name")
@click.option("--plot/--no-plot", default=None, help="Draw each metric; the default on a terminal.")
@json_option
@place_options
def metrics(name: str, plot: bool | None, as_json: bool) -> None:
    """Show a job's metrics: last, least and greatest value of each, and how they went.

    They are what the metric definitions of the job find in its log; where the log has none, what
    CloudWatch keeps, or the final values that the service reports.
    """
    from sm_core.jobmetrics import training_metrics

    found = training_metrics(session(), name)
    if as_json:
        print_json([_as_json(series) for series in found])
        return
    if not found:
        click.echo("The job has no metrics: metrics= of its estimator defines some.", err=True)
        return
    print_table(
        ["Metric", "Host", "Last", "Least", "Greatest", "Values"],
        [
            [
                series.name,
                series.host,
                f"{series.values[-1]:.6g}",
                f"{min(series.values):.6g}",
                f"{max(series.values):.6g}",
                str(len(series.values)),
            ]
            for series in found
        ],
    )
    terminal = is_terminal(sys.stdout)
    if terminal if plot is None else plot:
        for series in found:
            _draw(series)


def _draw(series: Series) -> None:
    if len(series.values) < 2:
        return
    import shutil

    from sm_core.cli.plots import can_show_braille, plotted

    width = min(shutil.get_terminal_size().columns, 100)
    host = f" ({series.host})" if series.host else ""
    click.echo()
    click.echo(click.style(f"{series.name}{host}", bold=True))
    points = list(zip(series.times, series.values, strict=True))
    for line in plotted(points, width=width, height=8, braille=can_show_braille(sys.stdout)):
        click.echo(line)


def _as_json(series: Series) -> dict[str, Any]:
    # JSON knows neither NaN nor the infinite, which a loss may well become.
    points = [
        {"time": time, "value": value if math.isfinite(value) else None}
        for time, value in zip(series.times, series.values, strict=True)
    ]
    return {"name": series.name, "host": series.host, "source": series.source, "points": points}


def _end(job: Mapping[str, Any]) -> Any:
    """When a job ended; None while it runs. One that never began to train has no end of that."""
    from sm_core.jobs import TERMINAL

    ended = job["TrainingJobStatus"] in TERMINAL
    return job.get("TrainingEndTime") or (job.get("LastModifiedTime") if ended else None)


def _record(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    resources = job.get("ResourceConfig", {})
    outcome = job.get("SecondaryStatus", "")
    status = job["TrainingJobStatus"]
    yield "Job", job["TrainingJobName"]
    yield "Status", status if outcome in ("", status) else f"{status} ({outcome})"
    yield "Reason", job.get("FailureReason", "")
    yield "Created", moment(job["CreationTime"])
    yield "Took", span(job["CreationTime"], _end(job))
    yield "Image", job.get("AlgorithmSpecification", {}).get("TrainingImage", "")
    if resources.get("InstanceType"):
        yield "Instances", f"{resources.get('InstanceCount', 1)} x {resources['InstanceType']}"
    yield "Role", job.get("RoleArn", "")
    yield "Inputs", "\n".join(_inputs(job))
    yield "Hyperparameters", "\n".join(_hyperparameters(job))
    finals = job.get("FinalMetricDataList", ())
    yield "Metrics", "\n".join(f"{each['MetricName']} = {each['Value']:.6g}" for each in finals)
    yield "Output", job.get("OutputDataConfig", {}).get("S3OutputPath", "")
    if status in ("Completed", "Stopped"):
        yield "Model", job.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")


def _hyperparameters(job: Mapping[str, Any]) -> Iterator[str]:
    """The user's own; what the toolkit in the container reads among them is nobody's concern."""
    from sm_core.hyperparameters import OWN_PREFIX

    for name, value in job.get("HyperParameters", {}).items():
        if not name.startswith(OWN_PREFIX):
            yield f"{name} = {value}"


def _inputs(job: Mapping[str, Any]) -> Iterator[str]:
    for channel in job.get("InputDataConfig", ()):
        source = channel.get("DataSource", {}).get("S3DataSource", {})
        yield f"{channel['ChannelName']}: {source.get('S3Uri', 'not in S3')}"
