"""The environments that the platform's files and variables describe."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from sm_core.container.channels import Channel
from sm_core.container.environment import ServingEnvironment, TrainingEnvironment
from sm_core.container.machine import count_cpus
from sm_core.container.variables import script_variables
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


def test_channels_are_typed(read: Read, tmp_path: Path) -> None:
    given = {
        "TrainingInputMode": "Pipe",
        "ContentType": "text/csv",
        "S3DistributionType": "ShardedByS3Key",
        "RecordWrapperType": "RecordIO",
    }
    channels = read(inputdataconfig={"train": given, "a": {}}).channels
    assert list(channels) == ["a", "train"]
    assert channels["a"] == Channel(name="a", path=tmp_path / "input/data/a")
    assert channels["train"] == Channel(
        name="train",
        path=tmp_path / "input/data/train",
        mode="Pipe",
        content_type="text/csv",
        distribution="ShardedByS3Key",
        record_wrapper="RecordIO",
    )


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ([], "channel 'train' is a JSON list, no object"),
        ({"ContentType": 1}, "ContentType of channel 'train' is 1; it must be text"),
    ],
)
def test_a_broken_channel_is_named(entry: object, reason: str, read: Read) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        read(inputdataconfig={"train": entry})


@pytest.mark.parametrize("name", ["", ".", "..", "../../x", "a/b", "a\0b"])
def test_a_channel_has_a_folder_of_its_own(name: str, read: Read) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a channel's name"):
        read(inputdataconfig={name: {}})


def test_the_own_host_is_one_of_the_hosts(read: Read) -> None:
    with pytest.raises(ConfigurationError, match="'algo-9' is none of the hosts algo-1, algo-2"):
        read(resourceconfig={"hosts": ["algo-1", "algo-2"], "current_host": "algo-9"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
KNOWN = {
    "hyperparameters": [
        "sagemaker_program",
        "sagemaker_container_log_level",
        "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_distribution_instance_groups",
        "sagemaker_mpi_enabled",
        "epochs",
        "a=b",
        "nul\0",
    ],
    "inputdataconfig": ["train", "x/../y"],
    "resourceconfig": [
        "hosts",
        "current_host",
        "current_group_name",
        "current_instance_type",
        "instance_groups",
        "network_interface_name",
    ],
}


@hypothesis.given(st.data())
def test_any_json_in_the_files_is_read_or_named(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "input" / "config"
        config.mkdir(parents=True)
        for name, keys in KNOWN.items():
            values = st.dictionaries(st.sampled_from(keys) | st.text(), JSON | JSON.map(json.dumps))
            content = json.dumps(data.draw(st.one_of(values, JSON)))
            (config / f"{name}.json").write_text(content, encoding="utf-8")
        try:
            environment = TrainingEnvironment.read({"SAGEMAKER_BASE_DIR": folder})
        except ConfigurationError:
            return
        for name, value in script_variables(environment).items():
            assert os.fsencode(name)
            assert b"\0" not in os.fsencode(value)


@hypothesis.given(st.binary(max_size=40))
def test_any_bytes_in_a_file_are_read_or_named(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "input" / "config"
        config.mkdir(parents=True)
        (config / "hyperparameters.json").write_bytes(content)
        with contextlib.suppress(ConfigurationError):
            TrainingEnvironment.read({"SAGEMAKER_BASE_DIR": folder})


@hypothesis.given(
    st.dictionaries(
        st.sampled_from(
            [
                "SAGEMAKER_PROGRAM",
                "SAGEMAKER_CONTAINER_LOG_LEVEL",
                "SAGEMAKER_ENABLE_CLOUDWATCH_METRICS",
                "SMCORE_HOST_ADDRESSES",
                "SAGEMAKER_MODEL_SERVER_WORKERS",
                "SAGEMAKER_MAX_PAYLOAD_IN_MB",
                "SAGEMAKER_BIND_TO_PORT",
                "AWS_REGION",
            ]
        ),
        st.text() | st.integers().map(str) | JSON.map(json.dumps),
    )
)
def test_any_variables_are_read_or_named(variables: dict[str, str]) -> None:
    with contextlib.suppress(ConfigurationError):
        ServingEnvironment.read(variables)
    with contextlib.suppress(ConfigurationError):
        TrainingEnvironment.read({**variables, "SAGEMAKER_BASE_DIR": "/nowhere"})


def test_the_platform_s_job_name_wins(read: Read) -> None:
    named = {"sagemaker_job_name": '"by-hyperparameter"'}
    assert read({"TRAINING_JOB_NAME": "real"}, hyperparameters=named).job_name == "real"


@pytest.mark.parametrize(
    ("hyperparameter", "variable", "wanted"),
    [
        (None, None, False),
        ("true", None, True),
        ('"true"', None, True),
        ("false", "true", False),
        (None, "True", True),
        (None, "false", False),
    ],
)
def test_metrics_are_sent_on_demand(
    hyperparameter: str | None, variable: str | None, wanted: bool, read: Read
) -> None:
    name = "sagemaker_enable_cloudwatch_metrics"
    given = {} if hyperparameter is None else {name: hyperparameter}
    variables = {} if variable is None else {name.upper(): variable}
    assert read(variables, hyperparameters=given).cloudwatch_metrics is wanted
    if hyperparameter is None:
        assert ServingEnvironment.read(variables).cloudwatch_metrics is wanted


def test_a_switch_is_true_or_false(read: Read) -> None:
    with pytest.raises(ConfigurationError, match="cloudwatch_metrics is 'often'"):
        read({"SAGEMAKER_ENABLE_CLOUDWATCH_METRICS": "often"})


def test_hosts_are_reached_by_address(read: Read) -> None:
    addresses = {"algo-1": "127.0.0.1:40000-40009", "algo-2": "10.0.0.2"}
    environment = read(
        {"SMCORE_HOST_ADDRESSES": json.dumps(addresses)},
        resourceconfig={"hosts": ["algo-1", "algo-2", "localhost"], "current_host": "algo-1"},
    )
    assert environment.address_of("algo-1", 8001) == ("127.0.0.1", 40001)
    assert environment.address_of("algo-2", 8001) == ("10.0.0.2", 8001)
    assert environment.address_of("localhost", 8001) == ("127.0.0.1", 8001)
    with pytest.raises(ConfigurationError, match="no host 'algo-3'; its hosts are algo-1"):
        environment.address_of("algo-3", 1)


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


def test_a_path_in_the_tree_is_where_the_tree_is(tmp_path: Path) -> None:
    variables = {
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    }
    assert ServingEnvironment.read(variables).code_dir == tmp_path / "model" / "code"
    training = TrainingEnvironment.read(variables)
    assert training.submit_directory == str(tmp_path / "model" / "code")


def test_streamed_bodies_have_no_limit() -> None:
    assert ServingEnvironment.read({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}).max_payload > 2**60


@pytest.mark.parametrize("text", ["0", "65536", "http"])
def test_the_port_is_one(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"_PORT is .* whole number from 1 to 65535"):
        ServingEnvironment.read({"SAGEMAKER_BIND_TO_PORT": text})


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_the_number_of_workers_is_a_number(text: str) -> None:
    with pytest.raises(ConfigurationError, match="SAGEMAKER_MODEL_SERVER_WORKERS is"):
        ServingEnvironment.read({"SAGEMAKER_MODEL_SERVER_WORKERS": text})
