"""Scripts that AWS's images would not run as they are written are refused, with the ways out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import boto3
import pytest

from sm_core.backends import Backend, Polling
from sm_core.errors import ConfigurationError, SourceError
from sm_core.estimator import Estimator
from sm_core.frameworks import Framework
from sm_core.functionmode import refuse_unserved, refuse_untrained
from sm_core.model import Model
from sm_core.scripts import ScriptFunctions
from sm_core.session import Session

AddPlugin = Callable[..., ModuleType]

FRAMEWORK = Framework(
    name="old",
    estimator="sm_core.estimator:Estimator",
    model="sm_core.model:Model",
    predictor="sm_core.predictor:Predictor",
    functions=ScriptFunctions(
        required=(("train",),), arguments=frozenset({"hyperparameters"}), main="train"
    ),
    function_mode_until="1.2.1",
    unserved_functions=frozenset({"input_fn", "output_fn"}),
    default_version="1.9.0",
)
FUNCTIONS = "def train(hyperparameters): ..."
SCRIPT = "if __name__ == '__main__':\n    print('training')"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str, name: str = "train.py") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def refused(script: Path | None, **others: Any) -> str:
    """Why training is refused; "" if it is not."""
    given: dict[str, Any] = {"version": None, "image": "aws/old:1.9.0-cpu-py38", "chosen": None}
    try:
        refuse_untrained(FRAMEWORK, script=script, **{**given, **others})
    except ConfigurationError as error:
        return str(error)
    return ""


def test_functions_are_refused_with_every_way_out(written: Callable[..., Path]) -> None:
    message = refused(written(FUNCTIONS))
    assert message.startswith("train.py would not train on AWS: it defines functions")
    for way in (
        "script_mode=True",
        "framework_version='1.2.1'",
        "image_name=",
        "train_instance_type='local'",
    ):
        assert way in message


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.2.1", False), ("1.2", False), ("0.12.1", False), ("1.3", True), ("1.10.0", True)],
)
def test_the_version_says_whether_functions_are_called(
    written: Callable[..., Path], version: str, expected: bool
) -> None:
    assert bool(refused(written(FUNCTIONS), version=version)) is expected


def test_the_user_s_choice_counts(written: Callable[..., Path]) -> None:
    assert refused(written(FUNCTIONS), chosen=True) == ""
    assert "script_mode=False is to call its functions" in refused(written(SCRIPT), chosen=False)
    assert "up to 1.2.1 only call functions" in refused(
        written(SCRIPT), chosen=True, version="1.2.1"
    )


def test_what_runs_as_a_script_or_cannot_be_read_is_not_refused(
    written: Callable[..., Path],
) -> None:
    for script in (written(SCRIPT), written(FUNCTIONS, "train.sh"), None):
        assert refused(script) == ""
    for framework in (None, attrs.evolve(FRAMEWORK, functions=None)):
        refuse_untrained(framework, version=None, script=written(FUNCTIONS), image="", chosen=None)
    every = attrs.evolve(FRAMEWORK, function_mode_until=None)
    refuse_untrained(every, version=None, script=written(FUNCTIONS), image="", chosen=None)


def test_python_2_is_left_to_an_image_with_python_2(written: Callable[..., Path]) -> None:
    script = written("print 'training'")
    with pytest.raises(SourceError, match="is Python 2"):
        refuse_untrained(
            FRAMEWORK, version=None, script=script, image="aws/old:1.9.0-cpu-py38", chosen=None
        )
    assert refused(script, version="1.4", image="aws/old:1.4-gpu-py2") == ""
    assert refused(script, version="1.2.1") == ""


def test_functions_that_are_never_called_in_serving(written: Callable[..., Path]) -> None:
    script = written("def input_fn(a, b): ...\ndef model_fn(c): ...\ndef output_fn(d, e): ...")
    with pytest.raises(ConfigurationError, match=r"train\.py defines input_fn, output_fn, which"):
        refuse_unserved(FRAMEWORK, version=None, script=script)
    refuse_unserved(FRAMEWORK, version="1.2.1", script=script)
    refuse_unserved(FRAMEWORK, version=None, script=None)
    refuse_unserved(FRAMEWORK, version=None, script=written("def model_fn(c): ..."))
    refuse_unserved(None, version=None, script=script)


# Through estimator and model


@pytest.fixture
def old(add_plugin: AddPlugin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The framework, and a back end that runs containers of its own."""

    class Old(Estimator):
        framework_name = "old"

    class OldModel(Model):
        framework_name = "old"

    module = ModuleType("sm_old")
    for cls in (Old, OldModel):
        setattr(module, cls.__name__, cls)
    monkeypatch.setitem(sys.modules, "sm_old", module)
    framework = attrs.evolve(FRAMEWORK, estimator="sm_old:Old", model="sm_old:OldModel")
    home = Backend(
        name="home",
        boto_session=lambda: boto3.Session(region_name="us-east-1"),
        polling=Polling(first=0, factor=1, ceiling=0),
        runs_own_containers=True,
    )
    add_plugin(
        "old",
        sm_frameworks=lambda: [framework],
        sm_image=lambda: "aws/old:1.9.0-cpu-py38",
        sm_backends=lambda: [home],
    )


def trains(script: Path, session: Session, **options: Any) -> dict[str, Any]:
    estimator = Estimator(
        framework="old",
        entry_point=str(script),
        role=ROLE,
        train_instance_type="ml.c5.xlarge",
        sagemaker_session=session,
        **options,
    )
    return estimator.training_request()


@pytest.mark.usefixtures("old", "offline")
def test_an_estimator_is_refused_on_aws_s_images_alone(written: Callable[..., Path]) -> None:
    script = written(FUNCTIONS)
    session = Session(boto3.Session(region_name="us-east-1"), backend="aws")
    with pytest.raises(ConfigurationError, match=r"train\.py would not train on AWS"):
        trains(script, session)
    with pytest.raises(ConfigurationError, match="script_mode=False is to call its functions"):
        trains(written(SCRIPT), session, hyperparameters={"sagemaker_script_mode": False})
    script = written(FUNCTIONS)
    assert trains(script, session, image_name="own:1")
    assert trains(script, session, framework_version="1.2.1")
    assert trains(script, session, script_mode=True)
    assert trains(script, Session(backend="home"))


@pytest.mark.usefixtures("old", "offline")
def test_a_model_is_refused_on_aws_s_images_alone(written: Callable[..., Path]) -> None:
    from sm_core.frameworks import get_framework

    script = str(written("def input_fn(a, b): ..."))
    make = get_framework("old").model_class()
    given: dict[str, Any] = {"role": ROLE, "entry_point": script, "code_location": "code"}
    session = Session(boto3.Session(region_name="us-east-1"), backend="aws")
    with pytest.raises(
        ConfigurationError, match=r"train\.py defines input_fn, which AWS's serving"
    ):
        make("s3://b/m.tar.gz", sagemaker_session=session, **given).model_request("ml.c5.xlarge")
    own = make("s3://b/m.tar.gz", sagemaker_session=session, image="own:1", **given)
    assert own.model_request("ml.c5.xlarge")
    home = make("s3://b/m.tar.gz", sagemaker_session=Session(backend="home"), **given)
    assert home.model_request("ml.c5.xlarge")
