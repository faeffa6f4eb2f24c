"""Objects written to S3 piece by piece: parts go up in parallel while more is made.

What is made is held in memory only until its part is full and sent, so that a data set of any size
needs the same few mebibytes. If anything goes wrong, all that was written is removed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sm_core.uploads import InCallersContext

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ObjectWriter", "Uploads"]

logger = logging.getLogger(__name__)

#: Bytes of a part: the fewest that S3 takes. It takes 10,000 of an object, so that later ones are
#: larger, by as much again after every `GROWTH`: an object may have 275 GB.
PART = 5 << 20
GROWTH = 1000
#: Parts on their way at once.
WORKERS = 8


class Uploads:
    """Several objects in one bucket, all of which will be there in the end, or none.

    A context manager; when its block ends in an exception, what was written is removed.
    """

    def __init__(self, client: Any, bucket: str, moved: Callable[[int], None]) -> None:
        """
        Args:
            client: of S3.
            bucket: where to.
            moved: told how many bytes went up.
        """
        self.client = client
        self.bucket = bucket
        self.moved = moved
        self._pool = InCallersContext(WORKERS)
        self._room = threading.BoundedSemaphore(WORKERS + 1)
        self._writers: list[ObjectWriter] = []
        self._failed: BaseException | None = None

    def open(self, key: str, *, metadata: Mapping[str, str] | None = None) -> ObjectWriter:
        """A new object; it exists when it has been closed and this block has ended."""
        writer = ObjectWriter(self, key, metadata or {})
        self._writers.append(writer)
        return writer

    def submit(self, call: Callable[..., Any], size: int, **arguments: Any) -> Future[Any]:
        """Make a call in another thread; waits for room, and raises what an earlier one raised."""
        self._room.acquire()
        if self._failed is not None:
            self._room.release()
            raise self._failed

        def work() -> Any:
            try:
                answer = call(Bucket=self.bucket, **arguments)
                self.moved(size)
                return answer
            except BaseException as error:
                self._failed = self._failed or error
                raise
            finally:
                self._room.release()

        return self._pool.submit(work)

    def finish(self) -> None:
        """Wait until all objects are there."""
        for writer in self._writers:
            writer.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.finish()
        except BaseException:
            self._undo()
            raise
        else:
            if error is not None:
                self._undo()
        finally:
            self._pool.shutdown()

    def _undo(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        for writer in self._writers:
            writer.remove()


class ObjectWriter:
    """One object, written from its beginning to its end."""

    def __init__(self, uploads: Uploads, key: str, metadata: Mapping[str, str]) -> None:
        self._uploads = uploads
        self.key = key
        self._metadata = dict(metadata)
        self._held = bytearray()
        self._upload_id: str | None = None
        self._parts: list[Future[Any]] = []
        self._whole: Future[Any] | None = None
        self._closed = self._finished = False

    def write(self, data: Any) -> None:
        """Take bytes; may wait until earlier ones are on their way.

        Raises:
            Exception: whatever an earlier call raised.
        """
        self._held += data
        limit = PART * (1 + len(self._parts) // GROWTH)
        if len(self._held) >= limit:
            self._send_part()

    def close(self) -> None:
        """Send what is left; the object exists when its `Uploads` has finished."""
        if self._closed:
            return
        self._closed = True
        if self._upload_id is None:
            body, self._held = self._held, bytearray()
            put = self._uploads.client.put_object
            self._whole = self._uploads.submit(
                put, len(body), Key=self.key, Body=body, Metadata=self._metadata
            )
        elif self._held:
            self._send_part()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()

    def finish(self) -> None:
        """Wait until the object is there."""
        if self._finished:
            return
        self._finished = True
        if self._whole is not None:
            self._whole.result()
        if self._upload_id is None:
            return
        parts = [_completed(number, part.result()) for number, part in enumerate(self._parts, 1)]
        self._uploads.client.complete_multipart_upload(
            Bucket=self._uploads.bucket,
            Key=self.key,
            UploadId=self._upload_id,
            MultipartUpload={"Parts": parts},
        )

    def remove(self) -> None:
        """Leave nothing of the object behind; what prevents that is logged, not raised."""
        client, where = self._uploads.client, {"Bucket": self._uploads.bucket, "Key": self.key}
        try:
            if self._upload_id is not None:
                # One that was completed is gone.
                with suppress(client.exceptions.NoSuchUpload):
                    client.abort_multipart_upload(UploadId=self._upload_id, **where)
            client.delete_object(**where)
        except Exception as error:  # noqa: BLE001 - the upload's own error is the one to raise
            logger.warning(
                "the upload failed, and s3://%s/%s could not be removed: %s",
                *(where["Bucket"], where["Key"], error),
            )

    def _send_part(self) -> None:
        client = self._uploads.client
        if self._upload_id is None:
            created = client.create_multipart_upload(
                Bucket=self._uploads.bucket, Key=self.key, Metadata=self._metadata
            )
            self._upload_id = created["UploadId"]
        body, self._held = self._held, bytearray()
        self._parts.append(
            self._uploads.submit(
                client.upload_part,
                len(body),
                Key=self.key,
                UploadId=self._upload_id,
                PartNumber=len(self._parts) + 1,
                Body=body,
            )
        )


def _completed(number: int, answer: Mapping[str, Any]) -> dict[str, Any]:
    """A part as CompleteMultipartUpload takes it, with the checksum that S3 answered, if any."""
    known = ("ETag", "ChecksumCRC32", "ChecksumCRC32C", "ChecksumCRC64NVME", "ChecksumSHA1")
    found = {name: answer[name] for name in (*known, "ChecksumSHA256") if name in answer}
    return {"PartNumber": number, **found}
