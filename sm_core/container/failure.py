"""Why a job failed, in the user's terms: the reason for the platform, the traceback for the log."""

from __future__ import annotations

import logging
import os
import re
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from sm_core.container.python2 import todays_name
from sm_core.errors import SMError

__all__ = ["exception_reason", "log_exception", "output_reason", "user_frames", "write_failure"]

logger = logging.getLogger(__name__)

#: Frames of the user's code in a reason. The platform shows 1024 characters.
_FRAMES = 3
#: Characters of an exception's message in it, so that the frames after it are shown too.
_MESSAGE = 500
_LAST_LINES = 5
#: Lines after a traceback that still let it be the reason: Python prints it last, or nearly so.
_LINES_AFTER = 10


def exception_reason(error: BaseException, code_dir: Path, *, exit_code: int) -> str:
    """What an exception in the user's function says to the platform.

    It begins as the first generation of framework containers began it; then the container's exit
    code on a line of its own, as a script's reason has it, before anything that the user wrote;
    then type, message and the last frames of the user's own code. What is called otherwise since
    Python 2 is told. An error of the toolkit's own speaks for itself.
    """
    if isinstance(error, SMError):
        return str(error)
    lines = ["uncaught exception during training:", f"ExitCode {exit_code}", _headline(error)]
    for frame in user_frames(error.__traceback__, code_dir)[-_FRAMES:]:
        lines.append(
            f'  File "{_relative(frame.filename, code_dir)}", line {frame.lineno}, in {frame.name}'
        )
        if frame.line:
            lines.append(f"    {frame.line}")
    hint = todays_name(error)
    if hint is not None:
        lines.append(hint)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        lines.append(f"caused by {_headline(cause)}")
    return "\n".join(lines)


def _headline(error: BaseException) -> str:
    return _shortened("".join(traceback.format_exception_only(type(error), error)).strip())


def _shortened(text: str) -> str:
    return text if len(text) <= _MESSAGE else f"{text[:_MESSAGE]} … (all of it is in the log)"


def _end(text: str) -> str:
    """Of output that is no traceback, what came last says most."""
    return text if len(text) <= _MESSAGE else f"(more is in the log) … {text[-_MESSAGE:]}"


def user_frames(trace: TracebackType | None, code_dir: Path) -> list[traceback.FrameSummary]:
    """The frames of `trace` that lie in files of `code_dir`."""
    return [frame for frame in traceback.extract_tb(trace) if _is_below(frame.filename, code_dir)]


def _is_below(filename: str, folder: Path) -> bool:
    # "<frozen importlib._bootstrap>" is no file, whatever the current folder is.
    return not filename.startswith("<") and Path(os.path.abspath(filename)).is_relative_to(
        os.path.abspath(folder)
    )


def _relative(filename: str, folder: Path) -> str:
    return os.path.relpath(os.path.abspath(filename), os.path.abspath(folder))


def log_exception(error: BaseException, code_dir: Path, *, text: str) -> None:
    """Log `text` with the traceback of `error`, from the first frame of the user's code on."""
    trace = error.__traceback__
    start = trace
    while start is not None and not _is_below(start.tb_frame.f_code.co_filename, code_dir):
        start = start.tb_next
    logger.error(text, exc_info=(type(error), error, start or trace))


def output_reason(output: str, *, command: Sequence[str], exit_code: int, code_dir: Path) -> str:
    """What a script that ended with `exit_code` says to the platform, in the public toolkit's form.

    Args:
        output: the end of what it wrote.
        command: how it was started.
        exit_code: as a shell reports it.
        code_dir: folder of the user's code.
    """
    lines = [
        "ExecuteUserScriptError:",
        f"ExitCode {exit_code}",
        f'ErrorMessage "{_message(output, code_dir)}"',
    ]
    if exit_code == 137:
        lines.append('ExtraInfo "SIGKILL ended the script: it may have run out of memory"')
    lines.append(f'Command "{" ".join(command)}"')
    return "\n".join(lines)


def _message(output: str, code_dir: Path) -> str:
    """The exception at the end of `output` with its frames, or else the last lines."""
    start = output.rfind("Traceback (most recent call last):")
    lines = output[max(start, 0) :].splitlines()[1:]
    end = next((i for i, line in enumerate(lines) if line and not line[0].isspace()), len(lines))
    if start < 0 or len(lines) - end > _LINES_AFTER:
        return _end("\n".join(_last_lines(output.splitlines())))
    headline = _shortened("\n".join(_last_lines(lines[end : end + _LAST_LINES])))
    frames = _frames(lines[:end], code_dir)
    return "\n".join([headline, *(line for frame in frames[-_FRAMES:] for line in frame)])


def _last_lines(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if line.strip()][-_LAST_LINES:]


def _frames(lines: Sequence[str], code_dir: Path) -> list[list[str]]:
    """Frames of the user's code in the lines of a traceback, each with its line of source."""
    frames: list[list[str]] = []
    wanted = False
    for line in lines:
        match = re.match(r'  File "([^"]+)", (line \d+.*)', line)
        if match:
            wanted = _is_below(match[1], code_dir)
            if wanted:
                frames.append([f'  File "{_relative(match[1], code_dir)}", {match[2]}'])
        elif wanted and len(frames[-1]) == 1 and line.strip(" ~^"):
            frames[-1].append(line)
    return frames


def write_failure(reason: str, output_dir: Path) -> None:
    """Write the failure file, unless the user's code has written one, which wins."""
    path = output_dir / "failure"
    try:
        if path.is_file() and path.stat().st_size > 0:
            return
        if path.exists() and not path.is_file():
            # To open a FIFO would be to wait for a reader.
            raise OSError(f"something else than a file lies there (mode {path.stat().st_mode:o})")
        output_dir.mkdir(parents=True, exist_ok=True)
        path.write_text(reason, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        # The job has failed already; its reason stands in the log.
        logger.error("cannot write %s: %s", path, error)
