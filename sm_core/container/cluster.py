"""Training on several hosts: waiting for them, and what plugins run beside the training."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

import attrs

from sm_core.container.environment import TrainingEnvironment
from sm_core.container.failure import write_failure
from sm_core.container.hosts import PATIENCE, wait_for_hosts
from sm_core.container.plugins import container_plugins
from sm_core.container.process import StopRequested, abandon, exit_code_of, tethered_child
from sm_core.errors import ConfigurationError

__all__ = ["Helper", "cluster", "helpers_running", "variables_set"]

logger = logging.getLogger(__name__)

#: Seconds to wait for the names of the other hosts.
_PATIENCE_VARIABLE = "SMCORE_HOSTS_SECONDS"


@contextmanager
def cluster(environment: TrainingEnvironment) -> Iterator[None]:
    """On a job of several hosts: wait for them, and run what plugins want while inside is trained.

    Raises:
        HostsUnreachable: another host is not known by name in time.
    """
    if len(environment.hosts) < 2:
        yield
        return
    _wait(environment)
    entered: list[AbstractContextManager[object]] = []
    managers = container_plugins().hook.sm_cluster(environment=environment)
    try:
        for manager in managers:
            manager.__enter__()
            entered.append(manager)
        yield
    finally:
        _leave(entered)


def _wait(environment: TrainingEnvironment) -> None:
    if os.environ.get("SM_STUDIO_LOCAL_MODE", "").lower() == "true":
        return
    names = [host for host in environment.hosts if host not in environment.addresses]
    text = os.environ.get(_PATIENCE_VARIABLE) or str(PATIENCE)
    try:
        patience = float(text)
    except ValueError:
        patience = -1.0
    # Not a number compares false with everything.
    if not patience >= 0:
        raise ConfigurationError(
            f"{_PATIENCE_VARIABLE} is {text!r}; it must be a number of seconds"
        )
    wait_for_hosts(names, patience=patience)


def _leave(entered: list[AbstractContextManager[object]]) -> None:
    """Leave in reverse; what goes wrong on the way is logged and changes nothing."""
    error = sys.exc_info()
    while entered:
        manager = entered.pop()
        try:
            manager.__exit__(*error)
        except StopRequested:
            # Of the training, passed on; or one that comes only now, when nothing is to be saved.
            pass
        except BaseException as other:  # whatever a plugin raises
            if other is not error[1]:
                logger.warning("sm_cluster: the end of %r failed", manager, exc_info=other)


@attrs.frozen(kw_only=True)
class Helper:
    """A process to run beside the training, such as a parameter server.

    Attributes:
        name: in the log and in the reason of a failure.
        command: the program and its arguments.
        variables: added to those of this process.
    """

    name: str
    command: Sequence[str]
    variables: Mapping[str, str]


@contextmanager
def helpers_running(
    environment: TrainingEnvironment, helpers: Iterable[Helper], *, patience: float
) -> Iterator[None]:
    """Run `helpers` while what runs inside trains.

    If one ends with an error meanwhile, the job fails at once with that as its reason: the training
    may wait for it for ever. When the training has succeeded, they get some time to end by
    themselves; then, and at once when the training has failed, they are killed.

    Args:
        environment: of the job.
        helpers: the processes.
        patience: seconds to end after a training that succeeded.
    """
    over = threading.Event()
    with ExitStack() as stack:
        watches = []
        for helper in helpers:
            child = stack.enter_context(
                tethered_child(helper.command, environment={**os.environ, **helper.variables})
            )
            watch = threading.Thread(
                target=_watch, args=(child, helper.name, environment, over), daemon=True
            )
            watch.start()
            watches.append(watch)
        try:
            yield
            over.set()
            deadline = time.monotonic() + patience
            for watch in watches:
                watch.join(max(0.0, deadline - time.monotonic()))
        finally:
            over.set()


def _watch(
    child: subprocess.Popen[bytes],
    name: str,
    environment: TrainingEnvironment,
    over: threading.Event,
) -> None:
    code = exit_code_of(child.wait())
    if code == 0 or over.is_set():
        return
    reason = f"the {name} on {environment.current_host} ended with exit code {code}"
    logger.error("%s", reason)
    write_failure(f"{reason}; its output is in the log", environment.output_dir)
    abandon(1)


@contextmanager
def variables_set(variables: Mapping[str, str]) -> Iterator[None]:
    """Set `variables` in the environment of this process for what runs inside."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
