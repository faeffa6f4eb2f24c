"""The JSON protocol (awsJson1.1): SageMaker's control plane and CloudWatch Logs.

Its errors serve SageMaker Runtime too, which is REST with JSON errors.
https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

import orjson

from sm_local.service.errors import ServiceError
from sm_local.service.models import Operation, ServiceModel, load_model
from sm_local.service.validation import validated
from sm_local.service.wire import Caller, Request, Response

__all__ = ["JsonService", "Operations", "error_response", "json_response"]

#: What a service has: handlers by operation. A handler takes the validated members of the input
#: and returns the members of the output, timestamps as datetimes.
Operations = Mapping[str, Callable[[dict[str, Any], Caller], Awaitable[dict[str, Any]]]]

_CONTENT_TYPE = "application/x-amz-json-1.1"
#: More than any request that AWS would take.
_MAX_BODY = 8 << 20
#: What JSON services call the errors that are everybody's.
_CODES = {
    "AccessDenied": "AccessDeniedException",
    "IncompleteSignature": "IncompleteSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "RequestExpired": "InvalidSignatureException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
}


class JsonService:
    """One service that speaks JSON, over its table of operations."""

    def __init__(
        self, service: str, operations: Operations, *, invalid: str = "ValidationException"
    ) -> None:
        """Answer for `service`.

        Args:
            service: botocore's name of it.
            operations: those that the local service has.
            invalid: the code with which this service refuses a violated constraint.
        """
        self._service = service
        self._operations = operations
        self._invalid = invalid

    async def handle(self, request: Request, caller: Caller) -> Response:
        """Parse, validate, run and answer one request.

        Raises:
            ServiceError: whatever is wrong with it.
        """
        # The model takes some time to load, once: not on the event loop.
        model = await asyncio.to_thread(lambda: self._model)
        operation = self._operation(request, model)
        members = _members(await request.body(_MAX_BODY))
        given = validated(model, operation.input, members, code=self._invalid)
        output = await self._operations[operation.name](given, caller)
        if operation.output is None:
            return Response(headers={"content-type": _CONTENT_TYPE})
        return json_response(_serialised(model, operation.output, output))

    def error(self, error: ServiceError, request: Request) -> Response:
        """`error` as this protocol writes it."""
        return error_response(error)

    @cached_property
    def _model(self) -> ServiceModel:
        return load_model(self._service).narrowed(self._operations.keys())

    def _operation(self, request: Request, model: ServiceModel) -> Operation:
        target = request.headers.get("x-amz-target", "")
        prefix, _, name = target.rpartition(".")
        if prefix != model.metadata["targetPrefix"] or name not in model.operations:
            raise ServiceError(
                "UnknownOperationException",
                f"{model.metadata['serviceId']} has no operation {target!r}",
            )
        if name not in self._operations:
            raise ServiceError(
                "UnknownOperationException",
                f"the local service does not have {model.metadata['serviceId']}'s operation"
                f" {name}; it has {', '.join(sorted(self._operations))}",
            )
        return model.operations[name]


def json_response(value: object, *, status: int = 200) -> Response:
    """`value` as JSON."""
    return Response(
        status=status, headers={"content-type": _CONTENT_TYPE}, body=orjson.dumps(value)
    )


def error_response(error: ServiceError) -> Response:
    """`error` for clients of JSON services, those with modelled errors included."""
    code = _CODES.get(error.code, error.code)
    # Services differ in the case of the member, and some clients look for one of them only.
    body = {"__type": code, "message": error.message, "Message": error.message, **error.members}
    response = json_response(body, status=error.status)
    response.headers["x-amzn-errortype"] = code
    return response


def _members(body: bytes) -> object:
    try:
        return orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise ServiceError("SerializationException", f"the body is not JSON: {error}") from error


def _serialised(model: ServiceModel, name: str, value: Any) -> Any:
    """`value` as JSON has it: timestamps as epoch seconds with a fraction, bytes as base64."""
    shape = model.shapes[name]
    kind = shape["type"]
    if kind == "structure":
        unknown = value.keys() - shape["members"].keys()
        if unknown:
            raise TypeError(f"{name} has no member {', '.join(sorted(unknown))}")
        return {
            member: _serialised(model, shape["members"][member]["shape"], item)
            for member, item in value.items()
            if item is not None
        }
    if kind == "list":
        return [_serialised(model, shape["member"]["shape"], item) for item in value]
    if kind == "map":
        return {k: _serialised(model, shape["value"]["shape"], v) for k, v in value.items()}
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value
