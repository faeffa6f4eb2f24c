"""What a script gets: SM_* variables and command-line arguments, in the public toolkit's forms."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from sm_core.container.environment import TrainingEnvironment
from sm_core.container.machine import count_neurons

__all__ = ["script_variables", "user_arguments"]

logger = logging.getLogger(__name__)

_DEFAULT_GROUP = "homogeneousCluster"
#: Bytes that Linux takes as ``NAME=value`` and a final zero: MAX_ARG_STRLEN of <linux/binfmts.h>.
_LONGEST = 128 * 1024


def user_arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Hyperparameters as command-line arguments, sorted by name.

    ``--name value``, ``-n value`` for names of one letter; a dict is written ``k=v,k=v``, None is
    empty, everything else is Python's ``str``.
    """
    arguments: list[str] = []
    for name in sorted(hyperparameters):
        arguments += [
            f"--{name}" if len(name) > 1 else f"-{name}",
            _argument(hyperparameters[name]),
        ]
    return arguments


def _argument(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ",".join(f"{key}={entry}" for key, entry in sorted(value.items()))
    return str(value)


def script_variables(environment: TrainingEnvironment) -> dict[str, str]:
    """The variables to set for a user's script."""
    settings = _settings(environment)
    values: dict[str, Any] = {
        **{name: settings[name] for name in _EXPORTED},
        "hps": settings["hyperparameters"],
        "framework_params": settings["additional_framework_parameters"],
        "user_args": user_arguments(environment.user_hyperparameters),
        "channels": sorted(settings["channel_input_dirs"]),
        "training_env": settings,
        "checkpoint_dir": str(environment.checkpoint_dir),
    }
    for channel, folder in settings["channel_input_dirs"].items():
        values[f"channel_{channel}"] = folder
    for name, value in settings["hyperparameters"].items():
        values[f"hp_{name}"] = value
    variables = {f"SM_{name.upper()}": _encode(value) for name, value in values.items()}
    variables["CURRENT_HOST"] = environment.current_host
    if environment.job_name:
        variables["SAGEMAKER_JOB_NAME"] = environment.job_name
    if environment.region:
        variables["SAGEMAKER_REGION"] = environment.region
    return {name: value for name, value in variables.items() if _is_settable(name, value)}


def _is_settable(name: str, value: str) -> bool:
    """Whether the operating system can hold this variable; names come from hyperparameters."""
    try:
        held = (os.fsencode(name), os.fsencode(value))
    except UnicodeEncodeError:
        settable = False
    else:
        settable = b"=" not in held[0] and not any(b"\0" in text for text in held)
        if settable and sum(map(len, held)) + 2 > _LONGEST:
            # No program could be started beside it.
            logger.warning(
                "%s is left out: it has %d characters, more than a variable can. "
                "hyperparameters.json has all values",
                name,
                len(value),
            )
            return False
    if not settable:
        logger.warning("%r cannot be a variable; SM_HPS and SM_TRAINING_ENV hold its value", name)
    return settable


#: Settings that are exported under their own names; the others only within SM_TRAINING_ENV.
_EXPORTED = (
    "current_host",
    "current_instance_group",
    "current_instance_group_hosts",
    "current_instance_type",
    "distribution_instance_groups",
    "framework_module",
    "hosts",
    "input_config_dir",
    "input_data_config",
    "input_dir",
    "instance_groups",
    "instance_groups_dict",
    "is_hetero",
    "log_level",
    "model_dir",
    "module_dir",
    "module_name",
    "network_interface_name",
    "num_cpus",
    "num_gpus",
    "num_neurons",
    "output_data_dir",
    "output_dir",
    "output_intermediate_dir",
    "resource_config",
    "user_entry_point",
)


def _settings(environment: TrainingEnvironment) -> dict[str, Any]:
    """The properties that the public toolkit gives in SM_TRAINING_ENV."""
    program = environment.program
    input_dir = environment.base_dir / "input"
    settings: dict[str, Any] = {
        "additional_framework_parameters": environment.framework_parameters,
        "channel_input_dirs": environment.channel_input_dirs,
        "current_host": environment.current_host,
        "framework_module": environment.framework_module,
        "hosts": list(environment.hosts),
        "hyperparameters": environment.user_hyperparameters,
        "input_config_dir": input_dir / "config",
        "input_data_config": environment.input_data_config,
        "input_dir": input_dir,
        "is_master": environment.is_master,
        "job_name": environment.job_name,
        "log_level": environment.log_level,
        "master_hostname": min(environment.hosts),
        "model_dir": environment.model_dir,
        "module_dir": environment.submit_directory or environment.code_dir,
        "module_name": None if program is None else program.removesuffix(".py"),
        "network_interface_name": environment.network_interface_name,
        "num_cpus": environment.num_cpus,
        "num_gpus": environment.num_gpus,
        "num_neurons": count_neurons(),
        "output_data_dir": environment.output_data_dir,
        "output_dir": environment.output_dir,
        "output_intermediate_dir": environment.output_dir / "intermediate",
        "resource_config": environment.resource_config,
        "topology": environment.resource_config.get("topology", []),
        "user_entry_point": program,
        **_instance_groups(environment),
        **_accelerated_libraries(),
    }
    return {
        name: str(value) if isinstance(value, PurePath) else value
        for name, value in settings.items()
    }


#: Parameters of the framework by which an SDK asks for one of the ways to train on several hosts.
_DISTRIBUTIONS = (
    "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_mpi_enabled",
    "sagemaker_multi_worker_mirrored_strategy_enabled",
    "sagemaker_parameter_server_enabled",
    "sagemaker_pytorch_ddp_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
    "sagemaker_torch_distributed_enabled",
)


def _instance_groups(environment: TrainingEnvironment) -> dict[str, Any]:
    resources = environment.resource_config
    parameters = environment.framework_parameters
    current = str(resources.get("current_group_name") or _DEFAULT_GROUP)
    instance_type = resources.get("current_instance_type", "local")
    groups = _described_groups(resources) or [
        {
            "instance_group_name": current,
            "instance_type": instance_type,
            "hosts": list(environment.hosts),
        }
    ]
    by_name = {group["instance_group_name"]: group for group in groups}
    distributed = any(parameters.get(name) for name in _DISTRIBUTIONS)
    asked = parameters.get("sagemaker_distribution_instance_groups")
    training = asked if isinstance(asked, list) else [current] if distributed else []
    return {
        "current_instance_group": current,
        "current_instance_group_hosts": by_name[current]["hosts"] if current in by_name else [],
        "current_instance_type": instance_type,
        "distribution_hosts": [
            host for name, group in by_name.items() if name in training for host in group["hosts"]
        ],
        "distribution_instance_groups": training,
        "instance_groups": list(by_name),
        "instance_groups_dict": by_name,
        "is_hetero": len(by_name) > 1,
    }


def _described_groups(resources: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The groups that resourceconfig.json names; what is no group there is nobody's."""
    groups = resources.get("instance_groups")
    return [
        group
        for group in (groups if isinstance(groups, list) else [])
        if isinstance(group, Mapping)
        and isinstance(group.get("instance_group_name"), str)
        and isinstance(group.get("hosts"), list)
    ]


def _accelerated_libraries() -> dict[str, Any]:
    """What the public toolkit says of AWS's own libraries for distributed training."""
    parameters = os.environ.get("SM_HP_MP_PARAMETERS")
    return {
        "is_modelparallel_enabled": parameters and parameters != "{}",
        "is_smddpmprun_installed": shutil.which("smddpmprun") is not None,
        "is_smddprun_installed": shutil.which("smddprun") is not None,
    }


def _encode(value: Any) -> str:
    """None is empty, text stays, everything else is compact JSON with sorted keys."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
