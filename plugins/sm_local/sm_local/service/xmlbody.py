"""Members of a model as XML, which S3 (REST) and STS and IAM (query) write, and S3 reads.

https://smithy.io/2.0/spec/protocol-traits.html#xml-bindings
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from sm_local.service.errors import ServiceError
from sm_local.service.models import ServiceModel
from sm_local.service.scalars import from_text, to_text

__all__ = ["document", "element", "members_of", "parsed", "text_element"]

_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_ESCAPED = re.compile(r'[&<>"\x00-\x08\x0b-\x1f\ufffe\uffff]')
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def document(root: str) -> bytes:
    """A whole document around the element `root`."""
    return _DECLARATION + root.encode()


def element(name: str, content: str, *, namespace: str = "") -> str:
    """An element with what is XML already."""
    attribute = f' xmlns="{namespace}"' if namespace else ""
    return f"<{name}{attribute}>{content}</{name}>"


def text_element(name: str, text: object) -> str:
    """An element with a text."""
    return element(name, _escaped(str(text)))


def members_of(model: ServiceModel, shape: str, values: Mapping[str, Any]) -> str:
    """The members of a structure as elements, except those that travel elsewhere.

    Args:
        model: of the service.
        shape: the structure's name.
        values: by member; None and absent are the same.

    Raises:
        TypeError: the structure has no such member.
    """
    described = model.shapes[shape]["members"]
    unknown = values.keys() - described.keys()
    if unknown:
        raise TypeError(f"{shape} has no member {', '.join(sorted(unknown))}")
    return "".join(
        _written(model, reference, reference.get("locationName", member), values[member])
        for member, reference in described.items()
        if "location" not in reference and values.get(member) is not None
    )


def parsed(model: ServiceModel, shape: str, body: bytes) -> dict[str, Any]:
    """The members of the structure `shape` that an XML document has.

    Raises:
        ServiceError: MalformedXML.
    """
    # Entities are how small documents become huge ones, and no client sends any.
    if b"<!DOCTYPE" in body:
        raise _malformed("it has a document type")
    try:
        root = ET.fromstring(body)
    except ET.ParseError as error:
        raise _malformed(str(error)) from error
    members: dict[str, Any] = _read(model, shape, root)
    return members


def _written(model: ServiceModel, reference: Mapping[str, Any], name: str, value: Any) -> str:
    shape = model.shapes[reference["shape"]]
    kind = shape["type"]
    if kind == "structure":
        return element(name, members_of(model, reference["shape"], value))
    if kind == "list":
        inner = shape["member"]
        if shape.get("flattened"):
            return "".join(_written(model, inner, name, item) for item in value)
        item_name = inner.get("locationName", "member")
        return element(name, "".join(_written(model, inner, item_name, item) for item in value))
    if kind == "map":
        raise NotImplementedError(f"maps in XML ({reference['shape']})")
    return text_element(name, to_text(value))


def _escaped(text: str) -> str:
    # A reference to a control character is no valid XML either, but it is what S3 writes.
    return _ESCAPED.sub(lambda match: _ENTITIES.get(match[0]) or f"&#x{ord(match[0]):x};", text)


def _read(model: ServiceModel, name: str, node: ET.Element) -> Any:
    shape = model.shapes[name]
    if shape["type"] == "structure":
        members: dict[str, Any] = {}
        for member, reference in shape["members"].items():
            found = [
                child
                for child in node
                if _local_name(child) == reference.get("locationName", member)
            ]
            if found:
                members[member] = _read_member(model, reference["shape"], found)
        return members
    if shape["type"] == "list":
        return [_read(model, shape["member"]["shape"], child) for child in node]
    if shape["type"] == "map":
        raise NotImplementedError(f"maps in XML ({name})")
    try:
        return from_text(shape["type"], node.text or "")
    except ValueError as error:
        raise _malformed(f"{_local_name(node)}: {error}") from error


def _read_member(model: ServiceModel, name: str, found: list[ET.Element]) -> Any:
    shape = model.shapes[name]
    if shape["type"] == "list" and shape.get("flattened"):
        return [_read(model, shape["member"]["shape"], child) for child in found]
    return _read(model, name, found[0])


def _local_name(node: ET.Element) -> str:
    return node.tag.rpartition("}")[2]


def _malformed(what: str) -> ServiceError:
    return ServiceError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published"
        f" schema: {what}",
    )
