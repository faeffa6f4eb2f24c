"""Which of a table's images a request needs, and which version an image is of."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from sm_core.errors import ImageError
from sm_core.images import Chip, ImageOrigin, ImageRequest, chip_of, family_of
from sm_core.imagetables import VARIABLE, Image, Images, ImageTable, in_order

__all__ = ["image_uri", "origin_of_image", "version_of_image"]

_OTHERWISE = f"name an image with image_name=, or list it in the file that {VARIABLE} names"
_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.(?P<domain>[a-z0-9.]+)"
    r"/(?P<repository>[a-z0-9._/-]+):(?P<tag>[\w.-]+)"
)


def image_uri(table: ImageTable, request: ImageRequest) -> str:
    """The URI of the image for `request`, the user's own additions to `table` considered.

    A version that the user named is refused where the instance type cannot run it. Where it is the
    framework's default, the newest version before it takes its place that can be run.

    Raises:
        ImageError: the version, Python version, processor or region is not in the table; names
            those that are, and the nearest.
        ConfigurationError: the instance type is none, or the user's file is no table.
    """
    table = table.with_users()
    chip = chip_of(request.instance_type)
    scope, processor = _scope(table, request, chip)
    version, images = _version(table, request, scope)
    tagged = next((image for image in images if image.tag), None)
    if tagged is not None:
        return f"{_registry(table, tagged, request)}/{tagged.repository}:{tagged.tag}"
    python = _python(request, version, images)
    image = next(image for image in images if python is None or python in image.python)
    tag = "-".join(part for part in (version, processor, python, image.tag_suffix) if part)
    if request.smdistributed or family_of(request.instance_type) == "p4d":
        suffix = table.tag_suffixes.get(request.framework, {}).get(tag)
        tag = f"{tag}-{suffix}" if suffix else tag
    return f"{_registry(table, image, request)}/{image.repository}:{tag}"


def origin_of_image(table: ImageTable, image: str) -> ImageOrigin | None:
    """What an image of the table's registries is, from its URI alone; None for others.

    Args:
        table: of the plugin; the user's own additions to it are considered.
        image: URI.
    """
    table = table.with_users()
    uri = _URI.fullmatch(image)
    if uri is None or uri["domain"] != table.domain_of(uri["region"]):
        return None
    for framework, scopes in table.frameworks.items():
        named = [
            each
            for scope in scopes.values()
            for each in scope.images
            if each.repository == uri["repository"]
        ]
        sets = [table.accounts[each.accounts] for each in named if each.accounts in table.accounts]
        if any(uri["account"] in (each.main, *each.other.values()) for each in sets):
            version, *rest = uri["tag"].split("-")
            python = next((part for part in rest if re.fullmatch(r"py\d+", part)), None)
            return ImageOrigin(framework=framework, version=version, py_version=python)
    return None


def version_of_image(table: ImageTable, framework: str, image: str) -> str | None:
    """The version of `framework` that an image of the table's registries holds; None for others.

    Args:
        table: of the plugin; the user's own additions to it are considered.
        framework: that the image should be of.
        image: URI.
    """
    origin = origin_of_image(table, image)
    return origin.version if origin is not None and origin.framework == framework else None


def _scope(table: ImageTable, request: ImageRequest, chip: Chip) -> tuple[Images, str]:
    """The images among which to choose, and how their tags call the processor."""
    scopes = table.frameworks.get(request.framework, {})
    name: str = request.scope
    if request.accelerator_type is not None:
        if name == "training" or not re.fullmatch(r"ml\.eia\d+\.\w+", request.accelerator_type):
            raise ImageError(
                f"accelerator_type={request.accelerator_type!r}: one is 'ml.eia2.medium' or the "
                "like, and for inference only"
            )
        name = "eia"
    elif chip == "graviton" and name == "inference" and "inference_graviton" in scopes:
        name, chip = "inference_graviton", "cpu"
    scope = scopes.get(name)
    if scope is None:
        raise ImageError(f"there is no image of {request.framework} for {name}; {_OTHERWISE}")
    if chip not in scope.processors:
        raise ImageError(
            f"no image of {request.framework} for {request.scope} runs on "
            f"{request.instance_type} ({chip}); there are images for: "
            f"{', '.join(dict.fromkeys(scope.processors))}"
        )
    return scope, chip


def _version(
    table: ImageTable, request: ImageRequest, scope: Images
) -> tuple[str, tuple[Image, ...]]:
    """The version, in the spelling that the tag gets, and its images."""
    if any(image.tag for image in scope.images):
        return "", scope.images
    family = family_of(request.instance_type)
    dropped = table.dropped.get(request.framework, ())
    known = sorted({image.version for image in scope.images}, key=in_order)
    run = [each for each in known if not any(drop.has(family, each) for drop in dropped)]
    asked = request.version or request.default_version
    if asked is None:
        raise ImageError(f"{request.framework} has no default version: give framework_version=")
    full = scope.full(asked)
    if full not in run and request.version is None and run:
        before = [each for each in run if in_order(each) <= in_order(full)]
        asked = full = before[-1] if before else run[0]
    elif full not in known:
        raise ImageError(
            f"there is no {request.framework} {asked} image for {request.scope}"
            f"{_nearest(asked, (*known, *scope.short_to_full))}; known versions: "
            f"{', '.join(known)}. Otherwise {_OTHERWISE}"
        )
    elif full not in run:
        newest = f"the newest that does is {run[-1]}" if run else "none does"
        raise ImageError(
            f"{request.framework} {asked} does not run on {request.instance_type}; {newest}"
        )
    return asked, tuple(image for image in scope.images if image.version == full)


def _registry(table: ImageTable, image: Image, request: ImageRequest) -> str:
    region = request.region
    accounts = table.accounts.get(image.accounts)
    if accounts is None:
        raise ImageError(
            f"the table of images has no accounts {image.accounts!r}, which {image.repository} "
            f"{image.version} names; there are: {', '.join(table.accounts)}"
        )
    main = table.main_regions if accounts.main else ()
    account = accounts.other.get(region) or (accounts.main if region in main else None)
    if account is None:
        known = sorted({*main, *accounts.other})
        raise ImageError(
            f"there is no {request.framework} image in region {region!r}"
            f"{_nearest(region, known)}; regions: {', '.join(known)}. Elsewhere {_OTHERWISE}"
        )
    return f"{account}.dkr.ecr.{region}.{table.domain_of(region)}"


def _python(request: ImageRequest, version: str, images: Sequence[Image]) -> str | None:
    """The Python part of the tag: ``py3`` stands for the version's Python 3, whatever its tag."""
    known = [python for image in images for python in image.python]
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


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
