"""What an algorithm is, and where the container finds it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, cast

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.channels import DataChannel
from sm_amazon_algos.container.devices import CPU, Device
from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.report import Report
from sm_amazon_algos.containers import ALGORITHMS
from sm_amazon_algos.hyperparameters import AlgorithmHyperparameters
from sm_core.container.channels import Channel
from sm_core.container.errors import ContainerError

__all__ = ["Algorithm", "Job", "ServedModel", "algorithm_called", "model_file"]

#: The one file of a model, named after the first host.
_MODEL = "model_algo-1"


@attrs.frozen(kw_only=True)
class Job:
    """A training job, as an algorithm sees it.

    Attributes:
        settings: all hyperparameters, by their names on the wire, with defaults.
        channels: as the job has them, by name.
        model_dir: folder of the model.
        report: AWS's lines in the log.
        hosts: of the job, connected.
        device: that computes.
        seed: of the randomness; None for another one each time.
    """

    settings: Mapping[str, Any]
    channels: Mapping[str, Channel]
    model_dir: Path
    report: Report
    hosts: Hosts = attrs.field(factory=Hosts)
    device: Device = CPU
    seed: int | None = None

    def generator(self) -> np.random.Generator:
        """A new source of randomness."""
        return np.random.default_rng(self.seed)

    def channel(
        self, name: str, *, feature_dim: int | None, labels: bool = False
    ) -> DataChannel | None:
        """The data of a channel; None if the job has no such channel.

        Args:
            name: ``train``, ``validation`` or ``test``.
            feature_dim: width that its rows must have; None for that of the first one.
            labels: whether every row must have a label.

        Raises:
            CustomerError: its content type is none that is read.
        """
        channel = self.channels.get(name)
        if channel is None:
            return None
        return DataChannel(channel, feature_dim=feature_dim, labels=labels)

    def training_channel(self, *, feature_dim: int | None, labels: bool = False) -> DataChannel:
        """The channel ``train``; arguments as for `channel`.

        Raises:
            CustomerError: the job has none.
        """
        found = self.channel("train", feature_dim=feature_dim, labels=labels)
        if found is None:
            raise CustomerError(
                "Unable to initialize the algorithm. Failed to validate input data configuration.",
                caused_by="ValidationError",
                detail="'train' is a required property",
            )
        return found

    def save(self, model: bytes) -> None:
        """Write the model, on the first host alone."""
        if self.hosts.rank == 0:
            self.model_dir.mkdir(parents=True, exist_ok=True)
            (self.model_dir / _MODEL).write_bytes(model)


class ServedModel(ABC):
    """A model that answers requests.

    Attributes:
        feature_dim: width of the rows that it takes.
        collection: under which name a JSON answer holds the rows.
    """

    feature_dim: int
    collection: ClassVar[str] = "predictions"

    @abstractmethod
    def predict(self, rows: npt.NDArray[np.float32]) -> Mapping[str, npt.NDArray[Any]]:
        """What is answered, by name, in the order of columns in CSV.

        Args:
            rows: float32, (rows, feature_dim), finite.

        Returns:
            arrays of floats or integers, (rows,), or (rows, numbers) where each row gets a list.
        """


class Algorithm(ABC):
    """One of Amazon's algorithms.

    Attributes:
        log_name: as ``#metrics`` lines call it.
        hyperparameters: their declarations.
        required: names on the wire of the hyperparameters that the container cannot do without.
        channels: names of the channels that a job may have.
    """

    log_name: ClassVar[str]
    hyperparameters: ClassVar[type[AlgorithmHyperparameters]]
    required: ClassVar[tuple[str, ...]]
    channels: ClassVar[tuple[str, ...]] = ("train", "test")

    @abstractmethod
    def train(self, job: Job) -> None:
        """Train, log, and `Job.save` the model.

        Raises:
            CustomerError: hyperparameters or data are wrong.
        """

    @abstractmethod
    def load(self, file: Path) -> ServedModel:
        """The model in `file`, that this container or AWS's own wrote.

        Raises:
            SMError: it is none.
        """


def algorithm_called(name: str) -> Algorithm:
    """The algorithm `name`, imported.

    Raises:
        ContainerError: there is none of that name.
    """
    if name not in ALGORITHMS:
        known = ", ".join(ALGORITHMS)
        raise ContainerError(f"there is no algorithm {name!r}; there are: {known}")
    module, _, attribute = ALGORITHMS[name].partition(":")
    found = cast("type[Algorithm]", getattr(import_module(module), attribute))
    return found()


def model_file(folder: Path) -> Path:
    """The file of the model in `folder`, or in a folder of its own there.

    Raises:
        ContainerError: there is none.
    """
    for path in _candidates(folder):
        if path.is_file():
            return path
    present = ", ".join(sorted(path.name for path in folder.glob("*"))) or "nothing"
    raise ContainerError(f"the model lacks the file {_MODEL}; it has: {present}")


def _candidates(folder: Path) -> Iterator[Path]:
    yield folder / _MODEL
    yield from sorted(folder.glob("model_*"))
    for inner in sorted(path for path in folder.glob("*") if path.is_dir()):
        yield inner / _MODEL
