"""The environments that the platform's files and variables describe."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sm_core.container.environment import (
    ServingEnvironment,
    TrainingEnvironment,
    count_cpus,
    count_gpus,
)
from sm_core.errors import ConfigurationError

Read = Callable[..., TrainingEnvironment]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a training environment from files with the given content."""
    config = tmp_path / "input" / "config"
    config.mkdir(parents=True)

    def write_and_read(
        variables: Mapping[str, str] | None = None, **files: Any
    ) -> TrainingEnvironment:
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (config / f"{name}.json").write_text(text, encoding="utf-8")
        return TrainingEnvironment.read({"SAGEMAKER_BASE_DIR": str(tmp_path), **(variables or {})})

    return write_and_read


def test_hyperparameters_are_decoded_where_they_are_json(read: Read) -> None:
    given = {
        "epochs": "5",
        "rate": "0.1",
        "name": '"mlp"',
        "plain": "mlp",
        "layers": "[1, 2]",
        "verbose": "true",
        "nothing": "null",
        "_tuning_objective_metric": '"validation:accuracy"',
        "sagemaker_program": '"train.py"',
        "sagemaker_parameter_server_enabled": "true",
    }
    environment = read(hyperparameters=given)
    assert environment.user_hyperparameters == {
        "epochs": 5,
        "rate": 0.1,
        "name": "mlp",
        "plain": "mlp",
        "layers": [1, 2],
        "verbose": True,
        "nothing": None,
    }
    assert environment.hyperparameters["_tuning_objective_metric"] == "validation:accuracy"
    assert environment.framework_parameters == {"sagemaker_parameter_server_enabled": True}
    assert environment.program == "train.py"


def test_hosts_and_channels(read: Read, tmp_path: Path) -> None:
    environment = read(
        resourceconfig={
            "current_host": "algo-2",
            "hosts": ["algo-1", "algo-2"],
            "network_interface_name": "eth1",
        },
        inputdataconfig={"train": {}, "evaluation": {"ContentType": "text/csv"}},
    )
    assert environment.hosts == ("algo-1", "algo-2")
    assert environment.current_host == "algo-2"
    assert not environment.is_master
    assert environment.network_interface_name == "eth1"
    assert environment.channel_input_dirs == {
        "evaluation": str(tmp_path / "input/data/evaluation"),
        "train": str(tmp_path / "input/data/train"),
    }


def test_without_files_there_is_one_host_and_no_program(read: Read, tmp_path: Path) -> None:
    environment = read()
    assert environment.hosts == ("algo-1",)
    assert environment.is_master
    assert environment.program is None
    assert environment.submit_directory is None
    assert environment.log_level == 20
    assert environment.model_dir == tmp_path / "model"
    assert environment.output_data_dir == tmp_path / "output" / "data"


def test_the_tree_is_opt_ml_unless_a_variable_names_another() -> None:
    assert TrainingEnvironment.read({}).base_dir == Path("/opt/ml")


def test_variables_and_hyperparameters_name_program_and_code(read: Read) -> None:
    hyperparameters = {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": '"s3://bucket/code.tar.gz"',
        "sagemaker_container_log_level": "10",
        "sagemaker_region": '"eu-west-1"',
        "sagemaker_job_name": '"digits"',
    }
    variables = {"SAGEMAKER_PROGRAM": "other.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/code"}
    environment = read(variables, hyperparameters=hyperparameters)
    assert environment.program == "other.py"
    assert environment.submit_directory == "s3://bucket/code.tar.gz"
    assert environment.log_level == 10
    assert environment.region == "eu-west-1"
    assert environment.job_name == "digits"


def test_the_mode_may_be_forced(read: Read) -> None:
    assert read().script_mode is None
    assert read(hyperparameters={"sagemaker_script_mode": "true"}).script_mode is True
    with pytest.raises(ConfigurationError, match=r"sagemaker_script_mode is 'yes'"):
        assert read(hyperparameters={"sagemaker_script_mode": "yes"}).script_mode


@pytest.mark.parametrize(
    ("content", "reason"), [("{", "cannot read"), ("[]", "holds a JSON list, not an object")]
)
def test_a_broken_file_is_named(content: str, reason: str, read: Read) -> None:
    with pytest.raises(ConfigurationError, match=rf"{reason}|resourceconfig\.json"):
        read(resourceconfig=content)


def test_a_log_level_is_a_number(read: Read) -> None:
    with pytest.raises(ConfigurationError, match="log level is 'INFO'"):
        read({"SAGEMAKER_CONTAINER_LOG_LEVEL": "INFO"})


def nvidia_smi(folder: Path, listing: str) -> Mapping[str, str]:
    """A driver's tool that lists these devices; it stands first on PATH."""
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<'E'\n{listing}\nE\n", encoding="utf-8")
    tool.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.integ
@pytest.mark.parametrize(
    ("visible", "count"), [(None, 2), ("0", 1), ("0,1,2", 2), ("", 0), ("-1", 0), ("1,-1,0", 1)]
)
def test_gpus_are_counted_by_device(
    visible: str | None, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = nvidia_smi(tmp_path, "GPU 0: A (UUID: x)\nGPU 1: A (UUID: y)\n  MIG 1g: (UUID: z)")
    monkeypatch.setenv("PATH", found["PATH"])
    assert count_gpus({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}) == count


def test_no_driver_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert count_gpus({}) == 0
    assert count_cpus() >= 1


def test_serving_defaults() -> None:
    environment = ServingEnvironment.read({})
    assert environment.model_dir == Path("/opt/ml/model")
    assert environment.code_dir == Path("/opt/ml/model/code")
    assert environment.program is None
    assert environment.workers == count_cpus()
    assert environment.default_accept == "application/json"
    assert environment.max_payload == 6 * 1024 * 1024
    assert environment.socket_path is None
    assert environment.port == 8080


def test_serving_by_variables(tmp_path: Path) -> None:
    environment = ServingEnvironment.read(
        {
            "SAGEMAKER_BASE_DIR": str(tmp_path),
            "SAGEMAKER_PROGRAM": "serve.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/code.tar.gz",
            "SAGEMAKER_MODEL_SERVER_WORKERS": "3",
            "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": "2",
            "SAGEMAKER_BIND_TO_PORT": "9000",
            "SMCORE_SERVER_SOCKET": "/run/s",
        }
    )
    assert environment.code_dir == tmp_path / "code"
    assert environment.workers == 3
    assert environment.default_accept == "text/csv"
    assert environment.max_payload == 2 * 1024 * 1024
    assert environment.port == 9000
    assert environment.socket_path == Path("/run/s")


def test_local_code_is_used_where_it_lies() -> None:
    environment = ServingEnvironment.read({"SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"})
    assert environment.code_dir == Path("/opt/ml/model/code")


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_the_number_of_workers_is_a_number(text: str) -> None:
    with pytest.raises(ConfigurationError, match="SAGEMAKER_MODEL_SERVER_WORKERS is"):
        ServingEnvironment.read({"SAGEMAKER_MODEL_SERVER_WORKERS": text})
