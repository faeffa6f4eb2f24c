"""Function mode: calls the script's functions, trains, evaluates and exports."""

from __future__ import annotations

import json
import os
import threading
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from sm_core.container.code import import_script
from sm_core.container.environment import TrainingEnvironment
from sm_core.errors import ConfigurationError, SourceError
from sm_core.scripts import defined_functions, only_defined, parse_script
from sm_tensorflow.container import checkpointsync
from sm_tensorflow.container.roles import calls_functions, is_master, script_of
from sm_tensorflow.container.settings import TrainingSettings
from sm_tensorflow.container.stopping import stop_awaited
from sm_tensorflow.container.userfunctions import UserFunctions, missing_text
from sm_tensorflow.functions import (
    INPUT_FUNCTIONS,
    MODEL_FUNCTIONS,
    ONE_HOST_ONLY,
    missing_functions,
)

__all__ = ["train"]


def train(environment: TrainingEnvironment) -> bool | None:
    """Train in function mode; None leaves a script that runs by itself to script mode."""
    if not calls_functions(environment):
        _refuse_half(environment)
        return None
    assert environment.program is not None  # it has the functions
    settings = TrainingSettings.read(environment.hyperparameters)
    folder = checkpoint_dir(environment, settings)
    from sm_tensorflow.container import compatibility

    # From here on: the import of TensorFlow takes a while, and a job that is stopped then deploys
    # as any other does.
    with stop_awaited() as stop, ExitStack() as stack:
        compatibility.install()
        if "TF_CONFIG" not in os.environ:
            os.environ["TF_CONFIG"] = json.dumps(_alone(environment))
        module = import_script(environment.code_dir, environment.program)
        functions = UserFunctions.of(module, environment)
        if is_master(environment):
            stack.enter_context(_kept(environment, settings, folder))
            checkpointsync.check_restorable(folder)
        _run(functions, settings, folder, stop)
    return True


def _refuse_half(environment: TrainingEnvironment) -> None:
    """Refuse a script that does nothing by itself and lacks some of the functions.

    Raises:
        SourceError: names the functions.
    """
    script = script_of(environment)
    if script is None or script.suffix != ".py" or environment.script_mode is not None:
        return
    defined = defined_functions(script)
    if not defined & {*MODEL_FUNCTIONS, *INPUT_FUNCTIONS} or not only_defined(parse_script(script)):
        return
    raise SourceError(missing_text(script.name, missing_functions(defined)))


def _alone(environment: TrainingEnvironment) -> dict[str, Any]:
    """TF_CONFIG of a job with one host, which trains without a server."""
    host = environment.current_host
    return {
        "cluster": {"master": [f"{host}:2222"]},
        "task": {"type": "master", "index": 0},
        "environment": "cloud",
    }


def checkpoint_dir(environment: TrainingEnvironment, settings: TrainingSettings) -> Path:
    """The folder that TensorFlow writes checkpoints to.

    What is kept in S3 passes through the container's folder of checkpoints. Without a
    checkpoint_path they lie beside the model, as they did in AWS's containers.

    Raises:
        ConfigurationError: checkpoint_path is neither of S3 nor a folder's absolute path.
    """
    path = settings.checkpoint_path
    if path is None and len(environment.hosts) == 1:
        return environment.model_dir
    if path is None or path.startswith("s3://"):
        # A link: the platform shares one folder among the hosts.
        if len(environment.hosts) > 1 and not environment.checkpoint_dir.is_symlink():
            raise ConfigurationError(ONE_HOST_ONLY)
        return environment.checkpoint_dir
    folder = Path(path.removeprefix("file://"))
    if "://" in str(path.removeprefix("file://")) or not folder.is_absolute():
        raise ConfigurationError(
            f"hyperparameter checkpoint_path is {path!r}; it must begin with s3://, or be the "
            "absolute path of a folder"
        )
    return folder


def _kept(
    environment: TrainingEnvironment, settings: TrainingSettings, folder: Path
) -> AbstractContextManager[object]:
    """Keep the checkpoints where the job wants them, those that are there brought here first."""
    uri = settings.checkpoint_path
    if uri is None or not uri.startswith("s3://"):
        return ExitStack()
    if "_tuning_objective_metric" in environment.hyperparameters:
        # Jobs of one tuning share their hyperparameters.
        own = f"{environment.job_name}/checkpoints"
        if environment.job_name and own not in uri:
            uri = f"{uri.rstrip('/')}/{own}"
    there = checkpointsync.restore(uri, folder, region=environment.region)
    return checkpointsync.kept_in_s3(environment, uri, folder, there=there)


def _run(
    functions: UserFunctions, settings: TrainingSettings, folder: Path, stop: threading.Event
) -> None:
    """Train as what this host is in the job."""
    # They import TensorFlow, which must be the alias's by then.
    from sm_tensorflow.container.estimators import make_estimator, run_config
    from sm_tensorflow.container.experiment import Experiment
    from sm_tensorflow.container.servers import start_server

    config = run_config(settings, str(folder))
    estimator = make_estimator(functions, settings, config)
    server = start_server(config) if len(functions.environment.hosts) > 1 else None
    experiment = Experiment(functions=functions, settings=settings, estimator=estimator, stop=stop)
    if is_master(functions.environment):
        experiment.train_as_master()
    else:
        experiment.train_as_worker(config.task_id)
    del server  # until here others reach this host by it
