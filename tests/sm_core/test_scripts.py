"""Function mode or script mode, decided by reading the script."""

from __future__ import annotations

import ast
import contextlib
from pathlib import Path
from textwrap import dedent

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.errors import SourceError
from sm_core.scripts import ScriptFunctions, only_defined, parse_script, runs_as_script

TRAIN = ScriptFunctions(
    required=(("train",),), arguments=frozenset({"hyperparameters", "hosts"}), main="train"
)
MODEL = ScriptFunctions(required=(("model_fn", "estimator_fn"), ("train_input_fn",)))
MAIN = "\nif __name__ == '__main__':\n    main()\n"


def script(folder: Path, text: str) -> Path:
    path = folder / "train.py"
    path.write_text(dedent(text), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "source",
    [
        "def train(hyperparameters): ...",
        "def train(hyperparameters, hosts=None, *, depth=3, **rest): ...",
        "def train(): ...",
        "def train(depth=3): ...",
        "def train(**kwargs): ...",
        "train = lambda hyperparameters: None",
        "from trainer import train",
        "try:\n    from fast import train\nexcept ImportError:\n    def train(hosts): ...",
        "def train(hyperparameters): ..." + MAIN,
        "def train(**kwargs): ..." + MAIN,
        "async def train(hosts): ...",
        # Misspelt, in a script that does nothing by itself: calling it says so.
        "def train(hyperparameters, chanel_input_dirs): ...",
    ],
)
def test_a_framework_s_functions_are_called(source: str, tmp_path: Path) -> None:
    assert not runs_as_script(script(tmp_path, source), TRAIN)


@pytest.mark.parametrize(
    "source",
    [
        "print('training')",
        "def fit(hyperparameters): ...",
        "def train(model, loader): ...",
        "def train(model, loader, hosts): ..." + MAIN,
        "def train(): ..." + MAIN,
        "def train(depth=3): ..." + MAIN,
        "from trainer import train" + MAIN,
        "def train(hosts=()): ...\ntrain()",
        "def train(hosts): ...\nmodel = train([])",
        "class Trainer:\n    def train(hyperparameters): ...",
    ],
)
def test_a_script_of_its_own_is_run(source: str, tmp_path: Path) -> None:
    assert runs_as_script(script(tmp_path, source), TRAIN)


def test_functions_may_come_from_a_file_beside_the_script(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    for name, text in [
        ("trainer", "from train import *\nfrom lib.loop import *\nfrom numpy import *"),
        ("lib/loop", "from trainer import *\ndef train(hosts): ..."),
        ("other", "def fit(hosts): ..."),
    ]:
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    assert not runs_as_script(script(tmp_path, "from trainer import *"), TRAIN)
    assert runs_as_script(script(tmp_path, "from trainer import *" + MAIN), TRAIN)
    for text in ("from other import *", "from absent import *", "from . import *"):
        assert runs_as_script(script(tmp_path, text), TRAIN)
    (tmp_path / "other.py").write_text("print 'x'", encoding="utf-8")
    with pytest.raises(SourceError, match=r"other\.py, line 1: .* is Python 2"):
        runs_as_script(script(tmp_path, "from other import *"), TRAIN)


def test_every_group_of_functions_must_be_there(tmp_path: Path) -> None:
    path = script(tmp_path, "def model_fn(a): ...\ndef train_input_fn(b): ...")
    assert not runs_as_script(path, MODEL)
    assert runs_as_script(script(tmp_path, "def model_fn(a): ..."), MODEL)


def test_the_user_s_choice_wins_and_old_images_know_functions_only(tmp_path: Path) -> None:
    path = script(tmp_path, "print('training')")
    assert not runs_as_script(path, TRAIN, override=False)
    assert not runs_as_script(path, TRAIN, legacy=True)
    assert runs_as_script(path, TRAIN, legacy=True, override=True)


def test_what_is_no_python_file_is_run(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_text("not ( python", encoding="utf-8")
    assert runs_as_script(path, TRAIN)


@pytest.mark.parametrize(
    ("source", "line", "what"),
    [
        ("print 'epoch'", 1, "print statement"),
        ("x = 1\nexec 'y = 2'", 2, "exec statement"),
        ("shape = (1L, 28L)", 1, "long integer"),
        ("mask = 0xFFL", 1, "long integer"),
        ("mode = 0777", 1, "octal"),
        ("ok = 1 <> 2", 1, "'<>'"),
        ("text = `x`", 1, "backticks"),
        ("raise ValueError, 'bad'", 1, "raise Error, value"),
        ("if x:\n\ty = 1\n        z = 2", 3, "tabs"),
    ],
)
def test_python_2_is_named_with_file_and_line(
    source: str, line: int, what: str, tmp_path: Path
) -> None:
    path = tmp_path / "old.py"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(SourceError) as caught:
        runs_as_script(path, TRAIN)
    assert f"{path}, line {line}:" in str(caught.value)
    assert "Python 2" in str(caught.value)
    assert what in str(caught.value)


def test_any_other_mistake_is_named_with_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"train\.py, line 2: 'def f\(:' is not valid Python 3"):
        parse_script(script(tmp_path, "x = 1\ndef f(:\n    pass"))


def test_a_missing_script_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot read the script .*absent\.py: No such file"):
        parse_script(tmp_path / "absent.py")


def test_reading_warns_about_nothing(tmp_path: Path) -> None:
    # Warnings are errors here; an invalid escape is the user's business when the script runs.
    parse_script(script(tmp_path, r"pattern = '\d'"))


@hypothesis.given(st.binary(max_size=200))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.py"
    path.write_bytes(data)
    with contextlib.suppress(SourceError):
        assert isinstance(parse_script(path), ast.Module)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('"""Doc."""\nimport os\nSIZE = 3\ndef trian(hyperparameters): ...', ["trian"]),
        ("def trian(): ...\ntrian()", []),
        ("def main(): ...\nresult = main()", []),
        ("def main(): ...\nif __name__ == '__main__':\n    main()", []),
        ("print(1)", []),
        ("SIZE = 3", []),
    ],
)
def test_a_script_that_only_defines_functions_is_told(source: str, names: list[str]) -> None:
    assert only_defined(ast.parse(source)) == names
