"""Who sent a request: AWS's Signature Version 4 in the ``Authorization`` header.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html has S3's exceptions.

Errors bear the codes of AWS's query protocol; the other protocols have names of their own for them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import AsyncIterator, Callable, Collection
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from sm_local.service.chunks import STREAMING, ChunkSigner, Decoder
from sm_local.service.claims import ALGORITHM, Claim, claimed, incomplete, signature_2
from sm_local.service.errors import ServiceError, not_implemented
from sm_local.service.keys import Keys
from sm_local.service.wire import Caller, Request

__all__ = ["Authenticator", "Claim", "claimed", "signature"]

UNSIGNED = "UNSIGNED-PAYLOAD"
#: Seconds that the clocks of client and service may differ by.
MAX_SKEW = 15 * 60
#: Bytes of a body that is held in memory while its signature is checked: all services but S3,
#: where the largest is a payload of InvokeEndpoint (6 MiB).
MAX_BUFFERED = 8 << 20

_UNRESERVED = "-_.~"
_ISO_BASIC = "%Y%m%dT%H%M%SZ"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Authenticator:
    """Lets through what a known key pair signed for this very service."""

    def __init__(
        self, keys: Keys, hosts: Collection[str], *, clock: Callable[[], float] = time.time
    ) -> None:
        """Accept the key pairs of `keys` for requests to `hosts`.

        Args:
            keys: the key pairs.
            hosts: what the Host header may say ("127.0.0.1:8000"): whoever makes a browser send
                requests here cannot make it send this.
            clock: epoch seconds.
        """
        self._keys = keys
        self._hosts = frozenset(hosts)
        self._clock = clock

    async def caller(self, request: Request) -> Caller:
        """Who signed `request`, whose body is whole or checked while it is read from now on.

        Raises:
            ServiceError: nobody that is known, or another request than this one.
        """
        self._check_host(request)
        claim = claimed(request)
        found = self._keys.secret(claim.access_key_id)
        if found is None:
            raise ServiceError(
                "InvalidClientTokenId",
                "The security token included in the request is invalid: the local service does not"
                f" know the access key {claim.access_key_id}",
                status=403,
            )
        secret, owner = found
        expected = await self._expected(request, claim, secret)
        if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
            raise ServiceError(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided."
                " Check your AWS Secret Access Key and signing method. Consult the service"
                " documentation for details.",
                status=403,
            )
        return Caller(access_key_id=claim.access_key_id, owner=owner)

    async def _expected(self, request: Request, claim: Claim, secret: str) -> str:
        """The signature that the request must have.

        Raises:
            ServiceError: it is too late for it, or it is not in the form it must have.
        """
        if claim.expires is not None:
            if claim.expires < self._clock():
                raise _expired()
            return signature_2(request, secret)
        moment = _moment(request)
        self._check_time(moment, claim)
        _check_headers(request, claim)
        payload = await _payload(request, claim)
        if payload in STREAMING:
            request.stream = _decoded(request, claim, secret, moment=moment, payload=payload)
        return signature(request, claim, secret, moment=moment, payload=payload)

    def _check_host(self, request: Request) -> None:
        host = request.headers.get("host", "")
        if host not in self._hosts:
            raise ServiceError(
                "AccessDenied",
                f"the Host header is {host!r}; the local service answers only for"
                f" {' and '.join(sorted(self._hosts))}",
                status=403,
            )

    def _check_time(self, moment: datetime, claim: Claim) -> None:
        age = self._clock() - moment.timestamp()
        if claim.lifetime is not None and age > claim.lifetime:
            raise _expired()
        if age < -MAX_SKEW or (claim.lifetime is None and age > MAX_SKEW):
            raise ServiceError(
                "RequestExpired",
                "The difference between the request time and the current time is too large: the"
                f" request says {moment:%Y-%m-%d %H:%M:%S} UTC, and {MAX_SKEW // 60} minutes are"
                " allowed",
                status=403,
            )
        if claim.date != f"{moment:%Y%m%d}":
            raise incomplete(
                f"the date of the credential scope is {claim.date}, that of the request"
                f" {moment:%Y%m%d}"
            )


def signature(
    request: Request, claim: Claim, secret: str, *, moment: datetime, payload: str
) -> str:
    """The signature that `request` must have, in hexadecimal.

    Args:
        request: of which the signed headers are there.
        claim: what it claims.
        secret: of the key pair.
        moment: when it was made, in UTC.
        payload: what stands for the body: its SHA-256 in hexadecimal, or UNSIGNED-PAYLOAD.
    """
    canonical = "\n".join(
        [
            request.method,
            _canonical_path(request, claim.service),
            _canonical_query(request),
            *(f"{name}:{_trimmed(request.headers[name])}" for name in claim.signed_headers),
            "",
            ";".join(claim.signed_headers),
            payload,
        ]
    )
    # Headers are bytes, here as the characters of the same numbers.
    digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    key = _signing_key(claim, secret)
    text = f"{ALGORITHM}\n{moment.strftime(_ISO_BASIC)}\n{claim.scope}\n{digest}"
    return hmac.digest(key, text.encode("latin-1"), "sha256").hex()


def _signing_key(claim: Claim, secret: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in claim.scope.split("/"):
        key = hmac.digest(key, part.encode("latin-1"), "sha256")
    return key


def _decoded(
    request: Request, claim: Claim, secret: str, *, moment: datetime, payload: str
) -> AsyncIterator[bytes]:
    """What the chunks of a body carry, checked while it is read."""
    signed, trailing = STREAMING[payload]
    size = request.headers.get("x-amz-decoded-content-length", "")
    if not (size.isascii() and size.isdigit()):
        raise ServiceError(
            "MissingContentLength",
            "You must provide the x-amz-decoded-content-length HTTP header: the body's bytes"
            " without the framing of its chunks",
            status=411,
        )
    if request.announced and not trailing:
        raise ServiceError(
            "InvalidRequest", f"x-amz-trailer is there, but {payload} has no trailers"
        )
    signer = ChunkSigner(
        key=_signing_key(claim, secret),
        date=moment.strftime(_ISO_BASIC),
        scope=claim.scope,
        last=claim.signature,
    )
    decoder = Decoder(
        request.stream,
        size=int(size),
        signer=signer if signed else None,
        announced=request.announced,
        trailers=request.trailers,
    )
    return decoder.blocks()


def _canonical_path(request: Request, service: str) -> str:
    if service == "s3":
        return quote(request.path, safe="/" + _UNRESERVED)
    parts: list[str] = []
    for part in request.raw_path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    end = "/" if parts and request.raw_path.endswith("/") else ""
    return quote("/" + "/".join(parts) + end, safe="/" + _UNRESERVED)


def _canonical_query(request: Request) -> str:
    pairs = [
        (quote(k, safe=_UNRESERVED), quote(v, safe=_UNRESERVED))
        for k, v in request.query
        if k != "X-Amz-Signature"
    ]
    return "&".join(f"{key}={value}" for key, value in sorted(pairs))


def _trimmed(value: str) -> str:
    return b" ".join(value.encode("latin-1").split()).decode("latin-1")


def _moment(request: Request) -> datetime:
    """When the request says it was made, in UTC."""
    given = request.headers.get("x-amz-date") or request.argument("X-Amz-Date")
    try:
        if given is not None:
            return datetime.strptime(given, _ISO_BASIC).replace(tzinfo=timezone.utc)
        moment = parsedate_to_datetime(request.headers.get("date", ""))
    except (ValueError, TypeError) as error:
        raise incomplete("X-Amz-Date or Date must say when the request was made") from error
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)


def _check_headers(request: Request, claim: Claim) -> None:
    signed = claim.signed_headers
    if list(signed) != sorted(set(signed)):
        raise incomplete("SignedHeaders must be sorted, each once")
    absent = [name for name in signed if name not in request.headers]
    if absent:
        raise incomplete(f"signed headers are not there: {', '.join(absent)}")
    needed = {name for name in request.headers if name.startswith("x-amz-")} | {"host"}
    unsigned = sorted(needed - set(signed))
    if unsigned:
        raise ServiceError(
            "AccessDenied",
            "There were headers present in the request which were not signed:"
            f" {', '.join(unsigned)}",
            status=403,
        )


async def _payload(request: Request, claim: Claim) -> str:
    """What was signed for the body; a body that is a stream is checked at its end."""
    if claim.service != "s3":
        return hashlib.sha256(await request.body(MAX_BUFFERED)).hexdigest()
    given = request.headers.get("x-amz-content-sha256", "")
    if claim.lifetime is not None and not given:
        # Whoever signs a URL does not know yet what will be sent to it.
        return UNSIGNED
    if given in STREAMING or given == UNSIGNED:
        return given
    if given.startswith("STREAMING-"):
        raise not_implemented(f"bodies in chunks of the kind {given}")
    if not _SHA256.fullmatch(given):
        raise ServiceError(
            "InvalidRequest",
            f"x-amz-content-sha256 must be UNSIGNED-PAYLOAD, {', '.join(STREAMING)}, or the SHA-256"
            " of the body in hexadecimal",
        )
    request.stream = _checked(request.stream, given)
    return given


async def _checked(stream: AsyncIterator[bytes], expected: str) -> AsyncIterator[bytes]:
    digest = hashlib.sha256()
    async for chunk in stream:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != expected:
        raise ServiceError(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            members={
                "ClientComputedContentSHA256": expected,
                "S3ComputedContentSHA256": digest.hexdigest(),
            },
        )


def _expired() -> ServiceError:
    return ServiceError("AccessDenied", "Request has expired", status=403)
