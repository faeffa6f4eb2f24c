"""A training container from start to end."""

from __future__ import annotations

import logging
import os

from sm_core.container.cluster import cluster
from sm_core.container.code import fetch_code, use_code
from sm_core.container.environment import TrainingEnvironment
from sm_core.container.errors import ScriptFailed
from sm_core.container.failure import exception_reason, log_exception, write_failure
from sm_core.container.functions import call_framework
from sm_core.container.intermediate import intermediate_output
from sm_core.container.logs import configure_logging
from sm_core.container.metrics import metrics_sent
from sm_core.container.plugins import container_plugins
from sm_core.container.process import StopRequested, raise_on_stop
from sm_core.container.requirements import install_requirements
from sm_core.container.settings import base_dir_of
from sm_core.container.variables import script_variables
from sm_core.errors import SMError

__all__ = ["train"]

logger = logging.getLogger(__name__)

#: What a shell reports for a process that SIGTERM ended.
_STOPPED = 143


def train() -> int:
    """Run the training job that the environment describes; the container's exit code."""
    configure_logging(logging.INFO)
    environment = None
    try:
        with raise_on_stop():
            environment = TrainingEnvironment.read()
            configure_logging(environment.log_level)
            _run(environment)
        _mark_success(environment)
    except StopRequested:
        logger.warning("stopped on request")
        return _STOPPED
    except BaseException as error:  # noqa: BLE001  # whatever the user's code raises ends the job
        return _report(error, environment)
    return 0


def _run(environment: TrainingEnvironment) -> None:
    with metrics_sent(environment), intermediate_output(environment):
        _prepare(environment)
        with cluster(environment):
            if environment.framework_module is not None:
                call_framework(environment.framework_module)
            else:
                container_plugins().hook.sm_train(environment=environment)


def _prepare(environment: TrainingEnvironment) -> None:
    """Folders, variables, code and its requirements, in place for whoever trains."""
    for folder in (
        environment.model_dir,
        environment.output_data_dir,
        environment.code_dir,
        environment.checkpoint_dir,
    ):
        folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(script_variables(environment))
    fetch_code(environment.submit_directory, environment.code_dir, region=environment.region)
    install_requirements(environment.code_dir, environment.base_dir, region=environment.region)
    use_code(environment.code_dir, environment.base_dir)


def _mark_success(environment: TrainingEnvironment) -> None:
    """Leave the empty file; a training that has succeeded does not fail for want of it."""
    path = environment.output_dir / "success"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        logger.warning("cannot write %s: %s", path, error)


def _report(error: BaseException, environment: TrainingEnvironment | None) -> int:
    """Log `error` and leave its reason for the platform; the exit code."""
    if isinstance(error, SystemExit) and error.code in (None, 0):
        logger.warning("the script called sys.exit(): its training ends here, nothing is saved")
        return 0
    if environment is None:
        logger.error("%s", error, exc_info=not isinstance(error, SMError))
        write_failure(str(error), base_dir_of(os.environ) / "output")
        return 1
    if isinstance(error, ScriptFailed):
        logger.error("the script ended with exit code %d", error.exit_code)
    elif isinstance(error, SMError):
        logger.error("%s", error)
    else:
        log_exception(error, environment.code_dir, text="training failed")
    exit_code = _exit_code(error)
    reason = exception_reason(error, environment.code_dir, exit_code=exit_code)
    write_failure(reason, environment.output_dir)
    return exit_code


def _exit_code(error: BaseException) -> int:
    """The script's own, or the exception's ``errno``, or 1."""
    if isinstance(error, ScriptFailed):
        return error.exit_code
    code = error.code if isinstance(error, SystemExit) else getattr(error, "errno", None)
    return code if isinstance(code, int) and 0 < code < 256 else 1
