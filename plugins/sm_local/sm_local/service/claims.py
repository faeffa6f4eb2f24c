"""What a request says about its signer: in the ``Authorization`` header, or in a presigned URL.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html has version 2.
"""

from __future__ import annotations

import base64
import hmac
import re

import attrs

from sm_local.service.errors import ServiceError, not_implemented
from sm_local.service.wire import Request

__all__ = ["ALGORITHM", "Claim", "claimed", "incomplete", "signature_2"]

ALGORITHM = "AWS4-HMAC-SHA256"
#: Seconds that a presigned URL may be good for.
_LONGEST = 7 * 24 * 3600
_FIELD = re.compile(r" *(Credential|SignedHeaders|Signature)=([!-+\--~]+) *")
#: Of the query, what version 2 signs.
_SIGNED_2 = frozenset(
    {
        "acl",
        "cors",
        "delete",
        "lifecycle",
        "location",
        "logging",
        "notification",
        "partNumber",
        "policy",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    }
)


@attrs.frozen(kw_only=True)
class Claim:
    """What an ``Authorization`` header says, true or not.

    Attributes:
        access_key_id: whose signature this is to be.
        date: of the scope, ``YYYYMMDD``.
        region: of the scope.
        service: of the scope: "sagemaker", "s3", …
        signed_headers: lower-case names.
        signature: in hexadecimal; of version 2 in base64.
        lifetime: seconds after its date in which a presigned URL is good; None for a header.
        expires: epoch seconds at which a presigned URL of version 2 ends; None for version 4.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    lifetime: int | None = None
    expires: int | None = None

    @property
    def scope(self) -> str:
        """The credential scope without the key."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def claimed(request: Request) -> Claim:
    """What the request says about its signer.

    Raises:
        ServiceError: it says nothing, or says it in another way than Signature Version 4.
    """
    header = request.headers.get("authorization")
    if header is None:
        if request.argument("X-Amz-Signature"):
            return _presigned(request)
        if request.argument("Signature") and request.argument("AWSAccessKeyId"):
            return _presigned_2(request)
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
        raise incomplete("it must have Credential, SignedHeaders and Signature")
    return _claim(fields["Credential"], fields["SignedHeaders"], fields["Signature"])


def _presigned(request: Request) -> Claim:
    """A URL that was signed by Signature Version 4."""
    names = ("Algorithm", "Credential", "SignedHeaders", "Signature", "Expires")
    fields = {name: request.argument(f"X-Amz-{name}") or "" for name in names}
    if fields["Algorithm"] != ALGORITHM:
        raise _bad_query(f"X-Amz-Algorithm only supports {ALGORITHM}")
    if not fields["Expires"].isascii() or not fields["Expires"].isdigit():
        raise _bad_query("X-Amz-Expires should be a number of seconds")
    lifetime = int(fields["Expires"])
    if lifetime > _LONGEST:
        raise _bad_query(
            f"X-Amz-Expires must be less than a week (in seconds); that is, it must be less than"
            f" {_LONGEST}"
        )
    claim = _claim(fields["Credential"], fields["SignedHeaders"], fields["Signature"])
    if claim.service != "s3":
        raise not_implemented("presigned URLs of other services than S3")
    return attrs.evolve(claim, lifetime=lifetime)


def _presigned_2(request: Request) -> Claim:
    """A URL that was signed by Signature Version 2: S3's GET, HEAD and PUT only."""
    if request.method not in ("GET", "HEAD", "PUT"):
        raise not_implemented(f"signatures of version 2 of {request.method} requests")
    expires = request.argument("Expires") or ""
    if not expires.isascii() or not expires.isdigit():
        raise ServiceError(
            "AccessDenied", "Invalid date (should be seconds since epoch)", status=403
        )
    return Claim(
        access_key_id=request.argument("AWSAccessKeyId") or "",
        date="",
        region="",
        service="s3",
        signed_headers=(),
        signature=request.argument("Signature") or "",
        expires=int(expires),
    )


def signature_2(request: Request, secret: str) -> str:
    """The signature of version 2 that a presigned URL must have, in base64."""
    amazon = sorted(
        f"{name}:{value.strip()}"
        for name, value in request.headers.items()
        if name.startswith("x-amz-")
    )
    signed = sorted(pair for pair in request.query if pair[0] in _SIGNED_2)
    query = "&".join(f"{name}={value}" if value else name for name, value in signed)
    text = "\n".join(
        [
            request.method,
            request.headers.get("content-md5", ""),
            request.headers.get("content-type", ""),
            request.argument("Expires") or "",
            *amazon,
            request.raw_path + (f"?{query}" if query else ""),
        ]
    )
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()


def _claim(credential: str, signed_headers: str, signature: str) -> Claim:
    parts = credential.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request":
        raise incomplete("Credential must be <key>/<date>/<region>/<service>/aws4_request")
    return Claim(
        access_key_id=parts[0],
        date=parts[1],
        region=parts[2],
        service=parts[3],
        signed_headers=tuple(signed_headers.split(";")),
        signature=signature,
    )


def incomplete(what: str) -> ServiceError:
    """A signature that is not in the form it must have."""
    return ServiceError(
        "IncompleteSignature", f"the Authorization header is not understood: {what}", status=403
    )


def _bad_query(what: str) -> ServiceError:
    return ServiceError("AuthorizationQueryParametersError", what)
