"""Function mode: calls the script's ``train`` and saves the model that it returns."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

from sm_core.container.code import import_script
from sm_core.container.environment import TrainingEnvironment
from sm_core.container.functions import call_with_named
from sm_core.container.plugins import is_installed
from sm_core.container.process import deferred_stop
from sm_core.container.scriptmode import run_script
from sm_core.errors import SourceError
from sm_core.scripts import runs_as_script
from sm_mxnet.container.compatibility import allow_old_names
from sm_mxnet.container.saving import save_module
from sm_mxnet.functions import FUNCTIONS

__all__ = ["cluster", "train"]


def train(environment: TrainingEnvironment) -> bool | None:
    """Train in function mode; None leaves a script that runs by itself to script mode."""
    program = environment.program
    if program is None or not _has_functions(environment, program):
        return _run_alone_with_kvstore(environment)
    allow_old_names(environment.code_dir)
    with _store(environment):
        module = import_script(environment.code_dir, program)
        function = getattr(module, "train", None)
        if function is None:
            raise SourceError(f"{program} defines no function train")
        save = _own_save(module)
        model = call_with_named(function, _arguments(environment))
        # A stop that comes now waits: half a model is worth nothing.
        with deferred_stop():
            if save is not None:
                save(model, str(environment.model_dir))
            elif model is not None and environment.is_master:
                save_module(model, environment.model_dir)
    return True


def cluster(environment: TrainingEnvironment) -> AbstractContextManager[None] | None:
    """MXNet's kvstore for a job that can use it: in function mode always, else where asked for."""
    functions = environment.program is not None and _has_functions(environment, environment.program)
    if not (_asks_for_kvstore(environment) or functions) or not is_installed("mxnet"):
        return None
    from sm_mxnet.container.kvstore import kvstore_running

    return kvstore_running(environment)


def _asks_for_kvstore(environment: TrainingEnvironment) -> bool:
    return environment.hyperparameters.get("sagemaker_parameter_server_enabled") is True


def _run_alone_with_kvstore(environment: TrainingEnvironment) -> bool | None:
    """Run a script that asks for the kvstore on one host, where nothing runs beside others."""
    several = len(environment.hosts) > 1
    if several or not _asks_for_kvstore(environment) or not is_installed("mxnet"):
        return None
    from sm_mxnet.container.kvstore import kvstore_alone

    with kvstore_alone(environment):
        run_script(environment)
    return True


def _has_functions(environment: TrainingEnvironment, program: str) -> bool:
    """Whether `program` is a script whose functions are called; ``.py`` may be missing."""
    script = environment.code_dir / program
    if not script.is_file():
        script = environment.code_dir / f"{program}.py"
    return script.is_file() and not runs_as_script(
        script, FUNCTIONS, override=environment.script_mode
    )


def _arguments(environment: TrainingEnvironment) -> Mapping[str, Any]:
    return {
        "hyperparameters": dict(environment.hyperparameters),
        "input_data_config": dict(environment.input_data_config),
        "channel_input_dirs": {
            name: _channel_dir(environment, name, folder)
            for name, folder in environment.channel_input_dirs.items()
        },
        "output_data_dir": str(_output_data_dir(environment)),
        "num_gpus": environment.num_gpus,
        "num_cpus": environment.num_cpus,
        "hosts": list(environment.hosts),
        "current_host": environment.current_host,
        "model_dir": str(environment.model_dir),
    }


def _channel_dir(environment: TrainingEnvironment, name: str, folder: str) -> str:
    """The channel's folder, or the one in it that ``sagemaker_s3_uri_<channel>`` names."""
    named = environment.hyperparameters.get(f"sagemaker_s3_uri_{name}")
    if not isinstance(named, str):
        return folder
    inner = os.path.normpath(os.path.join(folder, named))
    return inner if Path(inner).is_relative_to(folder) and os.path.isdir(inner) else folder


def _output_data_dir(environment: TrainingEnvironment) -> Path:
    """A folder of each host's own where there are several: their output is merged."""
    if len(environment.hosts) == 1:
        return environment.output_data_dir
    folder = environment.output_data_dir / environment.current_host
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _store(environment: TrainingEnvironment) -> AbstractContextManager[None]:
    """On several hosts the kvstore runs already; on one, from when the script asks for it."""
    if len(environment.hosts) > 1 or not is_installed("mxnet"):
        return nullcontext()
    from sm_mxnet.container.kvstore import kvstore_on_demand

    return kvstore_on_demand(environment)


def _own_save(module: ModuleType) -> Callable[[Any, str], object] | None:
    """The script's ``save``, which is always called; None if it has none.

    Raises:
        SourceError: it cannot be called as it will be; better now than after the training.
    """
    save: Callable[[Any, str], object] | None = getattr(module, "save", None)
    if not callable(save):
        return None
    try:
        inspect.signature(save).bind(None, "")
    except TypeError as error:
        raise SourceError(f"save cannot be called as save(model, model_dir): {error}") from None
    except ValueError:
        pass  # one that does not tell
    return save
