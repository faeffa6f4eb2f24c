"""What the client hands to the service so that it can build a container's environment.

The service cannot see the client's plugins, packages or pip configuration: an `EnvironmentSpec`
carries all that it needs. It travels as JSON and is addressed by the SHA-256 of that JSON.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import attrs
import cattrs

from sm_core.containerspec import ContainerSpec
from sm_core.errors import LocalServiceError
from sm_local.indexes import credentials, is_index_variable, without_credentials

__all__ = ["EnvironmentFailed", "EnvironmentSpec", "Wheel"]

# https://packaging.python.org/en/latest/specifications/binary-distribution-format/
_WHEEL_NAME = re.compile(r"[\w.]+-[\w.!+]+(-\d\w*)?-[\w.]+-[\w.]+-[\w.]+\.whl", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class EnvironmentFailed(LocalServiceError):
    """An environment cannot be built; the message holds the installer's own last lines."""


def _is_wheel_name(instance: object, attribute: object, value: str) -> None:
    if not _WHEEL_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not the file name of a wheel")


def _is_sha256(instance: object, attribute: object, value: str) -> None:
    if not _SHA256.fullmatch(value):
        raise ValueError(f"{value!r} is not a SHA-256 in 64 lower-case hexadecimal digits")


@attrs.frozen(kw_only=True)
class Wheel:
    """One wheel of the code that is installed beside the client.

    Attributes:
        filename: as the wheel format has it (``sm_core-0.1.0-py3-none-any.whl``).
        sha256: of the file, in lower-case hexadecimal digits.
    """

    filename: str = attrs.field(validator=_is_wheel_name)
    sha256: str = attrs.field(validator=_is_sha256)


def _is_index(instance: object, attribute: object, value: Mapping[str, str]) -> None:
    unknown = [name for name in value if not is_index_variable(name)]
    if unknown:
        raise ValueError(f"{', '.join(unknown)} says nothing about a package index")


def _repr_index(index: Mapping[str, str]) -> str:
    return repr(without_credentials(index))


@attrs.frozen(kw_only=True)
class EnvironmentSpec:
    """All that decides what an environment holds, except the Python interpreter itself.

    Attributes:
        container: the plugin's description of the container.
        wheels: the code installed beside the client, installed without dependencies.
        index: how the client reaches its package index, as variables for ``uv``; may hold
            passwords, which neither ``repr`` nor `to_json` shows: see `secrets`.
    """

    container: ContainerSpec
    wheels: tuple[Wheel, ...] = ()
    index: Mapping[str, str] = attrs.field(factory=dict, repr=_repr_index, validator=_is_index)

    def to_json(self) -> bytes:
        """Return the canonical JSON, without `secrets`: equal specifications have equal bytes."""
        document = attrs.asdict(attrs.evolve(self, index=without_credentials(self.index)))
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, document: bytes) -> EnvironmentSpec:
        """Return the specification that `to_json` wrote.

        Raises:
            LocalServiceError: the document is none; the message lists every mistake in it.
        """
        try:
            fields = json.loads(document)
            if not isinstance(fields, dict):
                raise ValueError("it is no JSON object")
            return _CONVERTER.structure(fields, cls)
        except ValueError as error:
            raise LocalServiceError(f"not an environment specification: {error}") from error
        except cattrs.BaseValidationError as error:
            mistakes = "; ".join(cattrs.transform_error(error, format_exception=_describe))
            raise LocalServiceError(f"not an environment specification: {mistakes}") from error

    @property
    def secrets(self) -> dict[str, str]:
        """Those of the index settings that hold user names or passwords."""
        return credentials(self.index)

    def with_secrets(self, secrets: Mapping[str, str]) -> EnvironmentSpec:
        """Return the specification with what `to_json` left out of it."""
        return attrs.evolve(self, index={**self.index, **secrets})

    @property
    def digest(self) -> str:
        """SHA-256 of `to_json`, in hexadecimal digits."""
        return hashlib.sha256(self.to_json()).hexdigest()


def _describe(error: BaseException, kind: type | None) -> str:
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return f"unknown fields: {', '.join(sorted(error.extra_fields))}"
    if isinstance(error, KeyError):
        return "required field missing"
    return str(error) or type(error).__name__


def _text(value: Any, kind: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


_CONVERTER = cattrs.Converter(forbid_extra_keys=True)
_CONVERTER.register_structure_hook(str, _text)
