"""The schemas of TensorFlow's and TensorFlow Serving's messages, in a descriptor pool of their own.

They are described here in code: TensorFlow, tensorflow-serving-api and every SageMaker SDK bring
messages of the same names into protobuf's default pool, where a second description of a name is an
error, whichever is imported first. Names, numbers and types of the fields are those of the files
``tensorflow/core/framework/*.proto``, ``tensorflow/core/example/*.proto`` and
``tensorflow_serving/apis/*.proto``; fields that TensorFlow Serving 1.4 did not have and no request
needs are left out, and travel as unknown fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    wrappers_pb2,
)

__all__ = ["DATA_TYPES", "message_classes"]

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _FIELD.TYPE_BOOL,
    "bytes": _FIELD.TYPE_BYTES,
    "double": _FIELD.TYPE_DOUBLE,
    "float": _FIELD.TYPE_FLOAT,
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
    "string": _FIELD.TYPE_STRING,
    "uint32": _FIELD.TYPE_UINT32,
    "uint64": _FIELD.TYPE_UINT64,
}
_CORE, _SERVING = "tensorflow", "tensorflow.serving"

#: The enum ``tensorflow.DataType``; types of references have numbers 100 higher, and never travel.
DATA_TYPES: Mapping[str, int] = {
    "DT_INVALID": 0,
    "DT_FLOAT": 1,
    "DT_DOUBLE": 2,
    "DT_INT32": 3,
    "DT_UINT8": 4,
    "DT_INT16": 5,
    "DT_INT8": 6,
    "DT_STRING": 7,
    "DT_COMPLEX64": 8,
    "DT_INT64": 9,
    "DT_BOOL": 10,
    "DT_QINT8": 11,
    "DT_QUINT8": 12,
    "DT_QINT32": 13,
    "DT_BFLOAT16": 14,
    "DT_QINT16": 15,
    "DT_QUINT16": 16,
    "DT_UINT16": 17,
    "DT_COMPLEX128": 18,
    "DT_HALF": 19,
    "DT_RESOURCE": 20,
    "DT_VARIANT": 21,
    "DT_UINT32": 22,
    "DT_UINT64": 23,
}

# A line each: name, number, type; ``repeated`` before the type, ``map<…>`` for text to that type,
# and a fourth word for the oneof that the field is one of.
_CORE_MESSAGES = {
    "TensorShapeProto": "dim 2 repeated TensorShapeProto.Dim\nunknown_rank 3 bool",
    "TensorProto": """
        dtype 1 DataType
        tensor_shape 2 TensorShapeProto
        version_number 3 int32
        tensor_content 4 bytes
        float_val 5 repeated float
        double_val 6 repeated double
        int_val 7 repeated int32
        string_val 8 repeated bytes
        scomplex_val 9 repeated float
        int64_val 10 repeated int64
        bool_val 11 repeated bool
        dcomplex_val 12 repeated double
        half_val 13 repeated int32
        uint32_val 16 repeated uint32
        uint64_val 17 repeated uint64""",
    "BytesList": "value 1 repeated bytes",
    "FloatList": "value 1 repeated float",
    "Int64List": "value 1 repeated int64",
    "Feature": """
        bytes_list 1 BytesList kind
        float_list 2 FloatList kind
        int64_list 3 Int64List kind""",
    "Features": "feature 1 map<Feature>",
    "Example": "features 1 Features",
}
_CORE_NESTED = {"TensorShapeProto": {"Dim": "size 1 int64\nname 2 string"}}
_SERVING_MESSAGES = {
    "ModelSpec": """
        name 1 string
        version 2 google.protobuf.Int64Value
        signature_name 3 string""",
    "PredictRequest": """
        model_spec 1 ModelSpec
        inputs 2 map<tensorflow.TensorProto>
        output_filter 3 repeated string""",
    "PredictResponse": "outputs 1 map<tensorflow.TensorProto>\nmodel_spec 2 ModelSpec",
    "ExampleList": "examples 1 repeated tensorflow.Example",
    "ExampleListWithContext": """
        examples 1 repeated tensorflow.Example
        context 2 tensorflow.Example""",
    "Input": """
        example_list 1 ExampleList kind
        example_list_with_context 2 ExampleListWithContext kind""",
    "Class": "label 1 string\nscore 2 float",
    "Classifications": "classes 1 repeated Class",
    "ClassificationResult": "classifications 1 repeated Classifications",
    "ClassificationRequest": "model_spec 1 ModelSpec\ninput 2 Input",
    "ClassificationResponse": "result 1 ClassificationResult\nmodel_spec 2 ModelSpec",
    "Regression": "value 1 float",
    "RegressionResult": "regressions 1 repeated Regression",
    "RegressionRequest": "model_spec 1 ModelSpec\ninput 2 Input",
    "RegressionResponse": "result 1 RegressionResult\nmodel_spec 2 ModelSpec",
    "InferenceTask": "model_spec 1 ModelSpec\nmethod_name 2 string",
    "InferenceResult": """
        model_spec 1 ModelSpec
        classification_result 2 ClassificationResult result
        regression_result 3 RegressionResult result""",
    "MultiInferenceRequest": "tasks 1 repeated InferenceTask\ninput 2 Input",
    "MultiInferenceResponse": "results 1 repeated InferenceResult",
    "GetModelMetadataRequest": "model_spec 1 ModelSpec\nmetadata_field 2 repeated string",
    "GetModelMetadataResponse": "model_spec 1 ModelSpec\nmetadata 2 map<google.protobuf.Any>",
}


def message_classes(module: str) -> dict[str, Any]:
    """The classes of all messages, by name.

    Args:
        module: where pickle will find them.
    """
    pool = descriptor_pool.DescriptorPool()
    for known in (wrappers_pb2, any_pb2):
        # A pool of one's own does not even know these.
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    core = _file(_CORE, _CORE_MESSAGES, nested=_CORE_NESTED)
    values = (
        descriptor_pb2.EnumValueDescriptorProto(name=name, number=number)
        for name, number in DATA_TYPES.items()
    )
    core.enum_type.append(descriptor_pb2.EnumDescriptorProto(name="DataType", value=values))
    serving = _file(_SERVING, _SERVING_MESSAGES)
    serving.dependency.extend([core.name, wrappers_pb2.DESCRIPTOR.name, any_pb2.DESCRIPTOR.name])
    for file in (core, serving):
        pool.AddSerializedFile(file.SerializeToString())
    # protobuf before 4.22 has no GetMessageClass.
    make = getattr(message_factory, "GetMessageClass", None)
    if make is None:
        make = message_factory.MessageFactory(pool).GetPrototype  # type: ignore[attr-defined]  # gone from the newest
    packages = {_CORE: _CORE_MESSAGES, _SERVING: _SERVING_MESSAGES}
    classes = {
        name: make(pool.FindMessageTypeByName(f"{package}.{name}"))
        for package, messages in packages.items()
        for name in messages
    }
    for each in classes.values():
        each.__module__ = module
    return classes


def _file(
    package: str,
    messages: Mapping[str, str],
    *,
    nested: Mapping[str, Mapping[str, str]] | None = None,
) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name=f"sm_tensorflow/{package}.proto", package=package, syntax="proto3"
    )
    for name, text in messages.items():
        message = _message(name, text, f".{package}")
        for inner, its_text in (nested or {}).get(name, {}).items():
            message.nested_type.append(_message(inner, its_text, f".{package}.{name}"))
        file.message_type.append(message)
    return file


def _message(name: str, text: str, scope: str) -> descriptor_pb2.DescriptorProto:
    message = descriptor_pb2.DescriptorProto(name=name)
    package = scope.split(".")[1:]
    for line in filter(None, map(str.strip, text.splitlines())):
        field, number, *kind = line.split()
        described = _FIELD(name=field, number=int(number), label=_FIELD.LABEL_OPTIONAL)
        if kind[0] == "repeated":
            described.label = _FIELD.LABEL_REPEATED
            kind = kind[1:]
        if kind[0].startswith("map<"):
            entry = _entry(field, kind[0][4:-1], package)
            message.nested_type.append(entry)
            described.label = _FIELD.LABEL_REPEATED
            described.type = _FIELD.TYPE_MESSAGE
            described.type_name = f"{scope}.{name}.{entry.name}"
        else:
            _set_type(described, kind[0], package)
        for oneof in kind[1:]:
            if not message.oneof_decl:
                message.oneof_decl.add(name=oneof)
            described.oneof_index = 0
        message.field.append(described)
    return message


def _entry(field: str, kind: str, package: Iterable[str]) -> descriptor_pb2.DescriptorProto:
    """The message of one entry of a map, as the compiler names it."""
    name = "".join(word.capitalize() for word in field.split("_")) + "Entry"
    value = _FIELD(name="value", number=2, label=_FIELD.LABEL_OPTIONAL)
    _set_type(value, kind, package)
    key = _FIELD(name="key", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    options = descriptor_pb2.MessageOptions(map_entry=True)
    return descriptor_pb2.DescriptorProto(name=name, field=[key, value], options=options)


def _set_type(
    field: descriptor_pb2.FieldDescriptorProto, kind: str, package: Iterable[str]
) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
        return
    field.type = _FIELD.TYPE_ENUM if kind == "DataType" else _FIELD.TYPE_MESSAGE
    is_full = kind.startswith(("google.", "tensorflow."))
    field.type_name = f".{kind}" if is_full else f".{'.'.join([*package, kind])}"
