"""The typed environments of a training and of a serving container.

Read once from the platform's JSON files below ``input/config`` and from environment variables.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from sm_core.errors import ConfigurationError

__all__ = [
    "DEFAULT_MAX_PAYLOAD",
    "ServingEnvironment",
    "TrainingEnvironment",
    "count_cpus",
    "count_gpus",
]

BASE_DIR_VARIABLE = "SAGEMAKER_BASE_DIR"
#: Bytes of the largest body of InvokeEndpoint.
DEFAULT_MAX_PAYLOAD = 6 * 1024 * 1024
_MEBIBYTE = 1024 * 1024
_DEFAULT_LOG_LEVEL = 20

#: Hyperparameters that belong to the platform; any other name that begins with ``sagemaker_`` is
#: a parameter of the framework.
_PLATFORM_HYPERPARAMETERS = frozenset(
    {
        "_tuning_objective_metric",
        "default_user_module_name",
        "sagemaker_container_log_level",
        "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_job_name",
        "sagemaker_program",
        "sagemaker_region",
        "sagemaker_s3_output",
        "sagemaker_submit_directory",
    }
)
_FRAMEWORK_PREFIX = "sagemaker_"


@attrs.frozen(kw_only=True)
class TrainingEnvironment:
    """What a training container knows about its job.

    Attributes:
        base_dir: root of the tree, ``/opt/ml`` unless ``SAGEMAKER_BASE_DIR`` names another.
        hyperparameters: all of the job's, JSON-decoded; a value that is not JSON stays text.
        input_data_config: per channel, the content of inputdataconfig.json.
        resource_config: the content of resourceconfig.json.
        hosts: names of the job's hosts, in the file's order.
        current_host: this host's name.
        network_interface_name: interface by which the hosts reach each other.
        num_cpus: CPUs that this process may use.
        num_gpus: GPU devices that it can see.
        program: the entry point, relative to `code_dir`; None if the job has none.
        submit_directory: where the code comes from, ``s3://…`` or a path; None if nowhere.
        job_name: the training job; "" if unknown.
        region: AWS region; "" if unknown.
        log_level: of Python's ``logging``.
        framework_module: what ``SAGEMAKER_TRAINING_MODULE`` names; None if unset.
    """

    base_dir: Path
    hyperparameters: Mapping[str, Any]
    input_data_config: Mapping[str, Any]
    resource_config: Mapping[str, Any]
    hosts: tuple[str, ...]
    current_host: str
    network_interface_name: str
    num_cpus: int
    num_gpus: int
    program: str | None
    submit_directory: str | None
    job_name: str
    region: str
    log_level: int
    framework_module: str | None = None

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None) -> TrainingEnvironment:
        """The environment of this process.

        Args:
            variables: environment variables; the process's own if None.

        Raises:
            ConfigurationError: a file is not JSON or a value has the wrong form; names it.
        """
        variables = os.environ if variables is None else variables
        base_dir = _base_dir(variables)
        config = base_dir / "input" / "config"
        hyperparameters = _decode_hyperparameters(_read_object(config / "hyperparameters.json"))
        resources = _read_object(config / "resourceconfig.json")
        current = str(resources.get("current_host") or variables.get("CURRENT_HOST") or "algo-1")
        own = {name: hyperparameters.get(name) for name in _PLATFORM_HYPERPARAMETERS}
        return cls(
            base_dir=base_dir,
            hyperparameters=hyperparameters,
            input_data_config=_read_object(config / "inputdataconfig.json"),
            resource_config=resources,
            hosts=tuple(str(host) for host in resources.get("hosts") or [current]),
            current_host=current,
            network_interface_name=str(resources.get("network_interface_name") or "eth0"),
            num_cpus=count_cpus(),
            num_gpus=count_gpus(variables),
            program=variables.get("SAGEMAKER_PROGRAM") or _text(own["sagemaker_program"]),
            submit_directory=_text(own["sagemaker_submit_directory"])
            or variables.get("SAGEMAKER_SUBMIT_DIRECTORY"),
            job_name=_text(own["sagemaker_job_name"]) or variables.get("TRAINING_JOB_NAME", ""),
            region=_text(own["sagemaker_region"]) or _region(variables),
            log_level=_log_level(own["sagemaker_container_log_level"], variables),
            framework_module=variables.get("SAGEMAKER_TRAINING_MODULE"),
        )

    @property
    def user_hyperparameters(self) -> dict[str, Any]:
        """The user's own, without the platform's and the framework's."""
        return {
            name: value
            for name, value in self.hyperparameters.items()
            if name not in _PLATFORM_HYPERPARAMETERS and not name.startswith(_FRAMEWORK_PREFIX)
        }

    @property
    def framework_parameters(self) -> dict[str, Any]:
        """Those that begin with ``sagemaker_`` and are not the platform's."""
        return {
            name: value
            for name, value in self.hyperparameters.items()
            if name.startswith(_FRAMEWORK_PREFIX) and name not in _PLATFORM_HYPERPARAMETERS
        }

    @property
    def script_mode(self) -> bool | None:
        """The user's own choice between script and functions; None leaves it to the script."""
        value = self.hyperparameters.get("sagemaker_script_mode")
        if value is not None and not isinstance(value, bool):
            raise ConfigurationError(
                f"hyperparameter sagemaker_script_mode is {value!r}; it must be true or false"
            )
        return value

    @property
    def channel_input_dirs(self) -> dict[str, str]:
        """Channel → folder with its data, sorted by name."""
        data = self.base_dir / "input" / "data"
        return {name: str(data / name) for name in sorted(self.input_data_config)}

    @property
    def is_master(self) -> bool:
        """Whether this host is the first by name, which does what must happen once."""
        return self.current_host == min(self.hosts)

    @property
    def code_dir(self) -> Path:
        """Where the user's code lies."""
        return self.base_dir / "code"

    @property
    def model_dir(self) -> Path:
        """What lies here becomes model.tar.gz."""
        return self.base_dir / "model"

    @property
    def output_dir(self) -> Path:
        """Parent of ``data``, ``failure`` and ``success``."""
        return self.base_dir / "output"

    @property
    def output_data_dir(self) -> Path:
        """What lies here becomes output.tar.gz."""
        return self.output_dir / "data"


