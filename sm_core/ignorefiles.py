"""Which entries of a source folder stay where they are, by name and by the folder's ignore files.

``.gitignore`` is read as git reads it (`gitignore(5)`_): in every folder, those above the source
folder in the same repository included; the last pattern that matches decides, the nearest file
first; nothing below a folder that is left out comes back. What depends on more than these files is
not looked at: git's index, ``.git/info/exclude`` and the user's own settings.

``.sagemakerignore`` has the same form and the last word, on what is left out by name too.

.. _gitignore(5): https://git-scm.com/docs/gitignore
"""

from __future__ import annotations

import fnmatch
import os
import re
from functools import cache
from pathlib import Path, PurePath

import attrs

from sm_core.errors import SourceError
from sm_core.wildmatch import expression_of

__all__ = ["EXCLUDED", "IgnoreRules", "Pattern", "parse_patterns"]

GITIGNORE, SAGEMAKERIGNORE = ".gitignore", ".sagemakerignore"

#: Left out by name: version control, environments, caches, and what usually holds secrets.
EXCLUDED = (
    *(".git", ".gitignore", ".gitattributes", ".gitmodules", ".hg", ".svn", SAGEMAKERIGNORE),
    *(".venv", "venv", ".tox", ".nox", "node_modules", ".direnv", ".terraform"),
    *("__pycache__", "*.pyc", "*.pyo", ".ipynb_checkpoints", ".hypothesis", ".eggs"),
    *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".idea", ".vscode", "*.swp", ".DS_Store"),
    *(".env", ".env.*", ".envrc", ".aws", ".azure", ".gcloud", ".ssh", ".kube", ".docker"),
    *(".gnupg", ".netrc", "_netrc", ".pypirc", ".npmrc", ".pgpass", ".my.cnf", ".htpasswd"),
    *(".git-credentials", ".s3cfg", ".boto", ".dockercfg", ".databrickscfg", ".vault-token"),
    *("kaggle.json", ".*_history", "*.pem", "*.key", "*.ppk", "*.p12", "*.pfx", "*.jks"),
    *("*.keystore", "*.kdbx", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*"),
)
#: In any case of letters: ``KEY.PEM`` is as secret as ``key.pem``.
_EXCLUDED = re.compile("|".join(map(fnmatch.translate, EXCLUDED)), re.IGNORECASE)
#: What every virtual environment holds, whatever its name.
_ENVIRONMENT_MARKER = "pyvenv.cfg"


@attrs.frozen(kw_only=True)
class Pattern:
    """One line of an ignore file.

    Attributes:
        where: file and line, and the line itself, for messages.
        expression: matches the whole of what is looked at.
        includes: it began with ``!``.
        folders_only: it ended with a slash.
        by_name: there was no other slash in it: an entry's name is looked at, not its path.
    """

    where: str
    expression: re.Pattern[bytes]
    includes: bool
    folders_only: bool
    by_name: bool

    def matches(self, relative: PurePath, is_folder: bool) -> bool:
        """Whether an entry matches.

        Args:
            relative: its path, relative to the ignore file's folder.
            is_folder: whether it is a folder.
        """
        if self.folders_only and not is_folder:
            return False
        subject = relative.name if self.by_name else relative.as_posix()
        return self.expression.fullmatch(os.fsencode(subject)) is not None


class IgnoreRules:
    """What is left out of one source folder."""

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: the source folder.
        """
        self._folder = folder
        self._root = folder.resolve()
        self._patterns = cache(_read_patterns)
        self._top = self._root
        above = [self._root, *self._root.parents]
        repository = next((each for each in above if (each / ".git").exists()), self._root)
        on_the_way = above[: above.index(repository)]
        # Where the source folder itself is ignored, naming it overrides what leaves it out.
        if not any(self._leaves_out(GITIGNORE, each, True, repository) for each in on_the_way):
            self._top = repository

    def reason(self, path: Path, is_folder: bool) -> str | None:
        """Why an entry is left out, for a message; None if it is not.

        Args:
            path: of the entry, below the source folder; no folder on the way to it is left out.
            is_folder: whether it is one, or a link to one.

        Raises:
            SourceError: an ignore file cannot be read.
        """
        place = self._root / path.relative_to(self._folder)
        own = self._deciding(SAGEMAKERIGNORE, place, is_folder, self._root)
        if own is not None:
            return None if own.includes else own.where
        if _EXCLUDED.fullmatch(path.name):
            return f"{path.name!r} is never uploaded unless {SAGEMAKERIGNORE} says '!{path.name}'"
        if is_folder and (path / _ENVIRONMENT_MARKER).is_file():
            return f"{path.name!r} is a virtual environment"
        git = self._deciding(GITIGNORE, place, is_folder, self._top)
        return None if git is None or git.includes else git.where

    def leaves_out(self, path: Path, is_folder: bool) -> bool:
        """Whether an entry is left out; arguments and errors as for `reason`."""
        return self.reason(path, is_folder) is not None

    def _deciding(self, name: str, place: Path, is_folder: bool, top: Path) -> Pattern | None:
        """The pattern that decides about an entry, in the nearest file that has one."""
        for folder in place.parents:
            patterns = self._patterns(folder / name)
            relative = place.relative_to(folder) if patterns else place
            for pattern in patterns:
                if pattern.matches(relative, is_folder):
                    return pattern
            if folder == top:
                break
        return None

    def _leaves_out(self, name: str, place: Path, is_folder: bool, top: Path) -> bool:
        decided = self._deciding(name, place, is_folder, top)
        return decided is not None and not decided.includes


def parse_patterns(text: bytes, name: str) -> tuple[Pattern, ...]:
    """The patterns of an ignore file, the last one first, which is the order in which they decide.

    Args:
        text: of the file.
        name: of the file, for messages.
    """
    lines = text.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    found = [
        _parsed(line.removesuffix(b"\r"), f"{name}, line {number}")
        for number, line in enumerate(lines, start=1)
    ]
    return tuple(pattern for pattern in reversed(found) if pattern is not None)


def _read_patterns(path: Path) -> tuple[Pattern, ...]:
    try:
        text = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return ()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    return parse_patterns(text, str(path))


#: A line up to the spaces at its end that do not count: those without a backslash.
_LINE = re.compile(rb"(?: *(?:\\.|[^\\ ]))*", re.DOTALL)


def _parsed(line: bytes, where: str) -> Pattern | None:
    """None for an empty line, a comment, and a pattern that can match nothing."""
    matched = _LINE.match(line)
    assert matched is not None  # it may be empty
    text, rest = matched[0], line[matched.end() :]
    if text.startswith(b"#") or rest.strip(b" "):  # a backslash at the end
        return None
    includes = text.startswith(b"!")
    text = text[includes:]
    folders_only = text.endswith(b"/")
    text = text[: len(text) - folders_only]
    expression = expression_of(text.removeprefix(b"/"))
    if not text or expression is None:
        return None
    return Pattern(
        where=f"{where}: {os.fsdecode(line)!r}",
        expression=expression,
        includes=includes,
        folders_only=folders_only,
        by_name=b"/" not in text,
    )
