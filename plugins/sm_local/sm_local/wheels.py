"""Repack an installed distribution as a wheel.

A container runs the very code that runs beside the client, and the client has it in one of two
shapes: installed from a wheel, its files listed in ``RECORD``; or installed editable, its files in
a source tree, where its import packages are. Either becomes a wheel again (`the format`_), without
a build back end, a compiler or a network.

.. _the format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import shutil
import sys
import sysconfig
import tempfile
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from sm_core.errors import LocalServiceError

__all__ = ["WheelError", "WheelFile", "installed_wheel"]

_COMPILED = (".so", ".pyd", ".dylib", ".dll")
_SITE_FOLDERS = {"site-packages", "dist-packages"}
#: Wheels of one distribution that stay in the cache; each change of an editable one makes another.
_KEPT = 8


class WheelError(LocalServiceError):
    """The distribution is not installed, or its files cannot be found."""


@attrs.frozen(kw_only=True)
class WheelFile:
    """A wheel on disk: its file name, its SHA-256 in hexadecimal digits, and where it is."""

    filename: str
    sha256: str
    path: Path


@attrs.frozen(kw_only=True)
class _File:
    content: bytes
    executable: bool = False

    @classmethod
    def read(cls, path: Path) -> _File:
        return cls(content=path.read_bytes(), executable=bool(path.stat().st_mode & 0o100))


def installed_wheel(distribution: str, cache: Path) -> WheelFile:
    """Return the installed files of ``distribution`` as a wheel.

    The same files make the same bytes, whatever the time, folder or interpreter. Byte code is left
    out. A distribution with compiled modules keeps its tags, and so its Python and platform.

    Args:
        distribution: its name, as for pip.
        cache: folder in which the wheels are kept; made if need be.

    Raises:
        WheelError: it is not installed, or its files cannot be found.
    """
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise WheelError(
            f"{distribution} is not installed in the environment of {sys.executable}: "
            f"run pip install {distribution}"
        ) from error
    if not found.metadata["Name"]:
        raise WheelError(f"the metadata of {distribution} has no name: reinstall it")
    project = _source_folder(found)
    files = dict(_recorded_files(found) if project is None else _source_files(found, project))
    tags, pure = _tags(found, files, editable=project is not None)
    name = re.sub(r"[-_.]+", "_", found.metadata["Name"]).lower()
    version = found.version.replace("-", "_")
    info = f"{name}-{version}.dist-info"
    files = dict(sorted(files.items()))
    files |= {f"{info}/{path}": file for path, file in _dist_info(found, tags, pure=pure)}
    files[f"{info}/RECORD"] = _File(content=_record(files, f"{info}/RECORD"))
    parts = (
        ".".join(dict.fromkeys(part))
        for part in zip(*(tag.split("-") for tag in tags), strict=True)
    )
    return _cached(cache, name, f"{'-'.join([name, version, *parts])}.whl", files)


def _source_folder(found: importlib.metadata.Distribution) -> Path | None:
    """Return the folder whose import packages to look for; None if ``RECORD`` lists the files."""
    direct_url = json.loads(found.read_text("direct_url.json") or "{}")
    if direct_url.get("dir_info", {}).get("editable"):
        path = urllib.parse.urlsplit(direct_url["url"]).path
        return Path(urllib.request.url2pathname(path)).resolve()
    if found.read_text("RECORD") is None and found.read_text("installed-files.txt") is None:
        # Developed with an egg-link, or installed by a system's package manager.
        return Path(str(found.locate_file(""))).resolve()
    return None


def _recorded_files(found: importlib.metadata.Distribution) -> Iterator[tuple[str, _File]]:
    """Yield the files that ``RECORD`` lists, those of ``.dist-info`` aside."""
    scripts = {
        entry_point.name
        for entry_point in found.entry_points
        if entry_point.group in ("console_scripts", "gui_scripts")
    }
    data = re.sub(r"[-_.]+", "_", found.metadata["Name"]).lower() + f"-{found.version}.data"
    for file in found.files or ():
        if "__pycache__" in file.parts or file.suffix == ".pyc":
            continue
        if file.parts[0].endswith((".dist-info", ".egg-info")):
            continue
        path = Path(str(file.locate()))
        if not path.is_file():
            raise WheelError(
                f"{path}, a file of {found.metadata['Name']}, is missing: reinstall it"
            )
        if file.parts[0] != "..":
            yield file.as_posix(), _File.read(path)
            continue
        folder, *rest = (part for part in file.parts if part != "..")
        if folder != "bin":
            yield "/".join([data, "data", folder, *rest]), _File.read(path)
        elif rest[-1] not in scripts:  # those, the installer writes anew
            script = _File.read(path)
            content = re.sub(rb"\A#!.*python.*", b"#!python", script.content)
            yield "/".join([data, "scripts", *rest]), attrs.evolve(script, content=content)


def _source_files(
    found: importlib.metadata.Distribution, project: Path
) -> Iterator[tuple[str, _File]]:
    """Yield the files of the import packages that an editable distribution has in ``project``."""
    names = set((found.read_text("top_level.txt") or "").split())
    names |= {entry_point.module.partition(".")[0] for entry_point in found.entry_points}
    names.add(re.sub(r"[-.]+", "_", found.metadata["Name"]))
    places = {place for name in names for place in _places(name, project)}
    if not places:
        raise WheelError(
            f"none of the import packages of {found.metadata['Name']} is found in {project} "
            f"(tried: {', '.join(sorted(names))}): install it from a wheel, not --editable"
        )
    for folder in {path.parent for _, path in places if path.parent.name == "src"}:
        places |= {(path.name, path) for path in folder.iterdir() if _is_importable(path)}
    for name, path in sorted(places):
        if path.is_file():
            yield name, _File.read(path)
        else:
            for inner in _tree(path):
                yield f"{name}/{inner.relative_to(path).as_posix()}", _File.read(inner)


def _places(name: str, project: Path) -> list[tuple[str, Path]]:
    """Return where ``name`` is imported from if that is in the source tree.

    Each place is the name that it has in a wheel, and the file or folder.
    """
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return []  # no module of that name, or one that was made by hand
    if spec is None:
        return []
    places = [Path(place).resolve() for place in spec.submodule_search_locations or ()]
    if not places and spec.has_location and spec.origin:
        places = [Path(spec.origin).resolve()]
    return [
        (name + path.name[path.name.find(".") :] if path.is_file() else name, path)
        for path in places
        if path.exists()
        and path.is_relative_to(project)
        and not _SITE_FOLDERS.intersection(path.relative_to(project).parts)
    ]


def _is_importable(path: Path) -> bool:
    if path.is_dir():
        return (path / "__init__.py").exists()
    return path.name.endswith(tuple(importlib.machinery.all_suffixes()))


def _tree(folder: Path) -> Iterator[Path]:
    """Yield the files below a source folder that a build would ship, links followed."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(
            name
            for name in folders
            if name != "__pycache__" and not name.startswith(".") and not name.endswith(".egg-info")
        )
        for name in sorted(files):
            # What editors and Finder leave beside the files they touch.
            if not re.fullmatch(r".*\.pyc|.*~|\..*\.sw.|\.#.*|\.DS_Store", name):
                yield Path(place, name)


