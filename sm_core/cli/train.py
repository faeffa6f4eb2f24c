"""``sm train``: one training job."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sm_core.cli.declared import (
    JSON_OR_TEXT,
    NAME_AND_VALUE,
    DeclaredCommand,
    FrameworkName,
    given_options,
    in_flags,
)
from sm_core.cli.jobs import interruptible
from sm_core.cli.output import json_option, print_json
from sm_core.cli.places import chosen_session, place_options

if TYPE_CHECKING:
    from sm_core.inputs import TrainingInput
    from sm_core.options import Option

__all__ = ["train"]


def _declarations(framework: str | None) -> Iterator[tuple[str, Option]]:
    """The options of an estimator, each under the title of its group."""
    import attrs

    from sm_core.declarations import ESTIMATOR, estimator_options
    from sm_core.frameworks import get_framework
    from sm_core.hyperparameters import declared_hyperparameters
    from sm_core.options import REQUIRED

    known = get_framework(framework) if framework else None
    hyperparameters = declared_hyperparameters(known)
    common = {option.name for option in ESTIMATOR}
    for option in estimator_options(framework):
        if option.name in common:
            yield "Options of every job", option
        elif option.name in hyperparameters:
            # Those that are required may be given by --hyperparameter, too.
            needed = "  [required]" if option.default is REQUIRED else ""
            shown = attrs.evolve(option, help=f"{option.help}{needed}", default=None)
            yield f"Hyperparameters of {framework}", shown
        else:
            yield f"Options of {framework}", option


@click.command(cls=DeclaredCommand, declarations=_declarations)
@click.option(
    "--framework",
    type=FrameworkName(),
    metavar="NAME",
    help="Framework or algorithm, as `sm frameworks` lists them; without it, --image-name brings "
    "a container of your own. Its --help shows its own options, too.",
)
@click.option(
    "--input",
    "-i",
    "inputs",
    multiple=True,
    metavar="[CHANNEL=]DATA",
    help="Data of a channel, the framework's default one if none is named: s3://bucket/prefix, a "
    "local file or folder, which is uploaded, or JSON of a TrainingInput's attributes. Repeatable.",
)
@click.option(
    "--hyperparameter",
    "-H",
    "hyperparameters",
    type=NAME_AND_VALUE,
    multiple=True,
    metavar="NAME=VALUE",
    help="A hyperparameter; a value that is JSON is taken as such, any other as text. Repeatable.",
)
@click.option("--wait/--no-wait", default=True, help="Wait for the end, the default, or not.")
@click.option("--logs/--no-logs", default=True, help="While waiting, show log lines or not.")
@click.option("--dry-run", is_flag=True, help="Print the request as JSON; start nothing.")
@json_option
@place_options
def train(
    framework: str | None,
    inputs: Sequence[str],
    hyperparameters: Sequence[tuple[str, str]],
    wait: bool,
    logs: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a model.

    Prints the job's name as soon as it is started; statuses and log lines go to the standard error.
    The exit status is 1 if the job fails. Ctrl-C leaves the job running.

    \b
    sm train --framework mxnet --entry-point train.py --instance-type local \\
        --input train=./data -H epochs=5
    """
    from sm_core.errors import TrainingJobFailed
    from sm_core.estimator import Estimator

    chosen = given_options(options)
    values = {name: JSON_OR_TEXT(text) for name, text in hyperparameters}
    if values:
        chosen["hyperparameters"] = values
    channels = _channels(inputs)
    try:
        estimator = Estimator(framework=framework, sagemaker_session=chosen_session(), **chosen)
    except TypeError as error:
        raise click.UsageError(in_flags(str(error))) from error
    if dry_run:
        print_json(estimator.training_request(channels))
        return
    with redirect_stdout(sys.stderr):
        estimator.fit(channels, wait=False)
    job = estimator.latest_training_job
    assert job is not None
    if not as_json:
        click.echo(job.name)
    try:
        if wait:
            with redirect_stdout(sys.stderr), interruptible(job.name):
                job.wait(logs=logs)
    except TrainingJobFailed:
        if as_json:
            print_json(job.describe())
        raise
    if as_json:
        print_json(job.describe())


def _channels(given: Sequence[str]) -> Any:
    """What ``fit`` takes, of ``CHANNEL=DATA`` and ``DATA``."""
    if not given:
        return None
    named: dict[str, str | TrainingInput] = {}
    for text in given:
        match = re.fullmatch(r"([\w.-]+)=(.+)", text, re.DOTALL)
        if match is None and len(given) == 1:
            return _data(text)
        if match is None:
            raise click.UsageError(f"--input {text!r}: of several, each needs a name: CHANNEL=DATA")
        name, data = match.groups()
        if name in named:
            raise click.UsageError(f"--input: the channel {name!r} is given twice")
        named[name] = _data(data)
    return named


def _data(text: str) -> str | TrainingInput:
    if not text.startswith("{"):
        return _uri(text)
    from sm_core.inputs import TrainingInput

    try:
        attributes = json.loads(text)
        return TrainingInput(_uri(attributes.pop("s3_data")), **attributes)
    except (ValueError, TypeError, KeyError) as error:
        raise click.UsageError(
            f"--input {text!r} is no JSON of a TrainingInput's attributes: {error!r}"
        ) from error


def _uri(text: str) -> str:
    """`text`, or the URI of the local file or folder that it names, as a shell's user would."""
    path = Path(text).expanduser()
    has_scheme = re.match(r"\w+:", text) is not None
    return text if has_scheme and not path.exists() else path.resolve().as_uri()
