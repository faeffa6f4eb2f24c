"""Image URIs: the request that plugins answer, and tables of AWS's images read as plugin data.

A table is JSON with the keys ``ecr_domain`` (region → DNS suffix of the registry, and ``default``),
``main_regions``, ``accounts`` (named sets of a ``main`` account and ``other`` region → account) and
``frameworks`` (name → scope → processors, short_to_full, image rows).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

from sm_core.errors import ConfigurationError, ImageError

__all__ = ["ImageRequest", "ImageTable", "processor", "resolve_image"]

Scope = Literal["training", "inference"]


@attrs.frozen(kw_only=True)
class ImageRequest:
    """What an image is wanted for.

    Attributes:
        framework: the framework's name.
        version: the version the user named, full or short (``1.9``); None for `default_version`.
        default_version: the framework's default.
        py_version: ``py2``, ``py3`` or an exact one (``py38``); None for the version's own.
        region: AWS region.
        instance_type: ``ml.<family>.<size>``.
        scope: ``training`` or ``inference``.
    """

    framework: str
    region: str
    instance_type: str
    scope: Scope
    version: str | None = None
    default_version: str | None = None
    py_version: str | None = None


def resolve_image(request: ImageRequest) -> str:
    """The image URI for `request`, from the first plugin that knows it.

    Raises:
        ImageError: no plugin has an image for it.
        PluginError: a plugin failed to answer.
    """
    from sm_core.plugins import client_plugins

    uri = client_plugins().first("sm_image", str, request=request)
    if uri is None:
        raise ImageError(
            f"no plugin has an image of {request.framework!r} for {request.scope}; "
            "name one with image_name="
        )
    return uri


def processor(instance_type: str) -> Literal["cpu", "gpu"]:
    """``gpu`` for instance families that begin with g or p, ``cpu`` for all others.

    Raises:
        ConfigurationError: `instance_type` is not of the form ``ml.<family>.<size>``.
    """
    parts = instance_type.split(".")
    if len(parts) != 3 or parts[0] != "ml" or not all(parts):
        raise ConfigurationError(
            f"{instance_type!r} is not an instance type; one looks like 'ml.c5.xlarge'"
        )
    return "gpu" if parts[1][0] in "gp" else "cpu"


@attrs.frozen(kw_only=True)
class _Row:
    version: str
    python: tuple[str, ...]
    repository: str
    accounts: str
    tag_suffix: str | None = None


@attrs.frozen
class ImageTable:
    """AWS's images of one plugin's frameworks, from `data`, the table as read from JSON."""

    _data: Mapping[str, Any]

    @classmethod
    def from_json(cls, text: str) -> ImageTable:
        """Read a table from JSON `text`; see the module's description for its keys."""
        return cls(json.loads(text))

    def uri(self, request: ImageRequest) -> str:
        """The URI of AWS's image for `request`.

        Raises:
            ImageError: the version, Python version, processor or region is not in the table; names
                those that are.
        """
        scope = self._data["frameworks"][request.framework][request.scope]
        asked = request.version or request.default_version
        if asked is None:
            raise ImageError(f"{request.framework} has no default version: give framework_version=")
        device = processor(request.instance_type)
        if device not in scope["processors"]:
            raise ImageError(
                f"{request.framework} {request.scope} has no {device} image, which "
                f"{request.instance_type} needs"
            )
        rows = self._rows(request, scope, asked)
        python = _python(request, asked, rows)
        row = next(row for row in rows if python is None or python in row.python)
        tag = "-".join(part for part in (asked, device, python, row.tag_suffix) if part)
        suffix = self._family_suffix(request, tag)
        return f"{self._registry(row, request)}/{row.repository}:{tag}{suffix}"

    def _rows(
        self, request: ImageRequest, scope: Mapping[str, Any], asked: str
    ) -> tuple[_Row, ...]:
        full = scope["short_to_full"].get(asked, asked)
        rows = tuple(
            _Row(**{**row, "python": tuple(row.get("python", ()))})
            for row in scope["images"]
            if row["version"] == full
        )
        if not rows:
            known = sorted({row["version"] for row in scope["images"]}, key=_natural)
            raise ImageError(
                f"there is no {request.framework} {asked} image for {request.scope}"
                f"{_nearest(asked, known)}; known versions: {', '.join(known)}"
            )
        return rows

    def _registry(self, row: _Row, request: ImageRequest) -> str:
        accounts, region = self._data["accounts"][row.accounts], request.region
        main = self._data["main_regions"]
        account = accounts["other"].get(region)
        if account is None and region in main:
            account = accounts.get("main")
        if account is None:
            known = sorted({*main, *accounts["other"]})
            raise ImageError(
                f"AWS publishes no {request.framework} image in region {region!r}"
                f"{_nearest(region, known)}; regions: {', '.join(known)}. "
                "Elsewhere, give your own copy with image_name="
            )
        domains = self._data["ecr_domain"]
        return f"{account}.dkr.ecr.{region}.{domains.get(region, domains['default'])}"

    def _family_suffix(self, request: ImageRequest, tag: str) -> str:
        family = request.instance_type.split(".")[1]
        suffixes = self._data.get("gpu_tag_suffix_for_p4d_or_smdistributed", {})
        suffix = suffixes.get(request.framework, {}).get(tag) if family == "p4d" else None
        return f"-{suffix}" if suffix else ""


def _python(request: ImageRequest, version: str, rows: Sequence[_Row]) -> str | None:
    """The Python part of the tag: ``py3`` stands for the version's Python 3, whatever its tag."""
    known = [python for row in rows for python in row.python]
    if not known:
        return None
    asked = request.py_version
    threes = sorted((each for each in known if each.startswith("py3")), key=_minor)
    if asked is None:
        return "py2" if "py2" in known else threes[-1]
    if asked in known:
        return asked
    if asked == "py3" and threes:
        return threes[-1]
    raise ImageError(
        f"{request.framework} {version} has no image for py_version={asked!r}; "
        f"it has: {', '.join(known)}"
    )


def _minor(python: str) -> int:
    """``py38`` → 8, ``py310`` → 10; 0 for ``py3``."""
    return int(python.removeprefix("py3") or 0)


def _natural(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