def _tags(
    found: importlib.metadata.Distribution, files: Mapping[str, _File], *, editable: bool
) -> tuple[Sequence[str], bool]:
    """Return the wheel's compatibility tags, and whether it is for any platform."""
    wheel = found.read_text("WHEEL") or ""
    compiled = any(name.endswith(_COMPILED) for name in files)
    if not editable and (tags := re.findall(r"(?m)^Tag: *(\S+)", wheel)):
        return tags, "\nRoot-Is-Purelib: false" not in wheel
    if not compiled:
        return ["py3-none-any"], True
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    return [f"{python}-{python}{sys.abiflags}-{platform}"], False


def _dist_info(
    found: importlib.metadata.Distribution, tags: Sequence[str], *, pure: bool
) -> Iterator[tuple[str, _File]]:
    metadata = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    yield "METADATA", _File(content=metadata.encode())
    for name in ("entry_points.txt", "top_level.txt"):
        if text := found.read_text(name):
            yield name, _File(content=text.encode())
    for file in found.files or ():
        if file.parts[0].endswith(".dist-info") and file.parts[1] == "licenses":
            yield "/".join(file.parts[1:]), _File.read(Path(str(file.locate())))
    lines = [
        "Wheel-Version: 1.0",
        "Generator: sm-local",
        f"Root-Is-Purelib: {str(pure).lower()}",
        *(f"Tag: {tag}" for tag in tags),
    ]
    yield "WHEEL", _File(content="".join(f"{line}\n" for line in lines).encode())


def _record(files: Mapping[str, _File], own_name: str) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for name, file in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(file.content).digest()).rstrip(b"=")
        rows.writerow([name, f"sha256={digest.decode()}", len(file.content)])
    rows.writerow([own_name, "", ""])
    return text.getvalue().encode()


def _cached(cache: Path, name: str, filename: str, files: Mapping[str, _File]) -> WheelFile:
    """Return the wheel of these files from the cache, writing it first if it is not there."""
    # RECORD, the last one, holds the digests of all others.
    content = [filename, [*files.values()][-1].content.decode()]
    content += sorted(path for path, file in files.items() if file.executable)
    folder = cache / f"{name}-{hashlib.sha256(json.dumps(content).encode()).hexdigest()}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".", dir=cache))
        try:
            digest = _write(temporary / filename, files)
            (temporary / "sha256").write_text(digest)
            temporary.rename(folder)
        except OSError:
            if not folder.exists():  # else somebody else was faster
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _prune(cache, name)
    os.utime(folder)
    sha256 = (folder / "sha256").read_text()
    return WheelFile(filename=filename, sha256=sha256, path=folder / filename)


def _write(path: Path, files: Mapping[str, _File]) -> str:
    """Write a wheel; return its SHA-256."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # zlib's bytes are not fixed
        for name, file in files.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # Unix, whatever this is
            info.external_attr = (0o100755 if file.executable else 0o100644) << 16
            archive.writestr(info, file.content)
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        return hashlib.sha256(stream.read()).hexdigest()


def _prune(cache: Path, name: str) -> None:
    """Remove all but the wheels of this distribution that were used last."""
    folders = sorted(cache.glob(f"{name}-*"), key=lambda folder: folder.stat().st_mtime)
    for folder in folders[:-_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
