"""What the documentation shows works: code blocks run, commands exist, links lead somewhere.

Python blocks of a page run in order, as one program, in a folder that holds the examples. A comment
in the line before a block says what else it needs:

- ``<!-- test: local -->``: the page talks to the local service;
- ``<!-- test: aws -->``: an account; the block is compiled and not run.
- ``<!-- test: file -->``: the block is a file, named by its first line, that the other blocks use.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import click
import pytest

from sm_core.cli import main as sm

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "plugins/*/README.md")
    for path in ROOT.glob(pattern)
)
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
#: What a shell block may install: this project's own, and what a Python block imports besides.
INSTALLABLE = {
    "sm-core",
    "sm-amazon-algos",
    "sm-local",
    "sm-mxnet",
    "sm-tensorflow",
    "scikit-learn",
}


@attrs.frozen
class Block:
    """A fenced code block."""

    page: Path
    line: int
    language: str
    needs: str
    text: str


FENCE = re.compile(
    r"^(?:<!-- test: (?P<needs>\w+) -->\n+)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start("text")) + 1
        yield Block(page, line, match["language"], match["needs"] or "", match["text"])


BLOCKS = [block for page in PAGES for block in blocks(page)]


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def block_name(block: Block) -> str:
    return f"{page_name(block.page)}:{block.line}"


@pytest.mark.parametrize("block", BLOCKS, ids=block_name)
def test_a_block_says_what_it_is(block: Block) -> None:
    assert block.language in {"bash", "dockerfile", "json", "python", "text", "toml"}
    assert block.needs in {"", "aws", "file", "local"}


def program(page: Path) -> str:
    """The Python blocks of a page, at the lines where they stand."""
    lines: list[str] = []
    for block in blocks(page):
        if block.language == "python" and block.needs not in ("aws", "file"):
            lines += [""] * (block.line - 1 - len(lines))
            lines += block.text.splitlines()
    return "\n".join(lines) + "\n" if lines else ""


def write_files(page: Path, folder: Path) -> None:
    """The blocks of a page that are files, each under the name in its first line."""
    for block in blocks(page):
        if block.needs == "file":
            name = block.text.partition("\n")[0].removeprefix("# ")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(block.text, encoding="utf-8")


@pytest.mark.integ
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page in PAGES if program(page)], ids=page_name)
def test_the_python_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    shutil.copytree(ROOT / "examples", folder, ignore=shutil.ignore_patterns("data", "__pycache__"))
    script = folder / f"{page.stem}_blocks.py"
    script.write_text(program(page), encoding="utf-8")
    write_files(page, folder)
    python = [sys.executable, "-W", "error::DeprecationWarning:__main__"]
    try:
        answer = subprocess.run(
            [*python, script], cwd=folder, capture_output=True, text=True, check=False
        )
    finally:
        if any(block.needs == "local" for block in blocks(page)):
            subprocess.run([sys.executable, "-m", "sm_core.cli", "local", "down"], check=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.integ
@pytest.mark.timeout(600)
def test_the_framework_of_the_plugins_page_trains_and_serves_locally(tmp_path: Path) -> None:
    folder, installed = tmp_path / "my-ridge", tmp_path / "installed"
    write_files(ROOT / "docs" / "plugins.md", folder)
    (folder / "my_ridge" / "__init__.py").touch()
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    for command in (
        ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(installed), str(folder)],
        [str(folder / "try_ridge.py")],
    ):
        try:
            answer = subprocess.run(
                [sys.executable, *command],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            subprocess.run([sys.executable, "-m", "sm_core.cli", "local", "down"], check=True)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    assert re.search(r"^\[5\.\d+\]$", answer.stdout, re.MULTILINE)


def test_blocks_that_this_program_does_not_run_compile() -> None:
    for block in BLOCKS:
        if block.language == "python" and block.needs in ("aws", "file"):
            compile(block.text, block_name(block), "exec")


def commands(text: str) -> Iterator[list[str]]:
    """The simple commands of a shell block, variable assignments in front taken off."""
    for line in text.replace("\\\n", " ").splitlines():
        parts = shlex.shlex(line, posix=True, punctuation_chars="();&|")
        parts.whitespace_split = True
        for separates, group in itertools.groupby(parts, lambda part: not part.strip("();&|")):
            words = list(group)
            while words and re.fullmatch(r"\w+=.*", words[0]):
                words = words[1:]
            if words and not separates:
                yield words


def command_exists(words: list[str]) -> bool:
    """Whether `words` begin with a command that there is, with options that it knows."""
    tool, rest = words[0], words[1:]
    if tool == "make":
        return all(word in TARGETS or re.fullmatch(r"[A-Z]+=.+", word) for word in rest)
    if tool == "sm":
        return sm_command_exists(rest)
    if tool == "pip" and rest[:1] == ["install"]:
        named = [word for word in rest[1:] if not word.startswith("-")]
        return all(word in INSTALLABLE or (ROOT / word).is_dir() for word in named)
    if tool in ("python", "python3"):
        return not rest or rest[0].startswith("-") or (ROOT / rest[0]).is_file()
    if tool == "eval":
        inner = re.fullmatch(r"\$\((.*)\)", rest[0])
        return inner is not None and command_exists(shlex.split(inner[1]))
    return tool in {"aws", "cd", "cp", "echo", "export", "git", "mkdir", "printf", "tar", "unset"}


def sm_command_exists(words: list[str]) -> bool:
    command: click.Command | None = sm
    context = click.Context(sm)
    for word in words:
        assert command is not None
        if word.startswith("-"):
            options = [option for parameter in command.params for option in parameter.opts]
            return word.partition("=")[0] in [*options, "--help"]
        if not isinstance(command, click.Group):
            return True
        command = command.get_command(context, word)
        if command is None:
            return False
    return True


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "bash"], ids=block_name
)
def test_the_commands_of_a_shell_block_exist(block: Block) -> None:
    checked = subprocess.run(
        ["bash", "-n"], input=block.text, text=True, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    unknown = [" ".join(words) for words in commands(block.text) if not command_exists(words)]
    assert not unknown


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = [match[1].partition("#")[0] for match in re.finditer(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and "://" not in target]
    assert not [target for target in local if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_files_that_are_named_exist(page: Path) -> None:
    """`sm_core/estimator.py` in backquotes names a file of the repository."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    folders = ("sm_core/", "plugins/", "docs/", "tests/", "tools/", "examples/", "benchmarks/")
    named = [name for name in re.findall(r"`([\w./-]+)`", text) if name.startswith(folders)]
    assert not [name for name in named if not (ROOT / name).exists()]


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    listed = re.findall(r"^ +- .*?: (\S+\.md)$", navigation, re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


@pytest.mark.integ
def test_the_documentation_builds(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "index.html").is_file()


@pytest.mark.parametrize(
    "package",
    [
        "sm_core",
        "sm_core/cli",
        "sm_core/container",
        "plugins/sm_amazon_algos/sm_amazon_algos",
        "plugins/sm_local/sm_local",
        "plugins/sm_mxnet/sm_mxnet",
        "plugins/sm_tensorflow/sm_tensorflow",
    ],
)
def test_the_map_names_every_file(package: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = re.split(rf"^### `{package}/`", page, flags=re.MULTILINE)[1].partition("\n###")[0]
    files = {path.name for path in (ROOT / package).glob("*.py")} - {"__init__.py"}
    named = set(re.findall(r"`([\w.]+\.py)`", section))
    assert named == files


DRY_RUN = """
from sm_core import Estimator, Session

estimator = Estimator(
    framework="mxnet",
    entry_point="train.py",
    role="arn:aws:iam::000000000000:role/SageMakerRole",
    train_instance_type="ml.c4.xlarge",
    sagemaker_session=Session.local(),
)
estimator.training_request("s3://bucket/digits")
"""


@pytest.mark.integ
def test_the_hooks_of_a_fit_come_in_the_order_that_is_documented() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.split("## The hooks of a `fit`")[1].partition("\n## ")[0]
    documented = list(dict.fromkeys(re.findall(r"`(sm_\w+)`", section)))
    client = documented[: documented.index("sm_cluster")]
    traced = subprocess.run(
        [sys.executable, "-c", DRY_RUN],
        cwd=ROOT / "examples",
        env={**os.environ, "SMCORE_TRACE_HOOKS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    called = list(dict.fromkeys(re.findall(r"^\s*hook (sm_\w+)", traced.stderr, re.MULTILINE)))
    assert set(called) == set(client)
    # A call is shown when it returns, and that of sm_request holds the one of sm_container.
    called.remove("sm_request")
    client.remove("sm_request")
    assert called == client
