"""SM_* variables and arguments, in the forms of the public toolkit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.container.environment import TrainingEnvironment
from sm_core.container.variables import script_variables, user_arguments


@pytest.fixture
def environment(tmp_path: Path) -> TrainingEnvironment:
    config = tmp_path / "input" / "config"
    config.mkdir(parents=True)
    files: dict[str, dict[str, Any]] = {
        "hyperparameters": {
            "epochs": "5",
            "batch-size": "32",
            "name": '"mlp"',
            "nothing": "null",
            "layers": '{"b": 2, "a": [1]}',
            "sagemaker_program": '"src/train.py"',
            "sagemaker_region": '"eu-west-1"',
            "sagemaker_job_name": '"digits"',
            "sagemaker_mpi_enabled": "false",
        },
        "inputdataconfig": {"train": {"TrainingInputMode": "File"}, "Eval": {}},
        "resourceconfig": {
            "current_host": "algo-1",
            "hosts": ["algo-1", "algo-2"],
            "current_instance_type": "ml.m5.xlarge",
        },
    }
    for name, content in files.items():
        (config / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return TrainingEnvironment.read(
        {"SAGEMAKER_BASE_DIR": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}
    )


def test_every_variable_of_the_contract(environment: TrainingEnvironment, tmp_path: Path) -> None:
    found = script_variables(environment)
    assert json.loads(found.pop("SM_TRAINING_ENV"))["master_hostname"] == "algo-1"
    assert int(found.pop("SM_NUM_CPUS")) >= 1
    assert found == {
        "CURRENT_HOST": "algo-1",
        "SAGEMAKER_JOB_NAME": "digits",
        "SAGEMAKER_REGION": "eu-west-1",
        "SM_CHANNELS": '["Eval","train"]',
        "SM_CHANNEL_EVAL": f"{tmp_path}/input/data/Eval",
        "SM_CHANNEL_TRAIN": f"{tmp_path}/input/data/train",
        "SM_CHECKPOINT_DIR": f"{tmp_path}/checkpoints",
        "SM_CURRENT_HOST": "algo-1",
        "SM_CURRENT_INSTANCE_GROUP": "homogeneousCluster",
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": '["algo-1","algo-2"]',
        "SM_CURRENT_INSTANCE_TYPE": "ml.m5.xlarge",
        "SM_DISTRIBUTION_INSTANCE_GROUPS": "[]",
        "SM_FRAMEWORK_MODULE": "",
        "SM_FRAMEWORK_PARAMS": '{"sagemaker_mpi_enabled":false}',
        "SM_HOSTS": '["algo-1","algo-2"]',
        "SM_HPS": '{"batch-size":32,"epochs":5,"layers":{"a":[1],"b":2},'
        '"name":"mlp","nothing":null}',
        "SM_HP_BATCH-SIZE": "32",
        "SM_HP_EPOCHS": "5",
        "SM_HP_LAYERS": '{"a":[1],"b":2}',
        "SM_HP_NAME": "mlp",
        "SM_HP_NOTHING": "",
        "SM_INPUT_CONFIG_DIR": f"{tmp_path}/input/config",
        "SM_INPUT_DATA_CONFIG": '{"Eval":{},"train":{"TrainingInputMode":"File"}}',
        "SM_INPUT_DIR": f"{tmp_path}/input",
        "SM_INSTANCE_GROUPS": '["homogeneousCluster"]',
        "SM_INSTANCE_GROUPS_DICT": '{"homogeneousCluster":{"hosts":["algo-1","algo-2"],'
        '"instance_group_name":"homogeneousCluster","instance_type":"ml.m5.xlarge"}}',
        "SM_IS_HETERO": "false",
        "SM_LOG_LEVEL": "20",
        "SM_MODEL_DIR": f"{tmp_path}/model",
        "SM_MODULE_DIR": f"{tmp_path}/code",
        "SM_MODULE_NAME": "src/train",
        "SM_NETWORK_INTERFACE_NAME": "eth0",
        "SM_NUM_GPUS": "0",
        "SM_NUM_NEURONS": "0",
        "SM_OUTPUT_DATA_DIR": f"{tmp_path}/output/data",
        "SM_OUTPUT_DIR": f"{tmp_path}/output",
        "SM_OUTPUT_INTERMEDIATE_DIR": f"{tmp_path}/output/intermediate",
        "SM_RESOURCE_CONFIG": '{"current_host":"algo-1","current_instance_type":"ml.m5.xlarge",'
        '"hosts":["algo-1","algo-2"]}',
        "SM_USER_ARGS": '["--batch-size","32","--epochs","5","--layers","a=[1],b=2",'
        '"--name","mlp","--nothing",""]',
        "SM_USER_ENTRY_POINT": "src/train.py",
    }


def test_arguments_are_sorted_and_written_as_python_writes_them() -> None:
    given = {"z": 1, "alpha": 0.5, "flag": True, "off": False, "none": None, "list": [1, "a"]}
    assert user_arguments(given) == [
        *("--alpha", "0.5"),
        *("--flag", "True"),
        *("--list", "[1, 'a']"),
        *("--none", ""),
        *("--off", "False"),
        *("-z", "1"),
    ]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@hypothesis.given(st.dictionaries(st.text(min_size=1), VALUES, max_size=4))
def test_any_hyperparameters_make_pairs_of_arguments(values: dict[str, Any]) -> None:
    arguments = user_arguments(values)
    assert [name.lstrip("-") for name in arguments[::2]] == [n.lstrip("-") for n in sorted(values)]
    assert all(isinstance(argument, str) for argument in arguments)
