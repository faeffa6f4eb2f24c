"""The typed environments of a training and of a serving container.

Read once from the platform's JSON files below ``input/config`` and from environment variables.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from sm_core.container.channels import Channel, read_channels
from sm_core.container.hosts import HostAddress, read_addresses, resolve
from sm_core.container.machine import count_cpus, count_gpus
from sm_core.container.settings import (
    base_dir_of,
    code_place_of,
    decode_hyperparameters,
    hosts_of,
    log_level_of,
    number_of,
    read_object,
    region_of,
    switch_of,
    text_of,
)
from sm_core.errors import ConfigurationError
from sm_core.limits import PAYLOAD_LIMIT

__all__ = [
    "ServingEnvironment",
    "TrainingEnvironment",
]

_MEBIBYTE = 1024 * 1024

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
        channels: the same, typed, by name.
        resource_config: the content of resourceconfig.json.
        hosts: names of the job's hosts, in the file's order.
        current_host: this host's name.
        addresses: where hosts are reached whose names do not resolve; empty where they do.
        network_interface_name: interface by which the hosts reach each other.
        num_cpus: CPUs that this process may use.
        num_gpus: GPU devices that it can see.
        program: the entry point, relative to `code_dir`; None if the job has none.
        submit_directory: where the code comes from, ``s3://…`` or a path; None if nowhere.
        job_name: the training job; "" if unknown.
        region: AWS region; "" if unknown.
        log_level: of Python's ``logging``.
        cloudwatch_metrics: whether this container's use of CPU, memory, disk and GPU is sent to
            CloudWatch.
        framework_module: ``module:function`` of the image that trains, by
            ``SAGEMAKER_TRAINING_MODULE``; None if unset.
    """

    base_dir: Path
    hyperparameters: Mapping[str, Any]
    input_data_config: Mapping[str, Any]
    channels: Mapping[str, Channel]
    resource_config: Mapping[str, Any]
    hosts: tuple[str, ...]
    current_host: str
    addresses: Mapping[str, HostAddress]
    network_interface_name: str
    num_cpus: int
    num_gpus: int
    program: str | None
    submit_directory: str | None
    job_name: str
    region: str
    log_level: int
    cloudwatch_metrics: bool = False
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
        base_dir = base_dir_of(variables)
        config = base_dir / "input" / "config"
        hyperparameters = decode_hyperparameters(read_object(config / "hyperparameters.json"))
        input_data_config = read_object(config / "inputdataconfig.json")
        resources = read_object(config / "resourceconfig.json")
        current = str(resources.get("current_host") or variables.get("CURRENT_HOST") or "algo-1")
        own = {name: hyperparameters.get(name) for name in _PLATFORM_HYPERPARAMETERS}
        return cls(
            base_dir=base_dir,
            hyperparameters=hyperparameters,
            input_data_config=input_data_config,
            channels=read_channels(input_data_config, base_dir / "input" / "data"),
            resource_config=resources,
            hosts=hosts_of(resources, current),
            current_host=current,
            addresses=read_addresses(variables),
            network_interface_name=str(resources.get("network_interface_name") or "eth0"),
            num_cpus=count_cpus(),
            num_gpus=count_gpus(variables),
            program=variables.get("SAGEMAKER_PROGRAM") or text_of(own["sagemaker_program"]),
            submit_directory=code_place_of(
                text_of(own["sagemaker_submit_directory"])
                or variables.get("SAGEMAKER_SUBMIT_DIRECTORY"),
                base_dir,
            ),
            job_name=variables.get("TRAINING_JOB_NAME") or text_of(own["sagemaker_job_name"]) or "",
            region=text_of(own["sagemaker_region"]) or region_of(variables),
            log_level=log_level_of(own["sagemaker_container_log_level"], variables),
            cloudwatch_metrics=switch_of(own["sagemaker_enable_cloudwatch_metrics"], variables),
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
        return {name: str(channel.path) for name, channel in self.channels.items()}

    def address_of(self, host: str, port: int) -> tuple[str, int]:
        """Where `port` of the job's host `host` is reached: IP address and port.

        The only way from one host to another: names need not resolve, and where several hosts are
        one machine, each has ports of its own. A host listens where this points to, too.

        Raises:
            ConfigurationError: the job has no such host, or its name is not known.
        """
        if host not in self.hosts:
            raise ConfigurationError(
                f"the job has no host {host!r}; its hosts are {', '.join(self.hosts)}"
            )
        given = self.addresses.get(host)
        if given is not None:
            return given.address, given.port(port)
        try:
            return resolve(host), port
        except OSError as error:
            raise ConfigurationError(f"host {host!r} is not known by name: {error}") from error

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

    @property
    def checkpoint_dir(self) -> Path:
        """What lies here is kept in S3 while the job runs, and back when it starts again."""
        return self.base_dir / "checkpoints"


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
        cloudwatch_metrics: whether this container's use of CPU, memory, disk and GPU is sent to
            CloudWatch.
        workers: worker processes of the model server.
        num_cpus: CPUs that this process may use.
        num_gpus: GPU devices that it can see.
        default_accept: content type of a response whose request leaves it open.
        max_payload: bytes of the largest body; no limit in a batch transform of streamed bodies,
            which gives 0 megabytes.
        socket_path: Unix socket to listen on; None for `port`.
        port: TCP port to listen on.
        variables: the environment variables it was read from.
    """

    base_dir: Path
    program: str | None
    submit_directory: str | None
    region: str
    log_level: int
    cloudwatch_metrics: bool
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
        base_dir = base_dir_of(variables)
        return cls(
            base_dir=base_dir,
            program=variables.get("SAGEMAKER_PROGRAM") or None,
            submit_directory=code_place_of(
                variables.get("SAGEMAKER_SUBMIT_DIRECTORY") or None, base_dir
            ),
            region=variables.get("SAGEMAKER_REGION") or region_of(variables),
            log_level=log_level_of(None, variables),
            cloudwatch_metrics=switch_of(None, variables),
            workers=number_of(variables, "SAGEMAKER_MODEL_SERVER_WORKERS", default=cpus, least=1),
            num_cpus=cpus,
            num_gpus=count_gpus(variables),
            default_accept=variables.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT")
            or "application/json",
            max_payload=_max_payload(variables),
            socket_path=Path(socket_path) if socket_path else None,
            port=number_of(variables, "SAGEMAKER_BIND_TO_PORT", default=8080, least=1, most=65535),
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


def _max_payload(variables: Mapping[str, str]) -> int:
    name = "SAGEMAKER_MAX_PAYLOAD_IN_MB"
    if not variables.get(name):
        return PAYLOAD_LIMIT
    return number_of(variables, name, default=0, least=0) * _MEBIBYTE or sys.maxsize
