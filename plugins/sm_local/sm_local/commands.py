"""``sm local``: start, stop, inspect and address the local service."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import re
import shlex
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import click

from sm_core.errors import LocalServiceError
from sm_local.home import REGION, Home

if TYPE_CHECKING:
    from sm_local.pruning import BuiltEnvironment

__all__ = ["local"]


@click.group()
def local() -> None:
    """The SageMaker service on this machine.

    Session.local() starts it when it is needed and it ends by itself when it is not; these commands
    are for other AWS clients and for looking after it. Its home is ~/.sm/local, or the folder that
    SMCORE_LOCAL_HOME names.
    """


@local.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on from now on; 0 picks a free one if the present one is taken.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what `status --json` would.")
def up(port: int | None, as_json: bool) -> None:
    """Start the service and keep it until `sm local down`.

    A service that started by itself ends after 30 idle minutes (SMCORE_LOCAL_IDLE_MINUTES); after
    this command it stays.
    """
    from sm_local.startup import ensure_service, probe

    home = Home.default()
    running = probe(home)
    if running is not None and port and port != running.port:
        raise LocalServiceError(
            f"the local service already listens on port {running.port}; "
            f"to move it: sm local down && sm local up --port {port}"
        )
    service = ensure_service(home, port=port)
    home.stay_marker.touch(mode=0o600)
    if as_json:
        click.echo(json.dumps(_status(home), indent=2))
        return
    click.echo(f"The local service listens on {service.endpoint_url} (process {service.pid}).")
    click.echo('For other AWS clients in this shell: eval "$(sm local env)"')


@local.command()
@click.option("--all", "jobs", is_flag=True, help="Stop running training jobs too.")
@click.option("--json", "as_json", is_flag=True, help="Print an object instead of sentences.")
def down(jobs: bool, as_json: bool) -> None:
    """End the service and the model servers of its endpoints.

    Nothing is lost: objects, jobs and endpoints are there again at the next start, when the model
    servers come back too. Running training jobs go on under their supervisors and are named.
    """
    from sm_local import leftovers
    from sm_local.startup import shut_down

    home = Home.default()
    stopped = shut_down(home, jobs=jobs)
    if home.path.is_dir():
        home.stay_marker.unlink(missing_ok=True)
    # Also those that a service left which did not end in good order.
    leftovers.end_model_servers(home)
    before = leftovers.running_jobs(home) if jobs else []
    if jobs:
        leftovers.end_jobs(home)
    running = leftovers.running_jobs(home)
    farewell = _Farewell(
        ended=stopped is not None,
        endpoints=sorted(stopped.endpoints) if stopped else [],
        waiting_jobs=sorted(set(stopped.jobs) - set(running)) if stopped else [],
        running_jobs=running,
        stopped_jobs=sorted(set(before) - set(running)),
    )
    if as_json:
        click.echo(json.dumps(attrs.asdict(farewell), indent=2))
        return
    for line in farewell.sentences():
        click.echo(line)


@attrs.frozen(kw_only=True)
class _Farewell:
    """What `sm local down` did.

    Attributes:
        ended: whether a service was running.
        endpoints: that come back with the service.
        waiting_jobs: that have not begun, and wait for its return.
        running_jobs: that go on without it.
        stopped_jobs: that were stopped.
    """

    ended: bool
    endpoints: list[str]
    waiting_jobs: list[str]
    running_jobs: list[str]
    stopped_jobs: list[str]

    def sentences(self) -> Iterator[str]:
        """The same for people."""
        if self.ended:
            yield "The local service has ended."
        else:
            yield "No local service was running."
        if self.endpoints:
            yield f"Endpoints that come back with it: {', '.join(self.endpoints)}"
        if self.waiting_jobs:
            yield f"Training jobs that wait for its return: {', '.join(self.waiting_jobs)}"
        if self.running_jobs:
            yield f"Training jobs that go on: {', '.join(self.running_jobs)}"
            yield "To stop them too: sm local down --all"
        if self.stopped_jobs:
            yield f"Training jobs that were stopped: {', '.join(self.stopped_jobs)}"


@local.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def status(as_json: bool) -> None:
    """Show whether the service runs, where, and what it is doing; starts nothing."""
    state = _status(Home.default())
    if as_json:
        click.echo(json.dumps(state, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _rows(state):
        table.add_row(f"[bold]{name}[/bold]", value)
    Console(markup=True, highlight=False).print(table)


@local.command()
@click.option("--json", "as_json", is_flag=True, help="Print an object; null means: unset it.")
def env(as_json: bool) -> None:
    """Print shell commands that point any AWS client at the service, and start it.

    Use it as: eval "$(sm local env)". The service ends after 30 idle minutes unless `sm local up`
    was called.
    """
    from sm_local.startup import ensure_service

    home = Home.default()
    variables = _variables(home, ensure_service(home).endpoint_url, os.environ)
    if as_json:
        click.echo(json.dumps(variables, indent=2))
        return
    for name, value in variables.items():
        click.echo(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")


@local.command()
@click.argument("name", required=False)
@click.option(
    "--lines",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Print no more than the last ones.",
)
def logs(name: str | None, lines: int) -> None:
    """Print the service's log, or that of the training job or endpoint NAME.

    Reads the files of the home, so that it works without the service too. A job's lines are also
    printed, and followed, by `sm jobs logs`.
    """
    home = Home.default()
    if name is None:
        paths = [home.service_log]
    else:
        # Nothing else is a name, and much else means something in a pattern or a path.
        pattern = f"{name}-????????" if re.fullmatch(r"[A-Za-z0-9-]+", name) else "-"
        folders = [*home.jobs.glob(pattern), *home.endpoints.glob(f"{pattern}/*")]
        paths = sorted(path for folder in folders for path in folder.glob("logs/*.log"))
    paths = [path for path in paths if path.exists()]
    if not paths:
        what = "the service has not run yet" if name is None else f"there is no log of {name}"
        raise LocalServiceError(f"{what} in {home.path}")
    for path in paths:
        if len(paths) > 1:
            click.echo(f"==> {path.relative_to(home.path)} <==")
        with path.open(encoding="utf-8", errors="replace") as file:
            click.echo("".join(deque(file, lines)), nl=False)


@local.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def envs(as_json: bool) -> None:
    """Show the environments that jobs and endpoints run in."""
    from sm_local.pruning import built_environments

    found = built_environments(Home.default())
    if as_json:
        click.echo(_as_json(found))
        return
    for each in found:
        used = dt.datetime.fromtimestamp(each.used).astimezone().strftime("%Y-%m-%d %H:%M")
        state = "in use" if each.in_use else f"last used {used}"
        click.echo(f"{each.folder.name}  {each.what}  {each.size / 1e6:.0f} MB  {state}")
    if not found:
        click.echo("There are no environments.")


@local.command()
@click.option(
    "--days",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Keep what was used in these days.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was removed as JSON.")
def prune(days: float, as_json: bool) -> None:
    """Remove environments that were not used for some time; they are built again when needed.

    What a job or an endpoint runs in, or is about to, stays. What was left of builds that broke off
    goes.
    """
    from sm_local import pruning

    if math.isnan(days):
        raise click.BadParameter("it is not a number", param_hint="--days")
    removed = pruning.prune(Home.default(), unused_seconds=days * 86_400)
    if as_json:
        click.echo(_as_json(removed))
        return
    for each in removed:
        click.echo(f"removed {each.folder.name}  {each.what}")
    freed = sum(each.size for each in removed)
    click.echo(f"{len(removed)} environments removed, {freed / 1e6:.0f} MB")


def _as_json(environments: Iterable[BuiltEnvironment]) -> str:
    return json.dumps([{**attrs.asdict(each), "folder": str(each.folder)} for each in environments])


def _variables(
    home: Home, endpoint_url: str, environment: Mapping[str, str]
) -> dict[str, str | None]:
    """What to set, and with None what to unset, in `environment`."""
    pair = home.credentials()
    variables: dict[str, str | None] = {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": pair.access_key_id,
        "AWS_SECRET_ACCESS_KEY": pair.secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
        "NO_PROXY": _without_proxy(environment.get("NO_PROXY", "")),
        "AWS_PROFILE": None,
        "AWS_SESSION_TOKEN": None,
    }
    if "no_proxy" in environment:
        # Where both are set, the lower-case one counts.
        variables["no_proxy"] = _without_proxy(environment["no_proxy"])
    for name in environment:
        # These would take precedence over the above.
        if name.startswith("AWS_ENDPOINT_URL_") or name in {
            "AWS_DEFAULT_PROFILE",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
            "AWS_REGION",
        }:
            variables[name] = None
    return variables


def _without_proxy(hosts: str) -> str:
    """`hosts`, a list in the form of NO_PROXY, with this machine in it."""
    present = [host.strip() for host in hosts.split(",") if host.strip()]
    return ",".join(dict.fromkeys([*present, "127.0.0.1", "localhost"]))


def _status(home: Home) -> dict[str, Any]:
    from sm_local import control, leftovers
    from sm_local.startup import probe

    running = probe(home)
    if running is None:
        return {
            "running": False,
            "home": str(home.path),
            "running_jobs": leftovers.running_jobs(home),
        }
    answer = control.call(home, running.port, "GET", "/_sm_local/status", timeout=10)
    return {
        "running": True,
        "home": str(home.path),
        "endpoint_url": running.endpoint_url,
        "port": running.port,
        "pid": running.pid,
        "version": running.version,
        "started": running.started,
        "stays": home.stay_marker.exists(),
        "jobs": answer["jobs"],
        "endpoints": answer["endpoints"],
        "hosts": answer["hosts"],
    }


def _rows(state: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [("Home", state["home"])]
    if not state["running"]:
        rows.append(("Service", "not running"))
        if state["running_jobs"]:
            rows.append(("Jobs", f"running without it: {', '.join(state['running_jobs'])}"))
        return rows
    since = dt.datetime.fromtimestamp(state["started"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    jobs = ", ".join(f"{count} {name}" for name, count in state["jobs"].items() if count)
    return [
        *rows,
        ("Service", f"{state['endpoint_url']}, sm-local {state['version']}"),
        ("Process", f"{state['pid']}, since {since}"),
        ("Ends", "with `sm local down`" if state["stays"] else "by itself when idle"),
        ("Jobs", jobs or "none"),
        ("Endpoints", ", ".join(state["endpoints"]) or "none"),
        ("Hosts", _hosts(state["hosts"])),
    ]


def _hosts(hosts: Mapping[str, str]) -> str:
    if hosts["network"] == "private":
        return "of one job have networks of their own, names resolve"
    return f"of one job share this machine's network, no names: {hosts['reason']}"
