"""The access log: one line of JSON on standard output for each answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import IO, Any

from sm_core.container.messages import Answer

__all__ = ["AccessLog"]


class AccessLog:
    """Writes ``time`` (UTC), ``method``, ``path``, ``status``, bytes in and out, and seconds."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        """
        Args:
            stream: where to; standard output if None.
        """
        self._stream = sys.stdout if stream is None else stream

    def write(self, scope: Mapping[str, Any], answer: Answer, size: int, *, seconds: float) -> None:
        """One line.

        Args:
            scope: of the request, as ASGI has it.
            answer: what was sent.
            size: bytes of the request's body.
            seconds: from the request's headers to the answer.
        """
        entry = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "method": scope["method"],
            "path": scope["path"],
            "status": answer.status,
            "bytes_in": size,
            "bytes_out": len(answer.body),
            "seconds": round(seconds, 6),
        }
        self._stream.write(json.dumps(entry) + "\n")
        self._stream.flush()
