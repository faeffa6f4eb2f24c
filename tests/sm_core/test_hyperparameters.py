"""Hyperparameters: encoded, decoded, checked against AWS's limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.container.environment import TrainingEnvironment
from sm_core.errors import ConfigurationError
from sm_core.estimator import Estimator
from sm_core.frameworks import Framework
from sm_core.hyperparameters import Hyperparameters, check_limits, decode, encode, own_copy, settled

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


def in_a_container(encoded: Mapping[str, str]) -> Mapping[str, Any]:
    """The hyperparameters as a container reads them from the file that SageMaker writes."""
    with TemporaryDirectory() as folder:
        config = Path(folder) / "input" / "config"
        config.mkdir(parents=True)
        (config / "hyperparameters.json").write_text(json.dumps(encoded), encoding="utf-8")
        variables = {"SAGEMAKER_BASE_DIR": folder, "CUDA_VISIBLE_DEVICES": ""}
        return TrainingEnvironment.read(variables).user_hyperparameters


#: Names that are the user's: those that begin with ``sagemaker_`` are the container's own affair.
NAMES = st.text(min_size=1).filter(
    lambda name: not name.startswith(("sagemaker_", "_tuning", "default_user"))
)


@given(st.dictionaries(NAMES, JSON, max_size=5))
def test_a_container_gets_what_the_user_set(values: dict[str, Any]) -> None:
    found = in_a_container(encode(values, "json"))
    assert found == values
    # True is 1 and 1.0 is 1 to Python: the types must come back, too.
    assert repr(found) == repr(values)


@given(
    st.sampled_from(["int8", "int64", "uint16", "float64", "bool_", "str_"]),
    st.integers(0, 100),
)
def test_a_container_gets_numpy_s_scalars_as_python_s(kind: str, number: int) -> None:
    np = pytest.importorskip("numpy")
    value = getattr(np, kind)(number)
    found = in_a_container(encode({"a": value, "b": [value, {"c": value}]}, "json"))
    plain = value.item()
    assert repr(found) == repr({"a": plain, "b": [plain, {"c": plain}]})


@pytest.mark.parametrize(
    "value", [{1: "a"}, {"a": {True: 1}}, [{None: 1}], {"a": ({2.5: 1},)}], ids=repr
)
def test_keys_that_would_come_back_as_text_are_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"depths: the key .* would come back as text"):
        encode({"depths": value}, "json")


@given(st.text())
def test_what_is_not_json_stays_text(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        expected = text
    decoded = decode({"a": text})["a"]
    assert decoded == expected or decoded != decoded


def test_text_is_sent_as_it_is_lists_and_dicts_as_json_the_rest_as_python_writes_it() -> None:
    values = {"k": 10, "rate": 0.5, "mode": "fast", "deep": True, "layers": [1, 2], "x": Scalar(3)}
    values |= {"names": ["a", None], "pair": ("b", True), "sizes": {"a": Scalar(1.5)}}
    assert encode(values, "text") == {
        "k": "10",
        "rate": "0.5",
        "mode": "fast",
        "deep": "True",
        "layers": "[1, 2]",
        "x": "3",
        "names": '["a", null]',
        "pair": '["b", true]',
        "sizes": '{"a": 1.5}',
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
        check_limits({"n" * 257: "", "long": "v" * 2501, "lines": "a\nb"})
    text = str(caught.value)
    assert "has 257 characters, AWS allows 256" in text
    assert "long takes 2501 characters when encoded, AWS allows 2500" in text
    assert text.endswith("; lines has several lines, which AWS does not take")


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


# Declared


def made(**options: Any) -> Any:
    """An estimator that declares its hyperparameters."""
    return Estimator(framework="cut", train_instance_type="ml.c5.xlarge", **options)


@pytest.mark.usefixtures("cut")
class TestDeclared:
    """Arguments, attributes and the dict are the same hyperparameters."""

    def test_as_arguments_by_either_name(self) -> None:
        for name in ("sharpness", "blade_sharpness"):
            estimator = made(pieces=3, **{name: 0.5})
            assert estimator.hyperparameters() == {"pieces": 3, "blade_sharpness": 0.5}
            assert (estimator.pieces, estimator.sharpness, estimator.mode) == (3, 0.5, None)

    def test_in_the_dict_by_either_name(self) -> None:
        for name in ("sharpness", "blade_sharpness"):
            estimator = made(hyperparameters={"pieces": "3", name: "auto"})
            assert estimator.hyperparameters() == {"pieces": 3, "blade_sharpness": "auto"}

    def test_as_attributes(self) -> None:
        estimator = made(pieces=3)
        estimator.mode = "wavy"
        estimator.sharpness = 2
        assert estimator.hyperparameters() == {"pieces": 3, "mode": "wavy", "blade_sharpness": 2.0}
        estimator.mode = None
        assert estimator.hyperparameters() == {"pieces": 3, "blade_sharpness": 2.0}
        with pytest.raises(ConfigurationError, match="Cut: mode is 'x'; it must be 'straight' or"):
            estimator.mode = "x"
        assert estimator.mode is None

    def test_by_the_method(self) -> None:
        estimator = made(pieces=3)
        estimator.set_hyperparameters(pieces=4, blade_sharpness=1, _log_level="debug")
        assert estimator.hyperparameters() == {
            "pieces": 4,
            "blade_sharpness": 1.0,
            "_log_level": "debug",
        }

    def test_all_mistakes_are_named_at_once_and_nothing_is_set(self) -> None:
        estimator = made(pieces=3)
        mistakes = {"pieces": 1, "mode": "x", "sharpnes": 3, "zzz": 0}
        with pytest.raises(ConfigurationError) as caught:
            estimator.set_hyperparameters(**mistakes)
        assert str(caught.value) == (
            "Cut: pieces is 1; it must be a whole number of at least 2; "
            "mode is 'x'; it must be 'straight' or 'wavy'; "
            "there is no hyperparameter 'sharpnes'; did you mean 'sharpness'?; "
            "there is no hyperparameter 'zzz'; there are: pieces, sharpness, mode, report, width"
        )
        assert estimator.hyperparameters() == {"pieces": 3}
        with pytest.raises(ConfigurationError) as caught:
            made(pieces=1, mode="x", hyperparameters={"width": 0})
        assert str(caught.value).count("must be") == 3

    def test_a_required_one_must_be_there(self) -> None:
        with pytest.raises(TypeError, match=r"^Cut needs pieces$"):
            made(mode="wavy")

    def test_an_unknown_argument_is_a_type_error(self) -> None:
        with pytest.raises(TypeError, match="Cut has no option 'sharpnes'; did you mean"):
            made(pieces=3, sharpnes=1)

    @pytest.mark.parametrize(
        "options",
        [
            {"pieces": 3, "sharpness": 1, "blade_sharpness": 2},
            {"pieces": 3, "hyperparameters": {"pieces": 4}},
            {"pieces": 3, "sharpness": 1, "hyperparameters": {"blade_sharpness": 2}},
        ],
    )
    def test_twice_is_a_type_error(self, options: dict[str, Any]) -> None:
        with pytest.raises(TypeError, match=r"two spellings of one option|given both by name"):
            made(**options)

    def test_both_names_in_one_dict_are_a_mistake(self) -> None:
        given = {"pieces": 3, "sharpness": 1, "blade_sharpness": 2}
        with pytest.raises(ConfigurationError, match="are two names of one hyperparameter"):
            made(hyperparameters=given)

    def test_what_is_encoded_is_checked_alone_and_together(self, cut: Framework) -> None:
        good = {"pieces": 3, "width": 5, "report": ["mean", "sum"], "blade_sharpness": None}
        assert settled(cut, good) == {"pieces": 3, "width": 5, "report": '["mean", "sum"]'}
        with pytest.raises(ConfigurationError, match=r"^Cut: pieces is 9, the paper is 5 wide$"):
            settled(cut, {"pieces": 9, "width": 5})
        with pytest.raises(ConfigurationError) as caught:
            settled(cut, {"mode": "x"})
        assert str(caught.value) == (
            "Cut: mode is 'x'; it must be 'straight' or 'wavy'; pieces is missing; width is missing"
        )

    def test_help_tells_meaning_values_and_default(self, cut: Framework) -> None:
        declared = cut.hyperparameters_class()
        assert declared is not None
        assert issubclass(declared, Hyperparameters)
        mode = declared.declared()["mode"]
        assert mode.__doc__ == "how to cut: 'straight' or 'wavy'; default straight"
        assert type(made(pieces=3)).mode is mode


def test_free_form_ones_are_taken_as_they_are(paper: Framework) -> None:
    assert settled(paper, {"a": None}) == {"a": None}
    assert paper.hyperparameters_class() is None
