"""Function mode: calls the script's ``train`` and saves the model that it returns."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from sm_core.container.code import import_script
from sm_core.container.environment import TrainingEnvironment
from sm_core.container.functions import call_with_named
from sm_core.container.process import deferred_stop
from sm_core.errors import ConfigurationError, SourceError
from sm_core.scripts import ScriptFunctions, runs_as_script

__all__ = ["FUNCTIONS", "save_module", "train"]

FUNCTIONS = ScriptFunctions(
    required=(("train",),),
    arguments=frozenset(
        {
            "channel_input_dirs",
            "current_host",
            "hosts",
            "hyperparameters",
            "input_data_config",
            "model_dir",
            "num_cpus",
            "num_gpus",
            "output_data_dir",
        }
    ),
    main="train",
)


def train(environment: TrainingEnvironment) -> bool | None:
    """Train in function mode; None leaves a script that runs by itself to script mode."""
    program = environment.program
    if program is None or not (environment.code_dir / program).is_file():
        return None
    script = environment.code_dir / program
    if runs_as_script(script, FUNCTIONS, override=environment.script_mode):
        return None
    if len(environment.hosts) > 1:
        raise ConfigurationError(
            f"the job has {len(environment.hosts)} hosts; MXNet scripts with a train function run "
            "on one host only for now: set train_instance_count=1"
        )
    module = import_script(environment.code_dir, program)
    function = getattr(module, "train", None)
    if function is None:
        raise SourceError(f"{program} defines no function train")
    model = call_with_named(function, _arguments(environment))
    # A stop that comes now waits: half a model is worth nothing.
    with deferred_stop():
        _save(model, module, environment.model_dir)
    return True


def _arguments(environment: TrainingEnvironment) -> Mapping[str, Any]:
    return {
        "hyperparameters": dict(environment.hyperparameters),
        "input_data_config": dict(environment.input_data_config),
        "channel_input_dirs": environment.channel_input_dirs,
        "output_data_dir": str(environment.output_data_dir),
        "num_gpus": environment.num_gpus,
        "num_cpus": environment.num_cpus,
        "hosts": list(environment.hosts),
        "current_host": environment.current_host,
        "model_dir": str(environment.model_dir),
    }


def _save(model: Any, module: ModuleType, model_dir: Path) -> None:
    """The script's own ``save`` is always called, the default one for a model only."""
    custom = getattr(module, "save", None)
    if custom is not None:
        custom(model, str(model_dir))
    elif model is not None:
        save_module(model, model_dir)


def save_module(module: Any, model_dir: Path) -> None:
    """Save a Module as MXNet's serving containers load it.

    ``model-symbol.json`` holds the network, ``model-0000.params`` the parameters, under
    ``model.params`` too, and ``model-shapes.json`` the shapes of the data inputs.

    Raises:
        SourceError: `module` is nothing that MXNet's Module API made.
    """
    missing = [
        name for name in ("symbol", "save_params", "data_shapes") if not hasattr(module, name)
    ]
    if missing:
        raise SourceError(
            f"train returned a {type(module).__name__}, which cannot be saved by default: it has "
            f"no {' nor '.join(missing)}. Return a Module, or define save(model, model_dir) in the "
            "script"
        )
    module.symbol.save(str(model_dir / "model-symbol.json"))
    parameters = model_dir / "model-0000.params"
    module.save_params(str(parameters))
    _second_name(parameters, model_dir / "model.params")
    shapes = [{"name": entry.name, "shape": list(entry.shape)} for entry in module.data_shapes]
    (model_dir / "model-shapes.json").write_text(json.dumps(shapes), encoding="utf-8")


def _second_name(path: Path, other: Path) -> None:
    other.unlink(missing_ok=True)
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)  # a file system without hard links
