"""Tables of AWS's images, as plugins ship them and users extend them.

A table is JSON; the classes below are its form, and docs/code-and-images.md shows
it. A file that the variable SMCORE_IMAGES names is laid over every plugin's table: accounts,
domains and short versions are added or replaced one by one, the images of a version as a whole.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import cattrs
from cattrs.errors import BaseValidationError

from sm_core.errors import ConfigurationError
from sm_core.images import Chip

__all__ = ["VARIABLE", "Image", "ImageTable", "Images", "in_order", "user_table"]

#: Names a JSON file that is laid over the plugins' tables.
VARIABLE = "SMCORE_IMAGES"

_ACCOUNT = re.compile(r"\d{12}")
_VERSION = re.compile(r"\d+(\.\d+)*")
_PYTHON = re.compile(r"py\d+")
_PURPOSES = ("training", "inference", "inference_graviton", "eia")


@attrs.frozen(kw_only=True)
class Accounts:
    """Registries that hold the same images.

    Attributes:
        main: account of the table's `main_regions`; None for none there.
        other: account of every other region.
    """

    main: str | None = None
    other: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Image:
    """The images of one version.

    Attributes:
        version: in full.
        repository: of the registry.
        accounts: name of the set of registries that hold them.
        python: Python versions as tags name them (``py38``); none where tags name none.
        tag_suffix: what a tag ends with.
        tag: the whole tag, where it says neither version nor processor.
    """

    version: str
    repository: str
    accounts: str
    python: tuple[str, ...] = ()
    tag_suffix: str | None = None
    tag: str | None = None


@attrs.frozen(kw_only=True)
class Images:
    """The images for one purpose.

    Attributes:
        processors: what they are made for.
        images: of all versions.
        short_to_full: ``1.9`` → ``1.9.0``.
    """

    processors: tuple[Chip, ...]
    images: tuple[Image, ...]
    short_to_full: Mapping[str, str] = attrs.field(factory=dict)

    def full(self, version: str) -> str:
        """The full version that a short one stands for."""
        return self.short_to_full.get(version, version)

    def versions(self) -> set[str]:
        """Every version that can be named, full or short."""
        return {*self.short_to_full, *(image.version for image in self.images)}


@attrs.frozen(kw_only=True)
class Dropped:
    """Versions that an instance family cannot run.

    Attributes:
        family: of instance types, ``p2``.
        since: the first of them; all later ones too.
    """

    family: str
    since: str

    def has(self, family: str, version: str) -> bool:
        """Whether `family` cannot run `version`, a full one."""
        return family == self.family and in_order(version) >= in_order(self.since)


@attrs.frozen(kw_only=True)
class ImageTable:
    """AWS's images of some frameworks.

    Attributes:
        frameworks: images by framework, then by purpose: ``training``, ``inference``,
            ``inference_graviton`` and ``eia`` (elastic inference).
        accounts: sets of registries by name.
        main_regions: regions whose registries belong to one account.
        ecr_domain: DNS suffix of the registries by region, and ``default`` for all others.
        tag_suffixes: for frameworks, what is appended to a GPU image's tag on the family p4d and
            with SageMaker's distributed library.
        dropped: for frameworks, what instance families cannot run.
    """

    frameworks: Mapping[str, Mapping[str, Images]] = attrs.field(factory=dict)
    accounts: Mapping[str, Accounts] = attrs.field(factory=dict)
    main_regions: tuple[str, ...] = ()
    ecr_domain: Mapping[str, str] = attrs.field(factory=dict)
    tag_suffixes: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)
    dropped: Mapping[str, tuple[Dropped, ...]] = attrs.field(factory=dict)

    @classmethod
    def from_json(cls, text: str | bytes, name: str = "the table of images") -> ImageTable:
        """Read a table.

        Args:
            text: JSON.
            name: of the file, for messages.

        Raises:
            ConfigurationError: it is not of a table's form; names every place.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise ConfigurationError(f"{name} is no JSON: {error}") from error
        if not isinstance(content, dict):
            raise ConfigurationError(f"{name} is a {type(content).__name__}, not a JSON object")
        try:
            table = _converter().structure(content, cls)
        except BaseValidationError as error:
            mistakes = cattrs.transform_error(error, format_exception=_worded)
            raise ConfigurationError(f"{name}: {'; '.join(mistakes)}") from error
        mistakes = list(_mistakes(table))
        if mistakes:
            raise ConfigurationError(f"{name}: {'; '.join(mistakes)}")
        return table

    def domain_of(self, region: str) -> str:
        """DNS suffix of the registries in `region`."""
        return self.ecr_domain.get(region) or self.ecr_domain.get("default", "amazonaws.com")

    def extended(self, other: ImageTable) -> ImageTable:
        """This table with `other` laid over it."""
        return ImageTable(
            frameworks={
                name: _merged_scopes(self.frameworks.get(name, {}), other.frameworks.get(name, {}))
                for name in {**self.frameworks, **other.frameworks}
            },
            accounts={
                name: _merged_accounts(self.accounts.get(name), other.accounts.get(name))
                for name in {**self.accounts, **other.accounts}
            },
            main_regions=(*self.main_regions, *other.main_regions),
            ecr_domain={**self.ecr_domain, **other.ecr_domain},
            tag_suffixes={**self.tag_suffixes, **other.tag_suffixes},
            dropped={**self.dropped, **other.dropped},
        )

    def with_users(self) -> ImageTable:
        """This table with the user's file laid over it, if there is one.

        Raises:
            ConfigurationError: the file cannot be read or is no table.
        """
        users = user_table()
        return self if users is None else self.extended(users)


