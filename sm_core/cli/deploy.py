"""``sm deploy``: an endpoint, of a training job's model or of a model archive."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from sm_core.cli.declared import DeclaredCommand, FrameworkName, given_options, in_flags
from sm_core.cli.output import json_option, print_json
from sm_core.cli.places import chosen_session, place_options

if TYPE_CHECKING:
    from sm_core.options import Option
    from sm_core.predictor import Predictor

__all__ = ["deploy"]


def _declarations(framework: str | None) -> Iterator[tuple[str, Option]]:
    """The options of a model, each under the title of its group."""
    from sm_core.declarations import MODEL, model_options
    from sm_core.frameworks import get_framework

    if framework:
        get_framework(framework)
    common = {option.name for option in MODEL}
    for option in model_options(framework):
        if option.name == "model_data":
            continue
        group = f"Options of {framework}" if option.name not in common else "Options of models"
        yield group, option


@click.command(
    cls=DeclaredCommand, declarations=_declarations, short_help="Deploy a model to an endpoint."
)
@click.argument("what", metavar="JOB|S3_URI")
@click.option(
    "--instance-type", required=True, metavar="TYPE", help="Of each: ml.c5.xlarge, local."
)
@click.option(
    "--instance-count", type=click.IntRange(1), default=1, show_default=True, help="How many."
)
@click.option("--endpoint-name", metavar="NAME", help="The endpoint's; else one is made.")
@click.option(
    "--framework",
    type=FrameworkName(),
    metavar="NAME",
    help="Framework that serves a model archive; without it, --image brings a container.",
)
@click.option("--wait/--no-wait", default=True, help="Wait until it is in service, the default.")
@json_option
@place_options
def deploy(
    what: str,
    instance_type: str,
    instance_count: int,
    endpoint_name: str | None,
    framework: str | None,
    wait: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Deploy the model of a training job, or a model archive in S3, to an endpoint.

    Prints the endpoint's name. It is all or nothing: of an endpoint that does not come into service
    nothing is left, and the exit status is 1.

    \b
    sm deploy mxnet-training-2026-11-23-05-26-48-854 --instance-type local
    sm deploy s3://bucket/model.tar.gz --framework mxnet --entry-point train.py \\
        --instance-type ml.c5.xlarge --role MyRole
    """
    from sm_core.endpoints import Endpoint

    deployable = _deployable(what, framework, instance_type, given_options(options))
    with redirect_stdout(sys.stderr):
        predictor: Predictor = deployable.deploy(
            instance_count, instance_type, endpoint_name=endpoint_name, wait=wait
        )
    if as_json:
        print_json(Endpoint(predictor.endpoint, predictor.sagemaker_session).describe())
    else:
        click.echo(predictor.endpoint)


def _deployable(
    what: str, framework: str | None, instance_type: str, options: dict[str, Any]
) -> Any:
    """The model in an archive, or the estimator of a job."""
    from sm_core.session import session_for

    session = session_for(chosen_session(), instance_type)
    if what.startswith("s3://"):
        return _model(what, framework, sagemaker_session=session, **options)
    if framework or options:
        named = (
            ["--framework"] if framework else [f"--{name.replace('_', '-')}" for name in options]
        )
        raise click.UsageError(
            f"{named[0]} is for a model archive, s3://…; a job's model has what the job had"
        )
    from sm_core.estimator import Estimator

    return Estimator.attach(what, session, wait=False)


def _model(model_data: str, framework: str | None, **options: Any) -> Any:
    from sm_core.frameworks import get_framework
    from sm_core.model import Model

    kind = get_framework(framework).model_class() if framework else Model
    try:
        return kind(model_data=model_data, **options)
    except TypeError as error:
        raise click.UsageError(in_flags(str(error))) from error
