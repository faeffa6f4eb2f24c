"""Reading objects of S3 from front to back, going on where a connection breaks."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import attrs
import botocore.exceptions as aws

from sm_core.clients import translated_errors
from sm_core.errors import RequestError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["OpenedObject", "opened_object"]

#: What a connection that breaks in the middle of a body is told as.
_BROKEN = (aws.HTTPClientError, aws.IncompleteReadError, OSError)
#: Connections in a row that bring nothing, after which it is given up.
_ATTEMPTS = 5
#: Seconds before the first of them; doubled for each that follows.
_PAUSE = 0.2
_BUFFER = 1_048_576


@attrs.frozen
class OpenedObject:
    """An object that is being read.

    Attributes:
        stream: its bytes; cannot go back.
        size: bytes of it all.
    """

    stream: IO[bytes]
    size: int


@contextmanager
def opened_object(client: Any, bucket: str, key: str) -> Iterator[OpenedObject]:
    """Open an object for reading.

    Args:
        client: of S3.
        bucket: where it is.
        key: its name.

    Raises:
        RequestError: it cannot be read; also while it is read, as when it changes meanwhile.
    """
    raw = _Body(client, bucket, key)
    with io.BufferedReader(raw, _BUFFER) as stream:
        yield OpenedObject(stream, raw.size)


class _Body(io.RawIOBase):
    """An object's bytes, from as many connections as it takes."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client = client
        self._object = {"Bucket": bucket, "Key": key}
        self._subject = f"reading s3://{bucket}/{key}"
        self._body: Any = None
        with translated_errors(self._subject):
            answer = client.get_object(**self._object)
        self.size: int = answer["ContentLength"]
        self._etag: str = answer["ETag"]
        self._body = answer["Body"]
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        broken: Exception | None = None
        for attempt in range(_ATTEMPTS):
            if self._position == self.size:
                return 0
            try:
                if broken is not None:
                    time.sleep(_PAUSE * 2 ** (attempt - 1))
                    self._reconnect()
                piece = self._body.read(len(view))
            except _BROKEN as error:
                broken = error
                continue
            view[: len(piece)] = piece
            self._position += len(piece)
            return len(piece)
        raise RequestError(
            f"{self._subject}: the connection broke {_ATTEMPTS} times after {self._position:,} of "
            f"{self.size:,} bytes: {broken}"
        ) from broken

    def _reconnect(self) -> None:
        self._body.close()
        rest = {"Range": f"bytes={self._position}-", "IfMatch": self._etag}
        with translated_errors(self._subject):
            self._body = self._client.get_object(**self._object, **rest)["Body"]

    def close(self) -> None:
        # Python closes it even where it could not be made.
        if not self.closed and self._body is not None:
            self._body.close()
        super().close()
