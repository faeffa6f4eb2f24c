"""``Record``, the message that Amazon's algorithms read and answer with.

The schema is described here in code, in a descriptor pool of its own: another library that brings
messages of the same name into protobuf's default pool (every Amazon SDK does) cannot clash with it,
whichever is imported first. Field numbers are those of AWS's published ``aialgs.data`` schema.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, MutableSequence
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["Bytes", "Float32Tensor", "Float64Tensor", "Int32Tensor", "Record", "Value"]

_FIELD = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "aialgs.data"


def _field(name: str, number: int, kind: int, **more: Any) -> descriptor_pb2.FieldDescriptorProto:
    more.setdefault("label", _FIELD.LABEL_OPTIONAL)
    return _FIELD(name=name, number=number, type=kind, **more)  # type: ignore[arg-type]  # enum values are ints


def _packed(name: str, number: int, kind: int) -> descriptor_pb2.FieldDescriptorProto:
    packed = descriptor_pb2.FieldOptions(packed=True)
    return _field(name, number, kind, label=_FIELD.LABEL_REPEATED, options=packed)


def _tensor(name: str, kind: int) -> descriptor_pb2.DescriptorProto:
    fields = [
        _packed("values", 1, kind),
        _packed("keys", 2, _FIELD.TYPE_UINT64),
        _packed("shape", 3, _FIELD.TYPE_UINT64),
    ]
    return descriptor_pb2.DescriptorProto(name=name, field=fields)


def _value() -> descriptor_pb2.DescriptorProto:
    kinds = {"float32_tensor": 2, "float64_tensor": 3, "int32_tensor": 7, "bytes": 9}
    types = ("Float32Tensor", "Float64Tensor", "Int32Tensor", "Bytes")
    fields = [
        _field(name, number, _FIELD.TYPE_MESSAGE, type_name=f".{_PACKAGE}.{kind}", oneof_index=0)
        for (name, number), kind in zip(kinds.items(), types, strict=True)
    ]
    oneof = descriptor_pb2.OneofDescriptorProto(name="value")
    return descriptor_pb2.DescriptorProto(name="Value", field=fields, oneof_decl=[oneof])


def _entry(name: str) -> descriptor_pb2.DescriptorProto:
    fields = [
        _field("key", 1, _FIELD.TYPE_STRING),
        _field("value", 2, _FIELD.TYPE_MESSAGE, type_name=f".{_PACKAGE}.Value"),
    ]
    options = descriptor_pb2.MessageOptions(map_entry=True)
    return descriptor_pb2.DescriptorProto(name=name, field=fields, options=options)


def _record() -> descriptor_pb2.DescriptorProto:
    def entries(name: str, number: int, entry: str) -> descriptor_pb2.FieldDescriptorProto:
        kind = f".{_PACKAGE}.Record.{entry}"
        repeated = _FIELD.LABEL_REPEATED
        return _field(name, number, _FIELD.TYPE_MESSAGE, type_name=kind, label=repeated)

    fields = [
        entries("features", 1, "FeaturesEntry"),
        entries("label", 2, "LabelEntry"),
        _field("uid", 3, _FIELD.TYPE_STRING),
        _field("metadata", 4, _FIELD.TYPE_STRING),
        _field("configuration", 5, _FIELD.TYPE_STRING),
    ]
    nested = [_entry("FeaturesEntry"), _entry("LabelEntry")]
    return descriptor_pb2.DescriptorProto(name="Record", field=fields, nested_type=nested)


def _schema() -> descriptor_pb2.FileDescriptorProto:
    blob = [
        _field("value", 1, _FIELD.TYPE_BYTES, label=_FIELD.LABEL_REPEATED),
        _field("content_type", 2, _FIELD.TYPE_STRING),
    ]
    return descriptor_pb2.FileDescriptorProto(
        name="sm_amazon_algos/record.proto",
        package=_PACKAGE,
        message_type=[
            _tensor("Float32Tensor", _FIELD.TYPE_FLOAT),
            _tensor("Float64Tensor", _FIELD.TYPE_DOUBLE),
            _tensor("Int32Tensor", _FIELD.TYPE_INT32),
            descriptor_pb2.DescriptorProto(name="Bytes", field=blob),
            _value(),
            _record(),
        ],
    )


def _messages() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(_schema().SerializeToString())
    # protobuf before 4.22 has no GetMessageClass.
    make = getattr(message_factory, "GetMessageClass", None)
    if make is None:
        make = message_factory.MessageFactory(pool).GetPrototype  # type: ignore[attr-defined]  # gone from the newest
    names = ("Float32Tensor", "Float64Tensor", "Int32Tensor", "Bytes", "Value", "Record")
    messages = {name: make(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in names}
    for message in messages.values():
        message.__module__ = __name__  # where pickle finds it
    return messages


if TYPE_CHECKING:

    class _Tensor(Message):
        keys: MutableSequence[int]
        shape: MutableSequence[int]

    class Float32Tensor(_Tensor):
        """Values of 32-bit floating point, dense or, with `keys`, sparse."""

        values: MutableSequence[float]

    class Float64Tensor(_Tensor):
        """Values of 64-bit floating point."""

        values: MutableSequence[float]

    class Int32Tensor(_Tensor):
        """Values of 32-bit integers."""

        values: MutableSequence[int]

    class Bytes(Message):
        """Opaque values and their content type."""

        value: MutableSequence[bytes]
        content_type: str

    class Value(Message):
        """One of the tensors, or bytes."""

        float32_tensor: Float32Tensor
        float64_tensor: Float64Tensor
        int32_tensor: Int32Tensor
        bytes: Bytes

    class Record(Message):
        """One example: features, and perhaps a label, by name; the usual name is ``values``."""

        features: MutableMapping[str, Value]
        label: MutableMapping[str, Value]
        uid: str
        metadata: str
        configuration: str
else:
    _MESSAGES: Mapping[str, Any] = _messages()
    Float32Tensor = _MESSAGES["Float32Tensor"]
    Float64Tensor = _MESSAGES["Float64Tensor"]
    Int32Tensor = _MESSAGES["Int32Tensor"]
    Bytes = _MESSAGES["Bytes"]
    Value = _MESSAGES["Value"]
    #: One example: ``features``, and perhaps a ``label``, by name; the usual name is ``values``. A
    #: message of protobuf.
    Record = _MESSAGES["Record"]
