"""The messages: AWS's schema, in a descriptor pool of their own."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool

from sm_amazon_algos import Record

#: From AWS's published schema: records and the bytes that they are.
EXAMPLES = {
    "0a160a0676616c756573120c120a0a080000c03f0000804112120a0676616c756573120812060a040000803f": (
        {"float32_tensor": ([1.5, 16.0], [], [])},
        {"float32_tensor": ([1.0], [], [])},
    ),
    "0a1e0a0676616c75657312141a120a10000000000000f83f0000000000003040": (
        {"float64_tensor": ([1.5, 16.0], [], [])},
        {},
    ),
    "0a1b0a0676616c75657312113a0f0a0d01feffffffffffffffff01ac02"
    "120f0a0676616c75657312053a030a0107": (
        {"int32_tensor": ([1, -2, 300], [], [])},
        {"int32_tensor": ([7], [], [])},
    ),
    "0a1f0a0676616c756573121512130a08000080400000803f120301ac021a02e807": (
        {"float32_tensor": ([4.0, 1.0], [1, 300], [1000])},
        {},
    ),
    "": ({}, {}),
}
Tensors = dict[str, tuple[list[float], list[int], list[int]]]


def record_of(features: Tensors, label: Tensors) -> Record:
    record = Record()
    for entries, tensors in ((record.features, features), (record.label, label)):
        for kind, (values, keys, shape) in tensors.items():
            tensor = getattr(entries["values"], kind)
            tensor.values.extend(values)
            tensor.keys.extend(keys)
            tensor.shape.extend(shape)
    return record


@pytest.mark.parametrize(("text", "parts"), EXAMPLES.items())
def test_the_schema_is_aws_s(text: str, parts: tuple[Tensors, Tensors]) -> None:
    record = record_of(*parts)
    assert record.SerializeToString(deterministic=True).hex() == text
    assert Record.FromString(bytes.fromhex(text)) == record


def test_the_other_fields() -> None:
    record = Record(uid="a", metadata="b", configuration="{}")
    record.features["image"].bytes.value.append(b"\x00\x01")
    record.features["image"].bytes.content_type = "image/png"
    again = Record.FromString(record.SerializeToString())
    assert (again.uid, again.metadata, again.configuration) == ("a", "b", "{}")
    assert again.features["image"].WhichOneof("value") == "bytes"
    assert list(again.features["image"].bytes.value) == [b"\x00\x01"]


def test_a_record_is_copied_and_pickled() -> None:
    record = record_of({"float32_tensor": ([1.5], [], [])}, {})
    assert copy.deepcopy(record) == record
    assert pickle.loads(pickle.dumps(record)) == record


def test_the_default_pool_knows_nothing_of_them() -> None:
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("aialgs.data.Record")


WORK = """
import io, sys
import google.protobuf
from google.protobuf import descriptor_pb2, descriptor_pool

def stranger():
    # Another library's messages of the same names, in the pool that all share.
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package="aialgs.data")
    file.message_type.add(name="Record").field.add(name="x", number=1, label=1, type=5)
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())

if sys.argv[1] == "before":
    stranger()
from sm_amazon_algos import Record, read_records
if sys.argv[1] == "after":
    stranger()
record = Record()
record.features["values"].float32_tensor.values.extend([1.5, 16])
payload = record.SerializeToString()
assert payload.hex() == "0a160a0676616c756573120c120a0a080000c03f00008041", payload.hex()
framed = bytes.fromhex("0a23d7ce") + len(payload).to_bytes(4, "little") + payload
assert read_records(framed) == [record]
print(google.protobuf.__version__)
"""


@pytest.mark.integ
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_beside_messages_of_the_same_name(when: str, implementation: str) -> None:
    subprocess.run(
        [sys.executable, "-W", "error", "-c", WORK, when],
        env={**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation},
        check=True,
    )


@pytest.mark.long
@pytest.mark.parametrize("version", ["4.21.0", "4.25.9", "5.29.6", "6.33.6", "7.36.2"])
def test_with_any_protobuf_from_4_on(version: str, protobuf: Callable[[str], Path]) -> None:
    for implementation in ("upb", "python"):
        environment = {
            "PYTHONPATH": str(protobuf(version)),
            "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation,
        }
        answer = subprocess.run(
            [sys.executable, "-c", WORK, "after"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.strip() == version
