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

import attrs

from sm_local.service.errors import ServiceError, not_implemented
from sm_local.service.keys import Keys
from sm_local.service.wire import Caller, Request

__all__ = ["Authenticator", "Claim", "claimed", "signature"]

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
#: Seconds that the clocks of client and service may differ by.
MAX_SKEW = 15 * 60
#: Bytes of a body that is held in memory while its signature is checked: all services but S3,
#: where the largest is a payload of InvokeEndpoint (6 MiB).
MAX_BUFFERED = 8 << 20

_UNRESERVED = "-_.~"
_ISO_BASIC = "%Y%m%dT%H%M%SZ"
_FIELD = re.compile(r" *(Credential|SignedHeaders|Signature)=([!-+\--~]+) *")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@attrs.frozen(kw_only=True)
class Claim:
    """What an ``Authorization`` header says, true or not.

    Attributes:
        access_key_id: whose signature this is to be.
        date: of the scope, ``YYYYMMDD``.
        region: of the scope.
        service: of the scope: "sagemaker", "s3", …
        signed_headers: lower-case names.
        signature: in hexadecimal.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        """The credential scope without the key."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


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
        moment = _moment(request)
        self._check_time(moment, claim)
        _check_headers(request, claim)
        payload = await _payload(request, claim)
        expected = signature(request, claim, secret, moment=moment, payload=payload)
        if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
            raise ServiceError(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided."
                " Check your AWS Secret Access Key and signing method. Consult the service"
                " documentation for details.",
                status=403,
            )
        return Caller(access_key_id=claim.access_key_id, owner=owner)

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
        if abs(moment.timestamp() - self._clock()) > MAX_SKEW:
            raise ServiceError(
                "RequestExpired",
                "The difference between the request time and the current time is too large: the"
                f" request says {moment:%Y-%m-%d %H:%M:%S} UTC, and {MAX_SKEW // 60} minutes are"
                " allowed",
                status=403,
            )
        if claim.date != f"{moment:%Y%m%d}":
            raise _incomplete(
                f"the date of the credential scope is {claim.date}, that of the request"
                f" {moment:%Y%m%d}"
            )


def claimed(request: Request) -> Claim:
    """What the request says about its signer.

    Raises:
        ServiceError: it says nothing, or says it in another way than Signature Version 4.
    """
    header = request.headers.get("authorization")
    if header is None:
        if request.argument("X-Amz-Signature") or request.argument("Signature"):
            raise not_implemented("presigned URLs")
        raise ServiceError(
            "MissingAuthenticationToken",
            "Request is missing Authentication Token: it must be signed with the key pair of the"
            " local service (Signature Version 4)",
            status=403,
        )
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        raise not_implemented(f"signatures of the kind {algorithm!r} (it has {ALGORITHM})")
    matches = [_FIELD.fullmatch(field) for field in rest.split(",")]
    fields = {match[1]: match[2] for match in matches if match is not None}
    if len(fields) != 3:
        raise _incomplete("it must have Credential, SignedHeaders and Signature")
    credential = fields["Credential"].split("/")
    if len(credential) != 5 or credential[4] != "aws4_request":
        raise _incomplete("Credential must be <key>/<date>/<region>/<service>/aws4_request")
    return Claim(
        access_key_id=credential[0],
        date=credential[1],
        region=credential[2],
        service=credential[3],
        signed_headers=tuple(fields["SignedHeaders"].split(";")),
        signature=fields["Signature"],
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
    key = b"AWS4" + secret.encode()
    for part in claim.scope.split("/"):
        key = hmac.digest(key, part.encode("latin-1"), "sha256")
    text = f"{ALGORITHM}\n{moment.strftime(_ISO_BASIC)}\n{claim.scope}\n{digest}"
    return hmac.digest(key, text.encode("latin-1"), "sha256").hex()


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
    pairs = [(quote(k, safe=_UNRESERVED), quote(v, safe=_UNRESERVED)) for k, v in request.query]
    return "&".join(f"{key}={value}" for key, value in sorted(pairs))


def _trimmed(value: str) -> str:
    return b" ".join(value.encode("latin-1").split()).decode("latin-1")


def _moment(request: Request) -> datetime:
    """When the request says it was made, in UTC."""
    given = request.headers.get("x-amz-date")
    try:
        if given is not None:
            return datetime.strptime(given, _ISO_BASIC).replace(tzinfo=timezone.utc)
        moment = parsedate_to_datetime(request.headers.get("date", ""))
    except (ValueError, TypeError) as error:
        raise _incomplete("X-Amz-Date or Date must say when the request was made") from error
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)


def _check_headers(request: Request, claim: Claim) -> None:
    signed = claim.signed_headers
    if list(signed) != sorted(set(signed)):
        raise _incomplete("SignedHeaders must be sorted, each once")
    absent = [name for name in signed if name not in request.headers]
    if absent:
        raise _incomplete(f"signed headers are not there: {', '.join(absent)}")
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
    if given.startswith("STREAMING-"):
        raise not_implemented(f"bodies in signed chunks ({given})")
    if given == UNSIGNED:
        return given
    if not _SHA256.fullmatch(given):
        raise ServiceError(
            "InvalidRequest",
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, or the SHA-256 of the body in"
            " hexadecimal",
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


def _incomplete(what: str) -> ServiceError:
    return ServiceError(
        "IncompleteSignature", f"the Authorization header is not understood: {what}", status=403
    )
