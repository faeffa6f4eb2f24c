"""The query protocol (awsQuery): forms in, XML out. STS and IAM speak it.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from sm_local.service import xmlbody
from sm_local.service.aws_json import Operations
from sm_local.service.errors import ServiceError
from sm_local.service.models import ServiceModel, load_model
from sm_local.service.scalars import from_text
from sm_local.service.validation import validated
from sm_local.service.wire import Caller, Request, Response

__all__ = ["QueryService", "error_response"]

_XML = "text/xml"
_MAX_BODY = 1 << 20
_TEXTUAL = frozenset({"string", "character", "blob", "timestamp"})


class QueryService:
    """One service that speaks the query protocol, over its table of operations."""

    def __init__(self, service: str, operations: Operations) -> None:
        """Answer for `service`, botocore's name of it, with `operations`."""
        self._service = service
        self._operations = operations

    async def handle(self, request: Request, caller: Caller) -> Response:
        """Parse, validate, run and answer one request.

        Raises:
            ServiceError: whatever is wrong with it.
        """
        # The model takes some time to load, once: not on the event loop.
        model = await asyncio.to_thread(lambda: self._model)
        form = await self._form(request)
        name = form.get("Action", "")
        if name not in self._operations:
            known = "does not have" if name in model.operations else "knows no"
            raise ServiceError(
                "InvalidAction",
                f"the local service {known} {model.metadata['serviceId']} operation {name!r};"
                f" it has {', '.join(sorted(self._operations))}",
            )
        operation = model.operations[name]
        members = _members(model, operation.input, form)
        given = validated(model, operation.input, members, code="ValidationError")
        output = await self._operations[name](given, caller)
        content = (
            "" if operation.output is None else xmlbody.members_of(model, operation.output, output)
        )
        return self._answer(name, content, request)

    def error(self, error: ServiceError, request: Request) -> Response:
        """`error` as this protocol writes it."""
        return error_response(error, request_id=request.request_id)

    @cached_property
    def _model(self) -> ServiceModel:
        return load_model(self._service).narrowed(self._operations.keys())

    async def _form(self, request: Request) -> dict[str, str]:
        try:
            text = (await request.body(_MAX_BODY)).decode("ascii")
            pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
        except ValueError as error:
            raise ServiceError("MalformedQueryString", f"the body is no form: {error}") from error
        return dict(request.query) | dict(pairs)

    def _answer(self, name: str, content: str, request: Request) -> Response:
        content = xmlbody.element(f"{name}Result", content)
        metadata = xmlbody.text_element("RequestId", request.request_id)
        content += xmlbody.element("ResponseMetadata", metadata)
        root = xmlbody.element(f"{name}Response", content, namespace=self._model.namespace)
        return Response(headers={"content-type": _XML}, body=xmlbody.document(root))


def error_response(error: ServiceError, *, request_id: str) -> Response:
    """`error` for clients of query services, and of REST services with XML."""
    content = xmlbody.element(
        "Error",
        xmlbody.text_element("Type", "Sender" if error.status < 500 else "Receiver")
        + xmlbody.text_element("Code", error.code)
        + xmlbody.text_element("Message", error.message),
    )
    content += xmlbody.text_element("RequestId", request_id)
    return Response(
        status=error.status,
        headers={"content-type": _XML},
        body=xmlbody.document(xmlbody.element("ErrorResponse", content)),
    )


def _members(model: ServiceModel, shape: str | None, form: Mapping[str, str]) -> dict[str, Any]:
    """The members of a structure of scalars.

    Raises:
        ServiceError: MalformedInput for a value of a wrong type.
    """
    if shape is None:
        return {}
    members: dict[str, Any] = {}
    for member, reference in model.shapes[shape]["members"].items():
        kind = model.shapes[reference["shape"]]["type"]
        if kind in ("structure", "list", "map"):
            raise NotImplementedError(f"{kind}s in a form ({reference['shape']})")
        text = form.get(reference.get("locationName", member))
        if text is not None:
            try:
                members[member] = text if kind in _TEXTUAL else from_text(kind, text)
            except ValueError as error:
                raise ServiceError("MalformedInput", f"{member}: {error}") from error
    return members
