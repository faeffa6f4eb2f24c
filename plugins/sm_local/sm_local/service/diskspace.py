"""What must be written although the disk is full: how a job ended."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from sm_local.service.detached import detached
from sm_local.service.errors import is_disk_full

__all__ = ["full_disk_note", "once_there_is_room"]

logger = logging.getLogger(__name__)

#: Bytes: with less than that a disk counts as full.
_FULL = 1 << 20
#: Seconds between two tries.
_PAUSE = 1.0

T = TypeVar("T")


async def once_there_is_room(
    write: Callable[[], Awaitable[T]], make_room: Callable[[], None], *, name: str
) -> T:
    """What `write` answers, tried again for as long as the disk is full, which the log says once.

    Args:
        write: all or nothing.
        make_room: removes what is not needed any more. Blocks.
        name: of the job or endpoint that is written about, for the log.
    """
    said = False
    while True:
        try:
            return await write()
        except Exception as error:
            if not is_disk_full(error):
                raise
            if not said:
                logger.error("%s waits until there is room on the disk: %s", name, error)
            said = True
        await detached(make_room, name=f"make room {name}")
        await asyncio.sleep(_PAUSE)


def full_disk_note(folder: Path) -> str:
    """Words to add to the reason of a failure if the disk of `folder` is full, else "". Blocks."""
    if shutil.disk_usage(folder).free >= _FULL:
        return ""
    return f"; the disk of {folder} is full: No space left on device"
