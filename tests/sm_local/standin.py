"""A stand-in for the service's application: how a service starts and ends, and what reaches it.

Copied to ``sitecustomize.py`` on the service's PYTHONPATH. ``SMCORE_LOCAL_STANDIN`` says how it
behaves: ``fails`` and ``hangs`` at its start, ``busy``, ``deaf`` to shutdown requests, or with a
child that is ``obedient`` to SIGTERM or ``stubborn``.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import types
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any


class Application:
    """Answers every request with the number of its process, and notes it in ``requests``."""

    def __init__(self, home: Any) -> None:
        self.home: Path = home.path
        self.mode = os.environ.get("SMCORE_LOCAL_STANDIN", "")
        self.shutdown_requested = asyncio.Event()
        self.last_request = time.monotonic()

    async def startup(self) -> None:
        if self.mode == "fails":
            raise RuntimeError("the disk is on fire")
        if self.mode == "hangs":
            await asyncio.Event().wait()

        if self.mode in {"obedient", "stubborn"}:
            trap = "trap '' TERM; " if self.mode == "stubborn" else ""
            child = subprocess.Popen(["sh", "-c", f"{trap}while :; do sleep 60; done"])
            (self.home / "child").write_text(str(child.pid))

    async def shutdown(self, stop_endpoints: bool) -> None:
        (self.home / "ended").write_text(json.dumps({"stop_endpoints": stop_endpoints}))

    def busy(self) -> bool:
        return self.mode == "busy"

    def note(self, scope: dict[str, Any]) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        line = {"method": scope["method"], "path": scope["path"], "headers": headers}
        with (self.home / "requests").open("a") as file:
            file.write(json.dumps(line) + "\n")

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        self.last_request = time.monotonic()
        body = (await receive()).get("body", b"")
        self.note(scope)
        answer: dict[str, Any] = {"pid": os.getpid(), "path": scope["path"]}
        ending = scope["path"] == "/_sm_local/shutdown"
        if ending:
            (self.home / "asked").write_bytes(body)
            answer = {"endpoints_stopped": ["an-endpoint"], "jobs_running": ["a-job"]}
        status = 500 if ending and self.mode == "deaf" else 200
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        # S3's answer to an upload has no body.
        text = b"" if scope["method"] == "PUT" else json.dumps(answer).encode()
        await send({"type": "http.response.body", "body": text})
        if ending and status == 200:
            self.shutdown_requested.set()


def create_app(home: Any, *, port: int) -> Application:
    """What ``sm_local.service.app`` has under this name."""
    return Application(home)


if "sm_local.service.app" not in sys.modules and __name__ == "sitecustomize":
    module = types.ModuleType("sm_local.service.app")
    vars(module).update(Application=Application, create_app=create_app)
    sys.modules["sm_local.service.app"] = module
