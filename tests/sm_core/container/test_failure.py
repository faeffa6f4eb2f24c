"""The reason of a failure, in the user's terms."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.container.errors import RequirementsFailed
from sm_core.container.failure import (
    exception_reason,
    log_exception,
    output_reason,
    user_frames,
    write_failure,
)


def raised(code_dir: Path, source: str) -> BaseException:
    """The exception of a function ``train`` in a file of `code_dir`."""
    path = code_dir / "train.py"
    path.write_text(source, encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(source, str(path), "exec"), names)
    try:
        names["train"]()
    except BaseException as error:  # noqa: BLE001  # whatever the user's code raises
        return error
    raise AssertionError("nothing was raised")


def test_type_message_and_the_users_own_frames(tmp_path: Path) -> None:
    source = (
        "import json\ndef load(text):\n    return json.loads(text)\ndef train():\n    load('{')\n"
    )
    reason = exception_reason(raised(tmp_path, source), tmp_path, exit_code=4)
    assert reason == (
        "uncaught exception during training:\n"
        "ExitCode 4\n"
        "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)\n"
        '  File "train.py", line 5, in train\n'
        "    load('{')\n"
        '  File "train.py", line 3, in load\n'
        "    return json.loads(text)"
    )


def test_only_the_last_frames_are_shown(tmp_path: Path) -> None:
    source = "def train(n=20):\n    return train(n - 1) if n else 1 / 0\n"
    reason = exception_reason(raised(tmp_path, source), tmp_path, exit_code=4)
    assert reason.count("File") == 3
    assert "ZeroDivisionError: division by zero" in reason


@pytest.mark.parametrize("script", [False, True])
def test_a_long_message_leaves_room_for_the_frames(tmp_path: Path, script: bool) -> None:
    # As those of MXNet, which hold the stack of its own code. The platform shows 1024 characters.
    message = "\n".join(f"  [bt] ({number}) libmxnet.so" for number in range(200))
    error = raised(tmp_path, f"def train():\n    raise ValueError({message!r}[:])\n")
    if script:
        output = "".join(traceback.format_exception(error)[:-1]) + f"ValueError: {'x' * 5000}\n"
        reason = output_reason(output, command=["python"], exit_code=1, code_dir=tmp_path)
    else:
        reason = exception_reason(error, tmp_path, exit_code=1)
    assert "… (all of it is in the log)" in reason
    assert 'File "train.py", line 2, in train' in reason[:1024]


def test_of_long_lines_the_end_is_shown(tmp_path: Path) -> None:
    output = "x" * 50_000 + "\nout of disk space\n"
    reason = output_reason(output, command=["./train.sh"], exit_code=3, code_dir=tmp_path)
    assert 'out of disk space"\nCommand "./train.sh"' in reason[:1024]


def test_what_is_no_file_is_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(tmp_path / "failure")
    write_failure("why", tmp_path)
    assert "something else than a file" in caplog.text


def test_the_import_system_s_frames_are_not_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_helper.py").write_text("import no_such_module\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    source = "import importlib\ndef train():\n    importlib.import_module('broken_helper')\n"
    frames = user_frames(raised(tmp_path, source).__traceback__, tmp_path)
    assert [Path(frame.filename).name for frame in frames] == ["train.py", "broken_helper.py"]


def test_the_cause_is_named(tmp_path: Path) -> None:
    source = (
        "def train():\n"
        "    try:\n"
        "        {}['labels']\n"
        "    except KeyError as error:\n"
        "        raise ValueError('no labels') from error\n"
    )
    lines = exception_reason(raised(tmp_path, source), tmp_path, exit_code=4).splitlines()
    assert lines[2] == "ValueError: no labels"
    assert lines[-1] == "caused by KeyError: 'labels'"


def test_the_toolkits_own_errors_speak_for_themselves(tmp_path: Path) -> None:
    error = RequirementsFailed("no such package")
    assert exception_reason(error, tmp_path, exit_code=1) == "no such package"


def test_exit_code_type_and_message_are_within_what_the_platform_keeps(tmp_path: Path) -> None:
    source = "def train():\n    raise ValueError('ExitCode 77\\n' * 1000)\n"
    kept = exception_reason(raised(tmp_path, source), tmp_path, exit_code=4)[:1024]
    assert kept.splitlines()[1:3] == ["ExitCode 4", "ValueError: ExitCode 77"]


def test_the_log_begins_with_the_users_code(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    error = raised(tmp_path, "def train():\n    1 / 0\n")
    with caplog.at_level(logging.ERROR):
        log_exception(error, tmp_path, text="training failed")
    assert "training failed" in caplog.text
    assert "line 2, in train" in caplog.text
    assert "test_failure.py" not in caplog.text


def test_a_script_s_last_exception_is_found(tmp_path: Path) -> None:
    output = (
        "epoch 1\n"
        "Traceback (most recent call last):\n"
        '  File "other.py", line 1, in handled\n'
        "KeyError: 'earlier'\n"
        "epoch 2\n"
        "Traceback (most recent call last):\n"
        f'  File "{tmp_path}/train.py", line 9, in <module>\n'
        "    main()\n"
        "    ~~~~^^\n"
        f'  File "{sys.prefix}/lib/json/__init__.py", line 3, in loads\n'
        "    raise JSONDecodeError\n"
        f'  File "{tmp_path}/lib/helper.py", line 4, in main\n'
        "    raise ValueError(\n"
        "ValueError: no labels\n"
        "in two lines\n"
    )
    command = ["python", "train.py", "--epochs", "5"]
    assert output_reason(output, command=command, exit_code=1, code_dir=tmp_path) == (
        "ExecuteUserScriptError:\n"
        "ExitCode 1\n"
        'ErrorMessage "ValueError: no labels\n'
        "in two lines\n"
        '  File "train.py", line 9, in <module>\n'
        "    main()\n"
        '  File "lib/helper.py", line 4, in main\n'
        '    raise ValueError("\n'
        'Command "python train.py --epochs 5"'
    )


def test_without_a_traceback_the_last_lines_are_shown(tmp_path: Path) -> None:
    output = "".join(f"line {n}\n\n" for n in range(20))
    reason = output_reason(output, command=["./train.sh"], exit_code=137, code_dir=tmp_path)
    assert "line 15\nline 16\nline 17\nline 18\nline 19" in reason
    assert "line 14\n" not in reason
    assert "SIGKILL" in reason


def test_an_exception_that_was_only_logged_is_not_the_reason(tmp_path: Path) -> None:
    logged = "Traceback (most recent call last):\nKeyError: 'handled'\n"
    output = logged + "".join(f"epoch {n}\n" for n in range(50)) + "usage: no such option\n"
    reason = output_reason(output, command=["x"], exit_code=2, code_dir=tmp_path)
    assert "usage: no such option" in reason
    assert "handled" not in reason


@hypothesis.given(st.text())
def test_any_output_makes_a_reason(output: str) -> None:
    reason = output_reason(
        "Traceback (most recent call last):\n" + output, command=["x"], exit_code=3, code_dir=Path()
    )
    assert reason.startswith("ExecuteUserScriptError:\nExitCode 3\n")


def test_the_users_own_failure_file_wins(tmp_path: Path) -> None:
    write_failure("first \ud800", tmp_path / "output")
    write_failure("second", tmp_path / "output")
    assert (tmp_path / "output" / "failure").read_text(encoding="utf-8") == "first \\ud800"


def test_a_failure_file_that_cannot_be_written_is_no_second_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "output").touch()
    write_failure("reason", tmp_path / "output")
    assert "cannot write" in caplog.text
