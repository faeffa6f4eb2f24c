"""One call of InvokeEndpoint: what its body may be, and when it is repeated.

A model that is slow, or broke off, may have done its work all the same: such a request is never
sent again. One that was throttled, or reached no server, is, as boto3 does by itself.
"""

from __future__ import annotations

import io
from typing import IO, Any

from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from sm_core.codecs import Body, charset
from sm_core.errors import CodecError
from sm_core.limits import PAYLOAD_LIMIT

__all__ = ["RUNTIME_CONFIG", "body_of", "sent_once"]

#: Containers get 60 seconds to answer, as long as boto3 waits: the answer could come too late.
RUNTIME_CONFIG = Config(read_timeout=80)

#: Statuses behind which the model may have been at work.
_MAY_HAVE_WORKED = frozenset({500, 502, 504})


def sent_once(
    response: tuple[Any, Any] | None = None,
    caught_exception: Exception | None = None,
    **_: Any,
) -> bool | None:
    """Refuse to repeat what the model may have worked on; for botocore's event ``needs-retry``.

    Args:
        response: of the call, with its HTTP status in front.
        caught_exception: what the call ended in instead.
    """
    if isinstance(caught_exception, ReadTimeoutError):
        return False
    if response is not None and response[0].status_code in _MAY_HAVE_WORKED:
        return False
    return None


def body_of(payload: Body, content_type: str | None) -> bytes:
    """What is sent for `payload`: text in the charset of `content_type`, a file from where it is.

    Raises:
        CodecError: it is larger than SageMaker takes, or has no form in that charset.
    """
    if isinstance(payload, str):
        try:
            body = payload.encode(charset(content_type or ""))
        except (LookupError, UnicodeError) as error:
            raise CodecError(f"the text cannot be sent as {content_type}: {error}") from error
        return _checked(body, len(body))
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return _checked(bytes(payload), len(bytes(payload)))
    body = _read(payload)
    return _checked(body, len(body) + _rest(payload) if len(body) > PAYLOAD_LIMIT else len(body))


def _checked(body: bytes, size: int) -> bytes:
    if size > PAYLOAD_LIMIT:
        raise CodecError(
            f"the request would have {size} bytes, and an endpoint takes {PAYLOAD_LIMIT}: send "
            "fewer rows at once, or a denser content type such as application/x-npy"
        )
    return body


def _read(stream: IO[Any]) -> bytes:
    """What `stream` still holds, but no more than shows that it is too large."""
    pieces: list[bytes] = []
    size = 0
    while size <= PAYLOAD_LIMIT and (piece := stream.read(PAYLOAD_LIMIT + 1 - size)):
        pieces.append(piece.encode() if isinstance(piece, str) else bytes(piece))
        size += len(pieces[-1])
    return b"".join(pieces)


def _rest(stream: IO[Any]) -> int:
    """Bytes that `stream` holds beyond where it is, as far as it can tell."""
    try:
        here = stream.tell()
        return stream.seek(0, io.SEEK_END) - here
    except (AttributeError, OSError, ValueError):
        return 0
