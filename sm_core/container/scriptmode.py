"""Script mode: the entry point runs as a program of its own, as under the public toolkit."""

from __future__ import annotations

import collections
import errno
import logging
import os
import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from sm_core.container.code import use_code
from sm_core.container.environment import TrainingEnvironment
from sm_core.container.errors import ScriptFailed
from sm_core.container.failure import output_reason
from sm_core.container.process import StopRequested, exit_code_of, started_child
from sm_core.container.requirements import install_package, is_package
from sm_core.container.variables import user_arguments
from sm_core.errors import ConfigurationError, SourceError
from sm_core.scripts import only_defined, parse_script

__all__ = ["run_script"]

logger = logging.getLogger(__name__)

#: How much of the end of a script's output is kept to find its exception in.
_KEPT_BYTES = 64 * 1024
#: Seconds to wait for the rest of the output, which a process left behind may hold open.
_DRAIN = 5.0


def run_script(environment: TrainingEnvironment) -> None:
    """Run the job's entry point and wait for it.

    A name in ``.sh`` is a command; in a package, the entry point is one of its modules; a name in
    ``.py`` is a program; anything else is a command.

    Raises:
        SourceError: there is no entry point, or it is not valid Python 3.
        ScriptFailed: it ended with an exit code other than zero.
        StopRequested: the platform asked for an end, and the script ended by that.
    """
    command = _command(environment)
    logger.info("running %s", shlex.join(command))
    variables = {"PYTHONFAULTHANDLER": "1", **os.environ, "PYTHONUNBUFFERED": "1"}
    tail = _Tail()
    with (
        _named_if_too_long(),
        started_child(command, directory=environment.code_dir, environment=variables) as (
            process,
            forwarded,
        ),
    ):
        assert process.stdout is not None  # it was asked for
        reader = threading.Thread(target=tail.copy, args=(process.stdout,), daemon=True)
        reader.start()
        exit_code = exit_code_of(process.wait())
    reader.join(_DRAIN)
    if exit_code == 0:
        return
    if forwarded:
        raise StopRequested
    raise ScriptFailed(
        output_reason(
            tail.text(), command=command, exit_code=exit_code, code_dir=environment.code_dir
        ),
        exit_code=exit_code,
    )


def _command(environment: TrainingEnvironment) -> list[str]:
    program = environment.program
    if program is None:
        raise SourceError(
            "the job names no entry point: hyperparameter sagemaker_program is missing, and no "
            "installed plugin trains without one"
        )
    path = environment.code_dir / program
    arguments = _checked_arguments(environment)
    if path.suffix != ".sh" and is_package(environment.code_dir):
        install_package(environment.code_dir, environment.base_dir, region=environment.region)
        use_code(environment.code_dir, environment.base_dir)
        module = program.removesuffix(".py").replace("/", ".")
        return [sys.executable, "-m", module, *arguments]
    if program.startswith(("-", "/")) or ".." in path.parts or not path.is_file():
        present = ", ".join(sorted(entry.name for entry in environment.code_dir.glob("*")))
        raise SourceError(
            f"there is no entry point {program!r} in {environment.code_dir}; it holds: "
            f"{present or 'nothing'}"
        )
    if path.suffix == ".py":
        functions = only_defined(parse_script(path))
        if functions:
            logger.warning(
                "%s only defines functions (%s): run as a script it does nothing. Is the name of a "
                "function that the framework calls misspelt, or a call at the end missing?",
                program,
                ", ".join(functions),
            )
        return [sys.executable, program, *arguments]
    path.chmod(path.stat().st_mode | 0o111)
    return ["/bin/sh", "-c", shlex.join([f"./{program}", *arguments])]


def _checked_arguments(environment: TrainingEnvironment) -> list[str]:
    """The script's arguments.

    Raises:
        ConfigurationError: a hyperparameter holds a character that no argument can.
    """
    arguments = user_arguments(environment.user_hyperparameters)
    for argument in arguments:
        try:
            passable = b"\0" not in os.fsencode(argument)
        except UnicodeEncodeError:
            passable = False
        if not passable:
            raise ConfigurationError(
                f"hyperparameter {argument!r} holds a character that no program can be passed; "
                "SM_HPS is not limited so: use function mode, or another encoding"
            )
    return arguments


@contextmanager
def _named_if_too_long() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
        raise ConfigurationError(
            "the hyperparameters are too long for a program's arguments and variables: Linux takes "
            "128 KiB for one, and a few megabytes in all. Put what is long into an input channel, "
            "or use function mode"
        ) from error


class _Tail:
    """Copies a stream to standard output and keeps its end."""

    def __init__(self) -> None:
        self._chunks: collections.deque[bytes] = collections.deque()
        self._size = 0

    def copy(self, stream: IO[bytes]) -> None:
        descriptor = stream.fileno()
        is_read = True
        while chunk := os.read(descriptor, 8192):
            if is_read:
                is_read = _is_written(sys.stdout.fileno(), chunk)
            self._chunks.append(chunk)
            self._size += len(chunk)
            while self._size - len(self._chunks[0]) >= _KEPT_BYTES:
                self._size -= len(self._chunks.popleft())

    def text(self) -> str:
        return b"".join(self._chunks).decode("utf-8", "replace")


def _is_written(descriptor: int, data: bytes) -> bool:
    """Write all of `data`; False if nobody takes it, for which the script must not have to wait."""
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError as error:
        logger.warning("the script's output is lost from here on: %s", error)
        return False
    return True
