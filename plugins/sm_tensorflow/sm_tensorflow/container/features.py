"""Examples: which features a graph parses, and messages made of a request's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import tensorflow as tf

from sm_core.container.errors import BadPayload
from sm_tensorflow.messages import Example

__all__ = ["FeatureSpec", "example_of", "features_of"]

_PARSERS = ("ParseExample", "ParseExampleV2")
_LISTS = {"DT_FLOAT": "float_list", "DT_INT64": "int64_list", "DT_STRING": "bytes_list"}


@attrs.frozen(kw_only=True)
class FeatureSpec:
    """A feature as the graph parses it.

    Attributes:
        dtype: ``DT_FLOAT``, ``DT_INT64`` or ``DT_STRING``.
        shape: of one example; None where any number of values will do.
        required: whether it has no default.
    """

    dtype: str
    shape: tuple[int | None, ...] | None
    required: bool


def features_of(serialized: Any) -> Mapping[str, FeatureSpec] | None:
    """The features that the graph parses out of the tensor `serialized`.

    None if nothing in the graph parses examples. Operations ``ParseExample`` and ``ParseExampleV2``
    name features and default values by constant inputs, kinds and shapes by attributes.
    """
    operations = list(serialized.graph.get_operations())
    found: dict[str, FeatureSpec] = {}
    for operation in operations:
        if operation.type in _PARSERS:
            found.update(_parsed_by(operation))
    if found:
        return found
    for function in serialized.graph.as_graph_def().library.function:
        if any(node.op in _PARSERS for node in function.node_def):
            # Which are inside a function of the graph, without constants that could be read here.
            return {}
    return None


def _parsed_by(operation: Any) -> dict[str, FeatureSpec]:
    inputs = list(operation.inputs)
    if operation.type == "ParseExample":
        sparse, dense = operation.get_attr("Nsparse"), operation.get_attr("Ndense")
        keys = [_names(each) for each in inputs[2 : 2 + sparse + dense]]
        sparse_keys = [name for each in keys[:sparse] for name in each]
        dense_keys = [name for each in keys[sparse:] for name in each]
        defaults = inputs[2 + sparse + dense :]
        ragged_keys: list[str] = []
    else:
        sparse_keys, dense_keys, ragged_keys = map(_names, inputs[2:5])
        defaults = inputs[5:]
    found = {
        name: FeatureSpec(dtype=_data_type(kind), shape=None, required=False)
        for name, kind in zip(sparse_keys, operation.get_attr("sparse_types"), strict=False)
    }
    if ragged_keys:
        kinds = operation.get_attr("ragged_value_types")
        for name, kind in zip(ragged_keys, kinds, strict=False):
            found[name] = FeatureSpec(dtype=_data_type(kind), shape=None, required=False)
    dense_kinds = operation.get_attr("Tdense")
    shapes = operation.get_attr("dense_shapes")
    for name, kind, shape, default in zip(dense_keys, dense_kinds, shapes, defaults, strict=True):
        value = tf.get_static_value(default)
        found[name] = FeatureSpec(
            dtype=_data_type(kind),
            shape=_sizes(shape),
            required=value is not None and value.size == 0,
        )
    return found


def _names(tensor: Any) -> list[str]:
    value = tf.get_static_value(tensor)
    if value is None:
        return []
    return [each.decode() for each in value.reshape(-1).tolist()]


def _data_type(kind: Any) -> str:
    names = {tf.float32: "DT_FLOAT", tf.int64: "DT_INT64", tf.string: "DT_STRING"}
    return names[tf.dtypes.as_dtype(kind)]


def _sizes(shape: Any) -> tuple[int | None, ...] | None:
    sizes = tf.TensorShape(shape)
    return None if sizes.rank is None else tuple(sizes.as_list())


def example_of(values: Mapping[str, Any], features: Mapping[str, FeatureSpec]) -> bytes:
    """One example, serialized.

    Args:
        values: by feature: a number, a text, bytes, or a list of them.
        features: what the graph parses; what is not there has the kind of its first value.

    Raises:
        BadPayload: a feature is missing, or its values have no form in an example.
    """
    missing = [name for name, each in features.items() if each.required and name not in values]
    if missing:
        raise BadPayload(
            f"the example lacks the feature {', '.join(missing)}; it has: "
            f"{', '.join(map(str, values)) or 'none'}. The model takes: {_described(features)}"
        )
    example = Example()
    for name, given in values.items():
        found = features.get(name)
        flat = _flat(given, name)
        kind = _LISTS[found.dtype] if found is not None else _kind_of(flat, name)
        try:
            _fill(getattr(example.features.feature[name], kind), kind, flat)
        except (TypeError, ValueError, OverflowError) as error:
            wanted = f"; the model takes {_described({name: found})}" if found else ""
            raise BadPayload(f"feature {name} cannot be {_shown(given)}{wanted}: {error}") from None
        _check_count(name, len(flat), found)
    serialized: bytes = example.SerializeToString()
    return serialized


def _fill(field: Any, kind: str, flat: Sequence[Any]) -> None:
    # Even an empty list says of which kind the feature is.
    field.SetInParent()
    if kind == "bytes_list":
        field.value.extend([_bytes_of(each) for each in flat])
    elif kind == "float_list":
        field.value.extend(map(float, _numbers(flat)))
    else:
        whole = [int(each) for each in _numbers(flat)]
        if any(each != number for each, number in zip(flat, whole, strict=True)):
            raise ValueError("it takes whole numbers")
        field.value.extend(whole)


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise TypeError("it takes text")


def _numbers(flat: Sequence[Any]) -> Sequence[Any]:
    if not all(isinstance(each, (int, float)) for each in flat):
        raise TypeError("it takes numbers")
    return flat


def _flat(given: Any, name: str) -> list[Any]:
    """A feature's values in one list, whatever shape they have."""
    convert = getattr(given, "tolist", None)
    if convert is not None:
        given = convert()
    if not isinstance(given, (list, tuple)):
        return [given]
    flat: list[Any] = []
    for each in given:
        if isinstance(each, (list, tuple)):
            flat.extend(_flat(each, name))
        else:
            flat.append(each)
    return flat


def _kind_of(flat: Sequence[Any], name: str) -> str:
    first = flat[0] if flat else ""
    if isinstance(first, (str, bytes)):
        return "bytes_list"
    if isinstance(first, bool) or not isinstance(first, (int, float)):
        raise BadPayload(f"feature {name} has values of type {type(first).__name__}")
    return "int64_list" if isinstance(first, int) else "float_list"


def _check_count(name: str, count: int, spec: FeatureSpec | None) -> None:
    if spec is None or spec.shape is None or None in spec.shape:
        return
    wanted = 1
    for size in spec.shape:
        wanted *= size or 0
    if count != wanted:
        raise BadPayload(f"feature {name} has {count} values; the model takes {wanted}")


def _described(features: Mapping[str, FeatureSpec | None]) -> str:
    words = {"DT_FLOAT": "float", "DT_INT64": "whole number", "DT_STRING": "text"}
    parts = []
    for name, spec in features.items():
        if spec is not None:
            shape = "any number of" if spec.shape is None else list(spec.shape) or "one"
            parts.append(f"{name} ({shape} {words[spec.dtype]})")
    return ", ".join(parts)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
