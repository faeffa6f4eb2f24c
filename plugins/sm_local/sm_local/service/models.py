"""AWS's own descriptions of its services, as botocore ships them.

They are read from botocore's data folder without importing botocore, which would cost five times as
much time as reading the largest of them, and what the local service does not need is forgotten.
https://botocore.amazonaws.com/v1/documentation/api/latest/reference/loaders.html has the layout of
the folder; https://smithy.io/2.0/aws/aws-core.html the terms.
"""

from __future__ import annotations

import gzip
from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs
import orjson

__all__ = ["Operation", "ServiceModel", "Shape", "load_model"]

#: A shape as the model's JSON has it ("type", "members", "required", "max", …).
Shape = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Operation:
    """One operation of a service.

    Attributes:
        name: ``CreateTrainingJob``.
        method: of HTTP.
        uri: a template: ``/{Bucket}/{Key+}?uploads``.
        status: of HTTP, when it succeeds.
        input: name of the shape, or None.
        output: name of the shape, or None.
    """

    name: str
    method: str
    uri: str
    status: int
    input: str | None
    output: str | None


@attrs.frozen(kw_only=True)
class ServiceModel:
    """The operations of a service and the shapes they speak of.

    Attributes:
        name: botocore's name of the service.
        metadata: of the model ("targetPrefix", "xmlNamespace", …).
        operations: all that AWS has, by name.
        shapes: by name.
    """

    name: str
    metadata: Mapping[str, Any]
    operations: Mapping[str, Operation]
    shapes: Mapping[str, Shape]

    @property
    def namespace(self) -> str:
        """Of the XML that the service writes; "" for a JSON service."""
        namespace: str = self.metadata.get("xmlNamespace", "")
        return namespace

    def narrowed(self, operations: Collection[str]) -> ServiceModel:
        """This model with only the shapes that these operations, or errors, are made of."""
        wanted: list[str] = [name for name, shape in self.shapes.items() if shape.get("exception")]
        for operation in operations:
            described = self.operations[operation]
            wanted += [name for name in (described.input, described.output) if name is not None]
        kept: dict[str, Shape] = {}
        while wanted:
            name = wanted.pop()
            if name not in kept:
                kept[name] = self.shapes[name]
                wanted += _referred(self.shapes[name])
        return attrs.evolve(self, shapes=kept)


def load_model(service: str) -> ServiceModel:
    """The newest model of `service` that botocore has ("sagemaker", "s3", "logs", …)."""
    folder = max((_data() / service).iterdir(), key=lambda path: path.name)
    packed = folder / "service-2.json.gz"
    if packed.exists():
        document = orjson.loads(gzip.decompress(packed.read_bytes()))
    else:
        document = orjson.loads((folder / "service-2.json").read_bytes())
    return ServiceModel(
        name=service,
        metadata=document["metadata"],
        operations={
            name: _operation(name, described) for name, described in document["operations"].items()
        },
        shapes=document["shapes"],
    )


def _data() -> Path:
    found = find_spec("botocore")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("botocore, which boto3 brings, is not installed")
    return Path(found.submodule_search_locations[0]) / "data"


def _operation(name: str, described: Mapping[str, Any]) -> Operation:
    http = described["http"]
    return Operation(
        name=name,
        method=http["method"],
        uri=http["requestUri"],
        status=http.get("responseCode", 200),
        input=described.get("input", {}).get("shape"),
        output=described.get("output", {}).get("shape"),
    )


def _referred(shape: Shape) -> Iterator[str]:
    for reference in shape.get("members", {}).values():
        yield reference["shape"]
    for part in ("member", "key", "value"):
        if part in shape:
            yield shape[part]["shape"]
