"""The user's code: brought into place, put on the import path, imported."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from sm_core.archives import unpack
from sm_core.container.errors import ContainerError
from sm_core.errors import ArchiveError, SourceError
from sm_core.scripts import parse_script

__all__ = ["DEPENDENCIES", "fetch_code", "import_script", "use_code"]

#: Folder below the base directory with what requirements.txt names, in nobody's way.
DEPENDENCIES = "dependencies"


def fetch_code(submit_directory: str | None, code_dir: Path, *, region: str = "") -> None:
    """Bring the user's code into `code_dir`, unless something lies there already.

    Args:
        submit_directory: ``s3://….tar.gz``, or a local folder, archive or single file.
        code_dir: folder to fill; made if missing.
        region: AWS region of the bucket; "" leaves it to boto3.

    Raises:
        SourceError: there is nothing at `submit_directory`, or it is no safe archive.
        ContainerError: the download failed.
    """
    if submit_directory is None or (code_dir.is_dir() and any(code_dir.iterdir())):
        return
    code_dir.mkdir(parents=True, exist_ok=True)
    if submit_directory.startswith("s3://"):
        from sm_core.container.s3 import download

        with tempfile.TemporaryDirectory(dir=code_dir.parent) as scratch:
            archive = Path(scratch) / "sourcedir.tar.gz"
            download(submit_directory, archive, region=region)
            _unpack(archive, code_dir)
        return
    source = Path(submit_directory)
    if source.is_dir():
        shutil.copytree(source, code_dir, symlinks=True, dirs_exist_ok=True)
    elif source.name.endswith((".tar.gz", ".tgz")):
        _unpack(source, code_dir)
    elif source.is_file():
        shutil.copy2(source, code_dir)
    else:
        raise SourceError(f"there is no code at {submit_directory!r}, the job's submit directory")


def _unpack(archive: Path, code_dir: Path) -> None:
    try:
        unpack(archive, code_dir)
    except (ArchiveError, OSError) as error:
        raise SourceError(f"cannot unpack the code archive {archive.name}: {error}") from error


def use_code(code_dir: Path, base_dir: Path) -> None:
    """Make `code_dir` the working directory, and let Python import from it.

    So it can from what the code's requirements installed; both hold for child processes too.
    """
    folders = [str(folder) for folder in (code_dir, base_dir / DEPENDENCIES) if folder.is_dir()]
    sys.path[:0] = folders
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*folders, *([inherited] if inherited else [])])
    if code_dir.is_dir():
        os.chdir(code_dir)


def import_script(code_dir: Path, program: str) -> ModuleType:
    """Import the user's script, a file of `code_dir`, whatever characters its name has.

    What lies beside it in a folder of its own can be imported too, as when Python runs it.

    Args:
        code_dir: folder with the code, already on the import path.
        program: the script, relative to `code_dir`; ``.py`` may be missing.

    Raises:
        SourceError: there is no such file, it is not valid Python 3, or its name hides a module
            that is already loaded. What the script itself raises is passed on.
    """
    path = code_dir / (program if program.endswith(".py") else f"{program}.py")
    if not path.is_file():
        present = ", ".join(sorted(entry.name for entry in code_dir.glob("*"))) or "nothing"
        raise SourceError(f"there is no entry point {program!r} in {code_dir}; it holds: {present}")
    parse_script(path)
    name = path.stem
    if name in sys.modules or name in sys.stdlib_module_names:
        raise SourceError(f"the entry point {path.name} hides Python's module {name!r}; rename it")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ContainerError(f"Python cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    if path.parent != code_dir:
        sys.path.insert(0, str(path.parent))
    # Known by its name before it runs: what it pickles refers to the name, and so may its helpers.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        del sys.modules[name]
        beside = Path(error.filename or "")
        if beside.is_relative_to(code_dir) and beside.is_file():
            parse_script(beside)  # of a module that the script imports: says so if it is Python 2
        raise
    except BaseException:
        del sys.modules[name]
        raise
    return module
