"""Options: bound to arguments, both spellings, and what is said about mistakes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sm_core.declarations import (
    ALGORITHM,
    ALGORITHM_MODEL,
    ESTIMATOR,
    MODEL,
    MODEL_ALIASES,
    AlgorithmModelOptions,
    AlgorithmOptions,
    EstimatorOptions,
    EstimatorValues,
    ModelOptions,
)
from sm_core.estimator import Estimator
from sm_core.model import Model
from sm_core.options import ALIASES, REQUIRED, Option, bind, documented, given_only

DECLARED = (
    Option("colour", "str", "what colour", default=REQUIRED),
    Option("size", "int", "how large", default=3),
    Option("shape", "str | None", "what shape"),
)
OTHERS = {"hue": "colour", "extent": "size", "weight": "mass"}

COUNT = Option("count", "int", "how many", default=REQUIRED)


def bound(*args: Any, **keywords: Any) -> dict[str, Any]:
    return bind("Box", DECLARED, ("colour", "size"), args, keywords, aliases=OTHERS)


def test_values_come_by_position_by_name_and_by_default() -> None:
    assert bound("red") == {"colour": "red", "size": 3, "shape": None}
    assert bound("red", 4, shape="round") == {"colour": "red", "size": 4, "shape": "round"}
    assert bound(size=0, colour="") == {"colour": "", "size": 0, "shape": None}


def test_another_spelling_is_the_same_option() -> None:
    assert bound(hue="red", extent=5) == bound(colour="red", size=5)


@pytest.mark.parametrize(
    ("args", "keywords", "message"),
    [
        (
            ("red",),
            {"colour": "blue"},
            "Box got 'colour' both by position and by name",
        ),
        (
            (),
            {"colour": "red", "hue": "blue"},
            "Box got 'colour' and 'hue', two spellings of one option; give one",
        ),
        (("red",), {"hue": "blue"}, "Box got 'colour' and 'hue', two spellings of one option"),
        ((), {"hue": "blue", "colour": "red"}, "Box got 'hue' and 'colour', two spellings"),
        (
            ("red", 1, "round"),
            {},
            "Box takes at most 2 positional arguments (colour, size), 3 were given",
        ),
        ((), {}, "Box needs colour"),
        (
            ("red",),
            {"shap": "round"},
            "Box has no option 'shap'; did you mean 'shape'? Options: colour, shape, size",
        ),
        (("red",), {"extend": 1}, "did you mean 'extent'?"),
        (("red",), {"zzz": 1}, "Box has no option 'zzz'. Options: colour, shape, size"),
        # An alias of an option that this class has not is no option either.
        (("red",), {"weight": 1}, "Box has no option 'weight'"),
    ],
)
def test_a_mistake_is_explained(
    args: tuple[Any, ...], keywords: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        bound(*args, **keywords)
    assert message in str(caught.value)


@given(
    names=st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1, unique=True),
    data=st.data(),
)
def test_each_option_gets_the_value_it_was_given_however_it_was_given(
    names: list[str], data: st.DataObject
) -> None:
    declared = [Option(name, "int", "", default=index) for index, name in enumerate(names)]
    values = {name: data.draw(st.integers(), label=name) for name in names}
    by_position = data.draw(st.integers(0, len(names)))
    aliased = set(data.draw(st.lists(st.sampled_from(names), unique=True)))
    keywords = {
        name.upper() if name in aliased else name: values[name] for name in names[by_position:]
    }
    positional = [values[name] for name in names[:by_position]]
    aliases = {name.upper(): name for name in names}
    assert bind("Any", declared, names, positional, keywords, aliases=aliases) == values


@given(keyword=st.text(min_size=1), given_names=st.sets(st.sampled_from(["colour", "size"])))
def test_nothing_but_declared_options_is_taken(keyword: str, given_names: set[str]) -> None:
    keywords: dict[str, Any] = dict.fromkeys(given_names, 1) | {keyword: 2}
    if {keyword, *given_names} <= {"colour", "size", "shape", "hue", "extent"}:
        return
    with pytest.raises(TypeError, match=r"^Box has no option"):
        bound(**keywords)


# The declarations

#: Options whose full types nobody wants to read in a signature.
ABRIDGED = {"predictor_cls", "serializer", "deserializer"}


@pytest.mark.parametrize(
    ("declared", "aliases", "typed"),
    [
        (ESTIMATOR, ALIASES, EstimatorOptions),
        (MODEL, MODEL_ALIASES, ModelOptions),
        (ALGORITHM, ALIASES, AlgorithmOptions),
        (ALGORITHM_MODEL, MODEL_ALIASES, AlgorithmModelOptions),
    ],
    ids=["estimator", "model", "algorithm", "algorithm's model"],
)
def test_typed_dicts_hold_the_declared_options_and_their_other_spellings(
    declared: tuple[Option, ...], aliases: Mapping[str, str], typed: type
) -> None:
    types = {option.name: option.type for option in declared}
    assert len(types) == len(declared)
    assert set(aliases.values()) <= set(types)
    annotated = {
        name: getattr(kind, "__forward_arg__", kind)
        for name, kind in inspect.get_annotations(typed).items()
    }
    assert set(annotated) == set(types) | set(aliases)
    for name, text in annotated.items():
        if name not in ABRIDGED:
            assert text == types[aliases.get(name, name)], name


@pytest.mark.parametrize(("cls", "declared"), [(EstimatorValues, ESTIMATOR), (Model, MODEL)])
def test_every_option_is_an_attribute_of_its_class(cls: type, declared: tuple[Option, ...]) -> None:
    kept_otherwise = {"hyperparameters", "sagemaker_session"}
    annotated = set(cls.__annotations__) | kept_otherwise
    assert {option.name for option in declared} <= annotated


def test_every_option_says_what_it_means() -> None:
    for option in (*ESTIMATOR, *MODEL):
        assert option.help, option.name


def test_a_spelling_of_another_sdk_is_answered_with_the_one_here() -> None:
    for keyword, instead in {
        "use_spot_instances": "spot=Spot(max_wait=…)",
        "subnets": "network=Network(subnets=…, security_groups=…)",
        "metric_definitions": "metrics={name: regular expression}",
    }.items():
        with pytest.raises(TypeError, match=f"no option '{keyword}'; give {re.escape(instead)}$"):
            Estimator(**{"image_name": "image:1", "train_instance_type": "m", keyword: True})  # type: ignore[call-overload]  # wrong
    with pytest.raises(TypeError, match=r"Model has no option 'use_spot_instances'\. Options"):
        Model("s3://b/m", image="i", use_spot_instances=True)  # type: ignore[call-arg]  # wrong


def test_only_what_is_given() -> None:
    assert given_only("Box", DECLARED, {"hue": "red", "shape": None}, aliases=OTHERS) == {
        "colour": "red",
        "shape": None,
    }
    with pytest.raises(TypeError, match="Box has no option 'shap'"):
        given_only("Box", DECLARED, {"shap": 1})


# Signatures


def test_a_class_shows_its_options() -> None:
    parameters = inspect.signature(Estimator).parameters
    assert list(parameters)[:4] == list(Estimator.positional)
    assert {option.name for option in ESTIMATOR} | {"framework"} == set(parameters)
    assert parameters["train_volume_size"].default == 30
    assert repr(parameters["train_instance_type"].default) == "required"
    assert parameters["hyperparameters"].kind is inspect.Parameter.KEYWORD_ONLY
    assert set(inspect.signature(Model).parameters) == {option.name for option in MODEL}
    assert inspect.signature(Model).parameters["model_data"].default is inspect.Parameter.empty


def test_help_tells_what_each_option_means() -> None:
    @documented([Option("size", "int", "GB of storage", default=30), COUNT])
    def make() -> None:
        """Makes one."""

    assert (make.__doc__ or "").splitlines() == [
        "Makes one.",
        "",
        "Options:",
        "    size: GB of storage (int; default 30)",
        "    count: how many (int, required)",
    ]


def test_a_repr_shows_what_was_given_and_no_secret() -> None:
    made = Estimator(
        image_name="image:1",
        train_instance_type="ml.c5.xlarge",
        train_volume_size=30,
        hyperparameters={"password": "hidden"},
    )
    assert repr(made) == "Estimator(image_name='image:1', train_instance_type='ml.c5.xlarge')"