@attrs.frozen(kw_only=True)
class ServingEnvironment:
    """What a serving container knows about its model.

    Attributes:
        base_dir: root of the tree, ``/opt/ml`` unless ``SAGEMAKER_BASE_DIR`` names another.
        program: the user's module, relative to the code folder; None if none is named.
        submit_directory: where the code comes from, ``s3://…`` or a path; None for the folder
            ``code`` of the model.
        region: AWS region; "" if unknown.
        log_level: of Python's ``logging``.
        workers: worker processes of the model server.
        num_cpus: CPUs that this process may use.
        num_gpus: GPU devices that it can see.
        default_accept: content type of a response whose request leaves it open.
        max_payload: bytes of the largest body.
        socket_path: Unix socket to listen on; None for `port`.
        port: TCP port to listen on.
        variables: the environment variables it was read from.
    """

    base_dir: Path
    program: str | None
    submit_directory: str | None
    region: str
    log_level: int
    workers: int
    num_cpus: int
    num_gpus: int
    default_accept: str
    max_payload: int
    socket_path: Path | None
    port: int
    variables: Mapping[str, str] = attrs.field(repr=False)

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None) -> ServingEnvironment:
        """The environment of this process.

        Args:
            variables: environment variables; the process's own if None.

        Raises:
            ConfigurationError: a variable has the wrong form; names it.
        """
        variables = dict(os.environ) if variables is None else variables
        cpus = count_cpus()
        socket_path = variables.get("SMCORE_SERVER_SOCKET")
        payload = variables.get("SAGEMAKER_MAX_PAYLOAD_IN_MB")
        return cls(
            base_dir=_base_dir(variables),
            program=variables.get("SAGEMAKER_PROGRAM") or None,
            submit_directory=variables.get("SAGEMAKER_SUBMIT_DIRECTORY") or None,
            region=variables.get("SAGEMAKER_REGION") or _region(variables),
            log_level=_log_level(None, variables),
            workers=_number(variables, "SAGEMAKER_MODEL_SERVER_WORKERS", default=cpus, least=1),
            num_cpus=cpus,
            num_gpus=count_gpus(variables),
            default_accept=variables.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT")
            or "application/json",
            max_payload=_number(variables, "SAGEMAKER_MAX_PAYLOAD_IN_MB", default=0, least=1)
            * _MEBIBYTE
            if payload
            else DEFAULT_MAX_PAYLOAD,
            socket_path=Path(socket_path) if socket_path else None,
            port=_number(variables, "SAGEMAKER_BIND_TO_PORT", default=8080, least=1),
            variables=variables,
        )

    @property
    def model_dir(self) -> Path:
        """The unpacked model."""
        return self.base_dir / "model"

    @property
    def code_dir(self) -> Path:
        """The user's code: unpacked here if it comes from S3, used where it lies if not."""
        if self.submit_directory is None:
            return self.model_dir / "code"
        if self.submit_directory.startswith("s3://"):
            return self.base_dir / "code"
        return Path(self.submit_directory).absolute()


def count_cpus() -> int:
    """CPUs that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def count_gpus(variables: Mapping[str, str]) -> int:
    """GPU devices that this process can see, by the driver's own tool; 0 where there is none.

    ``CUDA_VISIBLE_DEVICES`` limits them, as it limits every framework.
    """
    visible = variables.get("CUDA_VISIBLE_DEVICES")
    named = None if visible is None else _devices_before_invalid(visible)
    if named == 0:
        return 0
    try:
        listing = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
    return found if named is None else min(found, named)


def _devices_before_invalid(visible: str) -> int:
    """CUDA reads the list up to the first entry that names no device, such as -1."""
    count = 0
    for entry in visible.split(","):
        if not entry.strip() or entry.strip().startswith("-"):
            break
        count += 1
    return count


def _base_dir(variables: Mapping[str, str]) -> Path:
    return Path(variables.get(BASE_DIR_VARIABLE) or "/opt/ml").absolute()


def _read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; empty if the platform wrote no such file."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read {path} as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"{path} holds a JSON {type(value).__name__}, not an object")
    return value


def _decode_hyperparameters(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _decode(name, value) for name, value in values.items()}


def _decode(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if name == "_tuning_objective_metric":
        # The tuner writes this one itself, as text with or without quotes.
        return value.strip('"')
    try:
        return json.loads(value)
    except ValueError:
        return value


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _region(variables: Mapping[str, str]) -> str:
    return variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or ""


def _log_level(value: Any, variables: Mapping[str, str]) -> int:
    given = variables.get("SAGEMAKER_CONTAINER_LOG_LEVEL") if value is None else value
    if given is None or given == "":
        return _DEFAULT_LOG_LEVEL
    try:
        return int(given)
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"the container's log level is {given!r}; it must be a number of Python's logging, "
            "such as 20 for INFO"
        ) from None


def _number(variables: Mapping[str, str], name: str, *, default: int, least: int) -> int:
    text = variables.get(name)
    if not text:
        return default
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise ConfigurationError(f"{name} is {text!r}; it must be a whole number from {least} up")
    return number
