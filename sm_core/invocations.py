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
        CodecError: it is larger than SageMaker takes, has no form in that charset, or is neither
            bytes nor text nor a file.
    """
    if isinstance(payload, (bytes, bytearray, memoryview, str)):
        body = _bytes_of(payload, content_type)
        return _checked(body, len(body))
    if not hasattr(payload, "read"):
        raise CodecError(
            f"the serializer made a {type(payload).__name__}; a request is bytes, text or a file"
        )
    body = _read(payload, content_type)
    return _checked(body, len(body) + _rest(payload) if len(body) > PAYLOAD_LIMIT else len(body))


def _bytes_of(piece: bytes | bytearray | memoryview | str, content_type: str | None) -> bytes:
    if not isinstance(piece, str):
        return bytes(piece)
    try:
        return piece.encode(charset(content_type or ""))
    except (LookupError, UnicodeError) as error:
        raise CodecError(f"the text cannot be sent as {content_type}: {error}") from error


def _checked(body: bytes, size: int) -> bytes:
    if size > PAYLOAD_LIMIT:
        raise CodecError(
            f"the request would have {size} bytes, and an endpoint takes {PAYLOAD_LIMIT}: send "
            "fewer rows at once, or a denser content type such as application/x-npy"
        )
    return body


def _read(stream: IO[Any], content_type: str | None) -> bytes:
    """What `stream` still holds, but no more than shows that it is too large."""
    pieces: list[bytes] = []
    size = 0
    while size <= PAYLOAD_LIMIT and (piece := stream.read(PAYLOAD_LIMIT + 1 - size)):
        pieces.append(_bytes_of(piece, content_type))
        size += len(pieces[-1])
    return b"".join(pieces)


def _rest(stream: IO[Any]) -> int:
    """Bytes that `stream` holds beyond where it is, as far as it can tell."""
    try:
        here = stream.tell()
        return stream.seek(0, io.SEEK_END) - here
    except (AttributeError, OSError, ValueError):
        return 0