def user_table() -> ImageTable | None:
    """The table in the file that SMCORE_IMAGES names; None where it names none.

    Raises:
        ConfigurationError: the file cannot be read or is no table.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    try:
        text = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{VARIABLE}={path} cannot be read: {error.strerror}") from error
    return ImageTable.from_json(text, f"{VARIABLE}={path}")


def in_order(version: str) -> tuple[int, ...]:
    """A key by which versions sort: 1.9 before 1.10."""
    return tuple(int(part) for part in version.split("."))


def _merged_scopes(
    mine: Mapping[str, Images], others: Mapping[str, Images]
) -> Mapping[str, Images]:
    merged = {**others, **mine}
    for name in mine.keys() & others.keys():
        replaced = {image.version for image in others[name].images}
        kept = (image for image in mine[name].images if image.version not in replaced)
        merged[name] = Images(
            processors=(*mine[name].processors, *others[name].processors),
            images=(*kept, *others[name].images),
            short_to_full={**mine[name].short_to_full, **others[name].short_to_full},
        )
    return merged


def _merged_accounts(mine: Accounts | None, other: Accounts | None) -> Accounts:
    if mine is None or other is None:
        return mine or other or Accounts()
    return Accounts(main=other.main or mine.main, other={**mine.other, **other.other})


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], _texts)
    return converter


def _texts(value: Any, _: type) -> tuple[str, ...]:
    """A list of texts; a text alone would be taken for a list of its letters."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError(f"{value!r} is no list of texts")
    return tuple(value)


def _worded(error: BaseException, _: type | None) -> str:
    """What cattrs found, in a user's words; it adds where."""
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        known = ", ".join(field.name for field in attrs.fields(error.cl))
        return f"unknown: {', '.join(sorted(error.extra_fields))} (there are: {known})"
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return str(error) or type(error).__name__


def _mistakes(table: ImageTable) -> Iterator[str]:
    """What is wrong with a table of the right form."""
    for name, accounts in table.accounts.items():
        registries = {"main": accounts.main, **accounts.other}
        for region, account in registries.items():
            if account is not None and not _ACCOUNT.fullmatch(account):
                yield f"account {account!r} of {region} @ $.accounts.{name} has not 12 digits"
    for framework, scopes in table.frameworks.items():
        for purpose, scope in scopes.items():
            place = f"$.frameworks.{framework}.{purpose}"
            if purpose not in _PURPOSES:
                yield f"{place} is no purpose (there are: {', '.join(_PURPOSES)})"
            yield from _mistakes_of_scope(scope, place)
    for framework, dropped in table.dropped.items():
        for each in dropped:
            if not _VERSION.fullmatch(each.since):
                yield f"{each.since!r} @ $.dropped.{framework} is no version"


def _mistakes_of_scope(scope: Images, place: str) -> Iterator[str]:
    for image in scope.images:
        if not _VERSION.fullmatch(image.version):
            yield f"{image.version!r} @ {place}.images is no version"
        for python in image.python:
            if not _PYTHON.fullmatch(python):
                yield f"{python!r} @ {place}.images is no Python as tags name them, like 'py38'"
    for short, full in scope.short_to_full.items():
        if not _VERSION.fullmatch(short) or not _VERSION.fullmatch(full):
            yield f"{short!r}: {full!r} @ {place}.short_to_full are no versions"
