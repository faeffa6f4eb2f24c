"""AddTags, ListTags and DeleteTags, for every resource that has an ARN here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sm_local.home import ENVIRONMENT_TAG
from sm_local.service.checks import invalid, tags_of
from sm_local.service.context import Context

__all__ = ["Tagging"]

_MOST = 50
_Tags = dict[str, str]


class Tagging:
    """The tags of jobs, models, endpoint configurations and endpoints."""

    def __init__(self, context: Context, *, kinds: Collection[str]) -> None:
        """
        Args:
            context: of the service.
            kinds: of the records, which are the resource types in their ARNs.
        """
        self._context = context
        self._kinds = kinds

    async def add(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """AddTags."""
        added = tags_of(request)

        def change(tags: _Tags) -> _Tags:
            together = {**tags, **added}
            if len(_shown(together)) > _MOST:
                raise invalid(f"a resource has {_MOST} tags at most; this one would have more")
            return together

        tags = await asyncio.to_thread(self._change, request["ResourceArn"], change)
        return {"Tags": _shown(tags)}

    async def delete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """DeleteTags; keys that are not there do not matter."""
        keys = set(request["TagKeys"])

        def change(tags: _Tags) -> _Tags:
            return {key: value for key, value in tags.items() if key not in keys}

        await asyncio.to_thread(self._change, request["ResourceArn"], change)
        return {}

    async def list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """ListTags."""
        tags = await asyncio.to_thread(self._change, request["ResourceArn"], lambda tags: tags)
        # As many as a resource may have are one page, of AWS's least size.
        return {"Tags": _shown(tags)}

    def _change(self, arn: str, function: Callable[[_Tags], _Tags]) -> _Tags:
        """Replace the tags of a resource by what `function` makes of them; these. Blocks."""
        kind = arn.rpartition(":")[2].partition("/")[0]
        records = self._context.records
        with self._context.database.transaction():
            bodies = records.list(kind) if kind in self._kinds else []
            body = next((each for each in bodies if each["arn"] == arn), None)
            if body is None:
                raise invalid(f"Could not find resource with ARN {arn}.")
            tags = function(body["tags"])
            if tags != body["tags"]:
                records.update(kind, body["name"], {**body, "tags": tags})
        return tags


def _shown(tags: _Tags) -> list[dict[str, str]]:
    """Tags as answers have them, by key; the one by which clients hand things over is not shown."""
    shown = sorted((key, value) for key, value in tags.items() if key != ENVIRONMENT_TAG)
    return [{"Key": key, "Value": value} for key, value in shown]
