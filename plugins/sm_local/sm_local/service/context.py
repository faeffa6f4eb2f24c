"""What every part of the service shares: its home, state, objects, keys and background tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import attrs

from sm_local.home import ACCOUNT, REGION, RESERVED_BUCKET, Home
from sm_local.jobnetwork import Networks
from sm_local.service.database import Database, Records
from sm_local.service.keys import Keys
from sm_local.service.objects import Objects

__all__ = ["Context"]

logger = logging.getLogger(__name__)


@attrs.define(kw_only=True)
class Context:
    """The parts that handlers and life cycles work with.

    Attributes:
        home: where everything is kept.
        endpoint_url: where this service answers, for the environment of jobs.
        region: the only one.
        account: the only one.
        database: the state.
        records: documents of the control plane in `database`.
        objects: buckets and what is in them.
        keys: the key pairs that requests are signed with.
        networks: that the hosts of jobs get.
        background: tasks that run beside requests; see `spawn`.
    """

    home: Home
    endpoint_url: str
    database: Database
    records: Records
    objects: Objects
    keys: Keys
    region: str = REGION
    account: str = ACCOUNT
    networks: Networks = attrs.field(factory=Networks, init=False)
    background: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)

    @classmethod
    def open(cls, home: Home, *, port: int) -> Context:
        """Open the state under `home`, making what is missing, and clean up after a crash."""
        database = Database(home.state_db)
        objects = Objects(database, home.blobs)
        objects.recover()
        objects.create_bucket(RESERVED_BUCKET)
        return cls(
            home=home,
            endpoint_url=f"http://127.0.0.1:{port}",
            database=database,
            records=Records(database),
            objects=objects,
            keys=Keys(database, home.credentials()),
        )

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `coroutine` beside the requests; a failure of it is logged with its traceback."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self.background.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self.background.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            logger.error("background task %s failed", task.get_name(), exc_info=error)

    async def close(self) -> None:
        """Cancel what runs in the background, wait for it, and close the database."""
        for task in list(self.background):
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        self.database.close()
