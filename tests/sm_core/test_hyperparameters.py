"""Hyperparameters: encoded, decoded, checked against AWS's limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.errors import ConfigurationError
from sm_core.hyperparameters import check_limits, decode, encode, own_copy

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


class Scalar:
    """What numpy's scalars and arrays have in common."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def tolist(self) -> Any:
        return self._value


@given(st.dictionaries(st.text(), JSON))
def test_json_comes_back_with_its_types(values: dict[str, Any]) -> None:
    encoded = encode(values, "json")
    assert all(isinstance(value, str) for value in encoded.values())
    assert decode(encoded) == values


@given(st.text())
def test_what_is_not_json_stays_text(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        expected = text
    decoded = decode({"a": text})["a"]
    assert decoded == expected or decoded != decoded


def test_text_is_sent_as_it_is_and_the_rest_as_python_writes_it() -> None:
    values = {"k": 10, "rate": 0.5, "mode": "fast", "deep": True, "layers": [1, 2], "x": Scalar(3)}
    assert encode(values, "text") == {
        "k": "10",
        "rate": "0.5",
        "mode": "fast",
        "deep": "True",
        "layers": "[1, 2]",
        "x": "3",
    }


def test_numpy_s_values_are_known_by_their_methods() -> None:
    values = {"scalar": Scalar(1.5), "array": Scalar([1, 2]), "nested": {"a": [Scalar(1)]}}
    assert encode(values, "json") == {
        "scalar": "1.5",
        "array": "[1, 2]",
        "nested": '{"a": [1]}',
    }


def test_numpy_itself() -> None:
    np = pytest.importorskip("numpy")
    values = {"a": np.float32(1.5), "b": np.int64(3), "c": np.arange(3), "d": np.bool_(True)}
    assert encode(values, "json") == {"a": "1.5", "b": "3", "c": "[0, 1, 2]", "d": "true"}
    assert encode(values, "text") == {"a": "1.5", "b": "3", "c": "[0, 1, 2]", "d": "True"}


@pytest.mark.parametrize("encoding", ["json", "text"])
def test_all_that_cannot_be_encoded_is_named_at_once(encoding: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        encode({"good": 1, "bad": object(), "worse": {1, 2}}, encoding)
    text = str(caught.value)
    assert text.startswith("hyperparameters: bad: a object cannot be a hyperparameter; use str, ")
    assert "; worse: a set cannot be a hyperparameter" in text


def test_limits_of_aws_are_kept() -> None:
    check_limits({f"name-{i:03d}" + "n" * 248: "v" * 2500 for i in range(100)})
    with pytest.raises(ConfigurationError) as caught:
        check_limits({"n" * 257: "", "long": "v" * 2501})
    text = str(caught.value)
    assert "has 257 characters, AWS allows 256" in text
    assert "long takes 2501 characters when encoded, AWS allows 2500" in text


def test_the_sdk_s_own_count_too() -> None:
    values = {f"own-{i}": "1" for i in range(95)}
    check_limits(values | {f"sagemaker_{i}": "1" for i in range(5)})
    with pytest.raises(ConfigurationError, match=r"101 are to be sent, 6 of them "):
        check_limits(values | {f"sagemaker_{i}": "1" for i in range(6)})
    with pytest.raises(ConfigurationError, match=r"101 are to be sent; AWS takes at most 100$"):
        check_limits({f"own-{i}": "1" for i in range(101)})


def test_what_is_no_dict_is_named() -> None:
    assert own_copy(None) == {}
    with pytest.raises(ConfigurationError, match="hyperparameters is a list; give a dict from"):
        own_copy(["k", 1])  # type: ignore[arg-type]  # a mistake
