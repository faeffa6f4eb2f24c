"""S3: one table of its operations, and the way from a request to one of them.

Path style only: ``/bucket/key``. What AWS has and this table has not is refused by its name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any

import attrs

from sm_local.home import RESERVED_BUCKET
from sm_local.service.chunks import STREAMING
from sm_local.service.errors import ServiceError, access_denied, not_implemented
from sm_local.service.models import Operation, ServiceModel, load_model
from sm_local.service.objects import Objects
from sm_local.service.rest_xml import Routes, error_response, read_input, write_output
from sm_local.service.s3_bodies import check_document
from sm_local.service.s3_buckets import Buckets
from sm_local.service.s3_copies import Copies, source_bucket
from sm_local.service.s3_downloads import Downloads
from sm_local.service.s3_listings import Listings
from sm_local.service.s3_tagging import ObjectTags
from sm_local.service.s3_uploadlists import UploadLists
from sm_local.service.s3_uploads import MultipartUploads
from sm_local.service.s3_writes import Writes
from sm_local.service.uploads import Uploads
from sm_local.service.wire import Caller, Request, Response

__all__ = ["S3"]

#: What S3 calls the errors that are everybody's.
_CODES = {
    "IncompleteSignature": "AuthorizationHeaderMalformed",
    "InternalFailure": "InternalError",
    "InvalidClientTokenId": "InvalidAccessKeyId",
    "MissingAuthenticationToken": "AccessDenied",
    "RequestEntityTooLargeException": "EntityTooLarge",
    "RequestExpired": "RequestTimeTooSkewed",
}


#: Operations with a checksum of the XML that they are sent, and not of an object.
_CHECKED_DOCUMENTS = frozenset({"DeleteObjects", "PutObjectTagging"})
#: What the query of a presigned URL has for the signature alone.
_SIGNING = frozenset(
    f"x-amz-{name}"
    for name in ("algorithm", "credential", "date", "expires", "signature", "signedheaders")
)


@attrs.frozen(kw_only=True)
class _Entry:
    """One line of the table.

    Attributes:
        handler: takes the members of the input and returns those of the output.
        root: the element of the answer's XML document; None for an answer without XML.
    """

    handler: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
    root: str | None = None


class S3:
    """The S3 service over an object store."""

    def __init__(self, objects: Objects, uploads: Uploads) -> None:
        """Answer from `objects` and `uploads`."""
        buckets = Buckets(objects)
        downloads = Downloads(objects)
        writes = Writes(objects)
        parts = MultipartUploads(objects, uploads)
        copies = Copies(objects, uploads)
        listings = Listings(objects)
        tags = ObjectTags(objects)
        pending = UploadLists(uploads)
        self._table: Mapping[str, _Entry] = {
            "AbortMultipartUpload": _Entry(handler=parts.abort),
            "CompleteMultipartUpload": _Entry(
                handler=parts.complete, root="CompleteMultipartUploadResult"
            ),
            "CopyObject": _Entry(handler=copies.copy, root="CopyObjectResult"),
            "CreateBucket": _Entry(handler=buckets.create),
            "CreateMultipartUpload": _Entry(
                handler=parts.create, root="InitiateMultipartUploadResult"
            ),
            "DeleteBucket": _Entry(handler=buckets.delete),
            "DeleteObject": _Entry(handler=writes.delete),
            "DeleteObjectTagging": _Entry(handler=tags.delete),
            "DeleteObjects": _Entry(handler=writes.delete_many, root="DeleteResult"),
            "GetBucketLocation": _Entry(handler=buckets.location, root="LocationConstraint"),
            "GetObject": _Entry(handler=downloads.get),
            "GetObjectAttributes": _Entry(
                handler=downloads.attributes, root="GetObjectAttributesResponse"
            ),
            "GetObjectTagging": _Entry(handler=tags.get, root="Tagging"),
            "HeadBucket": _Entry(handler=buckets.head),
            "HeadObject": _Entry(handler=downloads.head),
            "ListBuckets": _Entry(handler=buckets.list, root="ListAllMyBucketsResult"),
            "ListMultipartUploads": _Entry(
                handler=pending.uploads, root="ListMultipartUploadsResult"
            ),
            "ListObjects": _Entry(handler=listings.list_first, root="ListBucketResult"),
            "ListObjectsV2": _Entry(handler=listings.list, root="ListBucketResult"),
            "ListParts": _Entry(handler=pending.parts, root="ListPartsResult"),
            "PutObject": _Entry(handler=writes.put),
            "PutObjectTagging": _Entry(handler=tags.put),
            "UploadPart": _Entry(handler=parts.put_part),
            "UploadPartCopy": _Entry(handler=copies.copy_part, root="CopyPartResult"),
        }

    async def handle(self, request: Request, caller: Caller) -> Response:
        """Run and answer one request.

        Raises:
            ServiceError: whatever is wrong with it.
        """
        # The model takes some time to load, once: not on the event loop.
        model, routes = await asyncio.to_thread(lambda: self._model)
        _hoist(request)
        bucket, _, key = request.path[1:].partition("/")
        level = 0 if not bucket else 1 if not key else 2
        operation = self._operation(routes, request, level)
        if bucket == RESERVED_BUCKET and not caller.is_user:
            raise access_denied(f"only the user may use the bucket {RESERVED_BUCKET}")
        if not caller.is_user and source_bucket(request) == RESERVED_BUCKET:
            raise access_denied(f"only the user may use the bucket {RESERVED_BUCKET}")
        _check_chunks(request)
        if operation.name in _CHECKED_DOCUMENTS:
            await check_document(request)
        members = await read_input(model, operation, request, {"Bucket": bucket, "Key": key})
        entry = self._table[operation.name]
        output = await entry.handler(members)
        response = write_output(model, operation, output, root=entry.root)
        if "content-range" in response.headers:
            response.status = 206
        return response

    def error(self, error: ServiceError, request: Request) -> Response:
        """`error` as S3 writes it."""
        named = ServiceError(
            _CODES.get(error.code, error.code),
            error.message,
            status=error.status,
            members=error.members,
        )
        return error_response(named, request_id=request.request_id)

    @cached_property
    def _model(self) -> tuple[ServiceModel, Routes]:
        model = load_model("s3")
        return model.narrowed(self._table.keys()), Routes(model)

    def _operation(self, routes: Routes, request: Request, level: int) -> Operation:
        operation = routes.find(request, level)
        if operation is None:
            raise ServiceError(
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
                status=405,
                members={"Method": request.method},
            )
        if operation.name not in self._table:
            raise not_implemented(f"S3's operation {operation.name}")
        return operation


def _hoist(request: Request) -> None:
    """Take headers that a presigned URL has in its query, where some SDKs put them, as headers."""
    if request.argument("X-Amz-Signature") is None:
        return
    hoisted = {
        name.lower(): value
        for name, value in request.query
        if name.lower().startswith("x-amz-") and name.lower() not in _SIGNING
    }
    request.headers = {**hoisted, **request.headers}


def _check_chunks(request: Request) -> None:
    """Refuse a body that is said to be in chunks, and not said how."""
    encodings = request.headers.get("content-encoding", "").split(",")
    given = request.headers.get("x-amz-content-sha256", "")
    if "aws-chunked" in [each.strip() for each in encodings] and given not in STREAMING:
        raise ServiceError(
            "InvalidRequest",
            "a body in chunks (Content-Encoding: aws-chunked) needs an x-amz-content-sha256 that"
            f" says so: {', '.join(STREAMING)}",
        )
    if "x-amz-trailer" in request.headers and given not in STREAMING:
        raise ServiceError(
            "InvalidRequest", "x-amz-trailer is there, but the body is not in chunks with trailers"
        )
