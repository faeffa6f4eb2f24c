"""``sm endpoints``: listed, looked into, deleted with all that belongs to them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from typing import Any

import click

from sm_core.cli.output import (
    is_terminal,
    json_option,
    moment,
    print_json,
    print_record,
    print_table,
)
from sm_core.cli.places import place_options, session

__all__ = ["endpoints"]

STATUSES = (
    "Creating",
    "InService",
    "Updating",
    "SystemUpdating",
    "RollingBack",
    "UpdateRollbackFailed",
    "Failed",
    "OutOfService",
    "Deleting",
)


@click.group()
def endpoints() -> None:
    """List, look into and delete endpoints."""


@endpoints.command("list")
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
    """List endpoints, the newest first."""
    from sm_core.listings import list_endpoints

    found = list(list_endpoints(session(), status=status, name_contains=name_contains, limit=limit))
    if as_json:
        print_json(found)
        return
    print_table(
        ["Endpoint", "Status", "Created", "Changed"],
        [
            [
                each["EndpointName"],
                each["EndpointStatus"],
                moment(each["CreationTime"]),
                moment(each["LastModifiedTime"]),
            ]
            for each in found
        ],
    )


@endpoints.command()
@click.argument("name")
@json_option
@place_options
def describe(name: str, as_json: bool) -> None:
    """Show what an endpoint is.

    With --json, DescribeEndpoint's whole answer.
    """
    from sm_core.endpoints import Endpoint

    description = Endpoint(name, session()).describe()
    if as_json:
        print_json(description)
    else:
        print_record(_record(description))


@endpoints.command()
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@place_options
def delete(name: str, yes: bool) -> None:
    """Delete an endpoint, its configuration and its models.

    On a terminal it asks first.
    """
    from sm_core.endpoints import Endpoint

    endpoint = Endpoint(name, session())
    # A name that is misspelt is a mistake, where one that has gone is none to the library.
    status = endpoint.describe()["EndpointStatus"]
    if not yes and is_terminal(sys.stdin):
        question = f"Delete the endpoint {name} ({status}), its configuration and its models?"
        click.confirm(question, abort=True, err=True)
    with redirect_stdout(sys.stderr):
        endpoint.delete()
    click.echo(f"Endpoint {name}, its configuration and its models are deleted.", err=True)


def _record(endpoint: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Endpoint", endpoint["EndpointName"]
    yield "Status", endpoint["EndpointStatus"]
    yield "Reason", endpoint.get("FailureReason", "")
    yield "Created", moment(endpoint["CreationTime"])
    yield "Changed", moment(endpoint["LastModifiedTime"])
    yield "Configuration", endpoint.get("EndpointConfigName", "")
    yield "Variants", "\n".join(_variants(endpoint))


def _variants(endpoint: Mapping[str, Any]) -> Iterator[str]:
    for each in endpoint.get("ProductionVariants", ()):
        images = ", ".join(
            image.get("SpecifiedImage", "") for image in each.get("DeployedImages", ())
        )
        count = each.get("CurrentInstanceCount", "?")
        weight = each.get("CurrentWeight", 1.0)
        yield f"{each['VariantName']}: instances {count}, weight {weight:g}, {images}"
