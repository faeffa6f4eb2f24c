"""The REST protocol with XML bodies (restXml), which is S3's: routes, inputs and outputs.

Everything follows from the model: an operation is what its URI template, required query members and
required headers say, its input is gathered from path, query, headers and body, its output spread
over headers and body. https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import attrs

from sm_local.service import xmlbody
from sm_local.service.errors import ServiceError
from sm_local.service.models import Operation, ServiceModel
from sm_local.service.scalars import from_text, http_date, to_text
from sm_local.service.wire import FileSlice, Request, Response

__all__ = ["Route", "Routes", "error_response", "read_input", "write_output"]

#: Of an XML body: a CompleteMultipartUpload with 10 000 parts and all their checksums.
_MAX_BODY = 8 << 20
_XML = "application/xml"
_HEADER = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@attrs.frozen(kw_only=True)
class Route:
    """How to recognise one operation.

    Attributes:
        operation: which.
        level: how many variables its path has: 0 the service, 1 a bucket, 2 an object.
        query: what the query must have; a value of None means any.
        headers: lower-case names of headers that must be there.
    """

    operation: Operation
    level: int
    query: Mapping[str, str | None]
    headers: frozenset[str]

    def fits(self, method: str, level: int, query: Mapping[str, str], request: Request) -> bool:
        """Whether `request` is one for this operation."""
        return (
            method == self.operation.method
            and level == self.level
            and all(
                name in query and value in (None, query[name]) for name, value in self.query.items()
            )
            and all(name in request.headers for name in self.headers)
        )

    @property
    def weight(self) -> int:
        """The most demanding of the routes that fit is the right one."""
        return len(self.query) + len(self.headers)


class Routes:
    """All operations of a service, by how to recognise them."""

    def __init__(self, model: ServiceModel) -> None:
        """Take them from `model`, which must have the shapes of all inputs."""
        routes = [_route(model, operation) for operation in model.operations.values()]
        self._routes = sorted(routes, key=lambda route: route.weight, reverse=True)

    def find(self, request: Request, level: int) -> Operation | None:
        """The operation that `request` is for, or None when AWS has no such operation."""
        query = dict(reversed(request.query))
        for route in self._routes:
            if route.fits(request.method, level, query, request):
                return route.operation
        return None


def _route(model: ServiceModel, operation: Operation) -> Route:
    path, _, literal = operation.uri.partition("?")
    query: dict[str, str | None] = {
        name: value or None for name, value in parse_qsl(literal, keep_blank_values=True)
    }
    headers: set[str] = set()
    if operation.input is not None:
        shape = model.shapes[operation.input]
        for member in shape.get("required", ()):
            reference = shape["members"][member]
            if reference.get("location") == "querystring":
                query[reference["locationName"]] = None
            elif reference.get("location") == "header":
                headers.add(reference["locationName"].lower())
    return Route(
        operation=operation, level=path.count("{"), query=query, headers=frozenset(headers)
    )


async def read_input(
    model: ServiceModel, operation: Operation, request: Request, path: Mapping[str, str]
) -> dict[str, Any]:
    """The members of an operation's input; a streaming body is a `StreamedBody`.

    Args:
        model: of the service.
        operation: which.
        request: what was sent.
        path: the variables of the path, by name.

    Raises:
        ServiceError: InvalidArgument for a value of a wrong type, MalformedXML.
    """
    members: dict[str, Any] = {}
    if operation.input is None:
        return members
    shape = model.shapes[operation.input]
    for member, reference in shape["members"].items():
        location = reference.get("location")
        if location == "headers":
            prefix = reference["locationName"].lower()
            members[member] = {
                name[len(prefix) :]: value
                for name, value in request.headers.items()
                if name.startswith(prefix)
            }
            continue
        text = _text(location, reference, request, path)
        if text is not None:
            members[member] = _value(model, reference, text)
    payload = shape.get("payload")
    if payload is not None:
        body = await _body(model, shape["members"][payload]["shape"], request)
        if body is not None:
            members[payload] = body
    return members


def _text(
    location: str | None, reference: Mapping[str, Any], request: Request, path: Mapping[str, str]
) -> str | None:
    if location == "uri":
        return path[reference["locationName"]]
    if location == "querystring":
        return request.argument(reference["locationName"])
    if location == "header":
        return request.headers.get(reference["locationName"].lower())
    return None


def _value(model: ServiceModel, reference: Mapping[str, Any], text: str) -> Any:
    kind = model.shapes[reference["shape"]]["type"]
    if kind == "list":
        return [item.strip() for item in text.split(",")]
    try:
        return from_text(kind, text)
    except ValueError as error:
        name = reference["locationName"]
        raise ServiceError(
            "InvalidArgument",
            f"Provided {name} not valid: {error}",
            members={"ArgumentName": name, "ArgumentValue": text},
        ) from error


async def _body(model: ServiceModel, name: str, request: Request) -> Any:
    if model.shapes[name]["type"] == "blob":
        return request.streamed
    body = await request.body(_MAX_BODY)
    return xmlbody.parsed(model, name, body) if body else None


def write_output(
    model: ServiceModel, operation: Operation, output: Mapping[str, Any], *, root: str | None
) -> Response:
    """The answer of an operation that succeeded.

    Args:
        model: of the service.
        operation: which.
        output: members; None and absent are the same.
        root: name of the XML document's element; None where the answer has no XML.

    Raises:
        TypeError: the output has no such member.
    """
    response = Response(status=operation.status)
    if operation.output is None:
        return response
    shape = model.shapes[operation.output]
    for member, value in output.items():
        if value is None:
            continue
        reference = shape["members"].get(member)
        if reference is None:
            raise TypeError(f"{operation.output} has no member {member}")
        response.headers.update(_headers(reference, value))
    payload = shape.get("payload")
    if payload is not None and isinstance(output.get(payload), (bytes, FileSlice)):
        response.body = output[payload]
    elif root is not None:
        name, members = operation.output, output
        if payload is not None:
            # The members of this one member are the document.
            name, members = shape["members"][payload]["shape"], output[payload]
        content = xmlbody.members_of(model, name, members)
        namespace = _namespace(model)
        response.body = xmlbody.document(xmlbody.element(root, content, namespace=namespace))
        response.headers["content-type"] = _XML
    return response


def _headers(reference: Mapping[str, Any], value: Any) -> Iterator[tuple[str, str]]:
    location = reference.get("location")
    if location == "headers":
        prefix = reference["locationName"].lower()
        yield from ((prefix + name, text) for name, text in value.items())
    elif location == "header":
        text = http_date(value) if isinstance(value, datetime) else to_text(value)
        if not _HEADER.fullmatch(text):
            raise ServiceError(
                "InvalidArgument", f"{reference['locationName']} can not be a header: {text!r}"
            )
        yield reference["locationName"].lower(), text


def _namespace(model: ServiceModel) -> str:
    return f"http://s3.amazonaws.com/doc/{model.metadata['apiVersion']}/"


def error_response(error: ServiceError, *, request_id: str) -> Response:
    """`error` as S3 writes it; without a body where HTTP allows none."""
    if error.status == 304:
        return Response(status=304)
    content = xmlbody.text_element("Code", error.code)
    content += xmlbody.text_element("Message", error.message)
    for name, value in error.members.items():
        content += xmlbody.text_element(name, value)
    content += xmlbody.text_element("RequestId", request_id)
    return Response(
        status=error.status,
        headers={"content-type": _XML},
        body=xmlbody.document(xmlbody.element("Error", content)),
    )
