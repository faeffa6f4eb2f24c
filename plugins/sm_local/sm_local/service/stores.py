"""Typed documents of the control plane, kept as records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import cattrs

from sm_local.service.context import Context

__all__ = ["Store"]

T = TypeVar("T")

_CONVERTER = cattrs.Converter(unstruct_collection_overrides={tuple: list})


class Store(Generic[T]):
    """The documents of one kind, as attrs values. Nothing blocks the event loop."""

    def __init__(self, context: Context, document: type[T], *, kind: str) -> None:
        """Keep values of the class `document` as records of `kind`."""
        self._context = context
        self._kind = kind
        self._document = document

    async def insert(self, name: str, value: T) -> None:
        """Add a document.

        Raises:
            RecordExists: there is one of this name.
        """
        body = _CONVERTER.unstructure(value)
        await asyncio.to_thread(self._context.records.insert, self._kind, name, body)

    async def get(self, name: str) -> T | None:
        """The document, or None."""
        return await asyncio.to_thread(self.read, name)

    async def all(self) -> list[T]:
        """All documents, newest last."""
        return await asyncio.to_thread(self.read_all)

    async def change(self, name: str, function: Callable[[T], T]) -> T:
        """Replace a document by what `function` makes of it, with nothing in between.

        Raises:
            KeyError: there is none of this name.
        """
        return await asyncio.to_thread(self._change, name, function)

    async def delete(self, name: str) -> bool:
        """Remove a document; False if there was none."""
        return await asyncio.to_thread(self._context.records.delete, self._kind, name)

    def read(self, name: str) -> T | None:
        """Like `get`, blocking."""
        body = self._context.records.get(self._kind, name)
        return None if body is None else self._structure(body)

    def read_all(self) -> list[T]:
        """Like `all`, blocking."""
        return [self._structure(body) for body in self._context.records.list(self._kind)]

    def _change(self, name: str, function: Callable[[T], T]) -> T:
        with self._context.database.transaction():
            before = self.read(name)
            if before is None:
                raise KeyError(f"{self._kind} {name}")
            after = function(before)
            if after != before:
                self._context.records.update(self._kind, name, _CONVERTER.unstructure(after))
        return after

    def _structure(self, body: dict[str, Any]) -> T:
        return _CONVERTER.structure(body, self._document)
