"""A training job from start to end."""

from __future__ import annotations

import time

from sm_amazon_algos.container.algorithms import Algorithm, Job, algorithm_called
from sm_amazon_algos.container.devices import device_for
from sm_amazon_algos.container.distributed import connected
from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.report import Report
from sm_amazon_algos.container.settings import read_settings
from sm_core.container.environment import TrainingEnvironment

__all__ = ["train"]


def train(environment: TrainingEnvironment, name: str) -> None:
    """Train the algorithm called `name`.

    Raises:
        CustomerError: hyperparameters, channels or data are wrong.
    """
    algorithm = algorithm_called(name)
    report = Report(algorithm=algorithm.log_name, host=environment.current_host)
    started = time.time()
    try:
        ready = _train(algorithm, environment, report)
    except CustomerError as error:
        report.error(f"Customer Error: {error.reason}")
        raise
    ended = time.time()
    times = {"setuptime": (ready - started) * 1000, "totaltime": (ended - started) * 1000}
    report.metrics(times, started=started, ended=ended)


def _train(algorithm: Algorithm, environment: TrainingEnvironment, report: Report) -> float:
    """Train; when that began, in seconds since the epoch."""
    started = time.time()
    given = environment.user_hyperparameters
    declared = algorithm.hyperparameters.declared().values()
    defaults = {each.wire: each.default for each in declared if each.default is not None}
    report.info(f"Reading default configuration: {defaults}")
    report.info(f"Reading provided configuration from hyperparameters.json: {given}")
    settings = read_settings(given, algorithm.hyperparameters, required=algorithm.required)
    report.info(f"Final configuration: {settings}")
    unknown = [name for name in environment.channels if name not in algorithm.channels]
    if unknown:
        names = ", ".join(f"'{name}'" for name in unknown)
        raise CustomerError(
            "Unable to initialize the algorithm. Failed to validate input data configuration.",
            caused_by="ValidationError",
            detail=f"Additional properties are not allowed ({names} unexpected); the channels are "
            f"{', '.join(algorithm.channels)}",
        )
    device = device_for(0 if given.get("_num_gpus") == 0 else environment.num_gpus)
    report.info(f"computing with {'NumPy' if device.is_numpy else f'PyTorch on {device.name}'}")
    with connected(environment) as hosts:
        job = Job(
            settings=settings,
            channels=environment.channels,
            model_dir=environment.model_dir,
            report=report,
            hosts=hosts,
            device=device,
            seed=_seed(given.get("_seed")),
        )
        ready = time.time()
        first = {"initialize.time": (ready - started) * 1000, "epochs": settings.get("epochs", 1)}
        report.metrics(first, started=started, ended=ready)
        algorithm.train(job)
        return ready


def _seed(given: object) -> int | None:
    """The hyperparameter ``_seed``, this project's own: the same model from the same data."""
    if given is None or (isinstance(given, int) and given >= 0):
        return given
    raise CustomerError(
        f"Hyperparameter _seed: value {given} is not a whole number of at least 0",
        caused_by="ValidationError",
    )
