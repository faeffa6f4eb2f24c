"""Jobs of the algorithms in this process, on data in files as a container has it."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from sm_amazon_algos import write_numpy_to_dense_tensor, write_spmatrix_to_sparse_tensor
from sm_amazon_algos.container.algorithms import Job, algorithm_called
from sm_amazon_algos.container.devices import CPU, Device
from sm_amazon_algos.container.hosts import Hosts
from sm_amazon_algos.container.report import Report
from sm_amazon_algos.container.settings import read_settings
from sm_core.container.channels import Channel


@pytest.fixture
def write_channel(tmp_path: Path) -> Callable[..., Channel]:
    """Writes rows, or bytes as they are, as the files of a channel."""

    def write(
        name: str,
        *parts: Any,
        labels: Any = None,
        content_type: str | None = None,
        folder: str = "data",
    ) -> Channel:
        path = tmp_path / folder / name
        path.mkdir(parents=True, exist_ok=True)
        for number, part in enumerate(parts):
            with (path / f"part-{number}").open("wb") as file:
                if isinstance(part, bytes):
                    file.write(part)
                elif hasattr(part, "tocsr"):
                    write_spmatrix_to_sparse_tensor(file, part, labels)
                else:
                    write_numpy_to_dense_tensor(file, part, labels)
        return Channel(name=name, path=path, content_type=content_type)

    return write


@attrs.frozen
class Trained:
    """What a job has left.

    Attributes:
        model: loaded from its file.
        file: the model's.
        log: the job's lines.
    """

    model: Any
    file: Path
    log: str


@pytest.fixture
def trained(
    tmp_path: Path,
    write_channel: Callable[..., Channel],
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Trained]:
    """Trains an algorithm on rows, or on channels that are written already."""

    def train(
        name: str,
        rows: Any,
        *,
        test: Any = None,
        seed: int | None = 0,
        hosts: Hosts | None = None,
        device: Device = CPU,
        model: str = "model",
        **hyperparameters: Any,
    ) -> Trained:
        algorithm = algorithm_called(name)
        channels = {"train": rows if isinstance(rows, Channel) else write_channel("train", rows)}
        if test is not None:
            channels["test"] = test if isinstance(test, Channel) else write_channel("test", test)
        if not isinstance(rows, Channel):
            hyperparameters.setdefault("feature_dim", rows.shape[1])
        settings = read_settings(
            hyperparameters, algorithm.hyperparameters, required=algorithm.required
        )
        capsys.readouterr()
        job = Job(
            settings=settings,
            channels=channels,
            model_dir=tmp_path / model,
            report=Report(algorithm=algorithm.log_name, host="algo-1"),
            hosts=hosts or Hosts(),
            device=device,
            seed=seed,
        )
        algorithm.train(job)
        file = job.model_dir / "model_algo-1"
        loaded = algorithm.load(file) if file.is_file() else None
        return Trained(loaded, file, capsys.readouterr().out)

    return train


class ThreadHosts(Hosts):
    """Hosts that are threads of one process."""

    def __init__(self, rank: int, count: int, shared: dict[int, Any], wall: Any) -> None:
        self.rank, self.count = rank, count
        self._shared, self._wall = shared, wall

    def _exchanged(self, value: Any) -> list[Any]:
        self._shared[self.rank] = value
        self._wall.wait()
        found = [self._shared[rank] for rank in range(self.count)]
        self._wall.wait()
        return found

    def sum(self, array: Any) -> Any:
        """In the order of the ranks, so that all have the same bits."""
        found = self._exchanged(array)
        return sum(found[1:], start=np.array(found[0]))

    def gather(self, array: Any) -> list[Any]:
        """As it is."""
        return self._exchanged(array)

    def broadcast(self, array: Any) -> Any:
        """Of the first."""
        return self._exchanged(array)[0]


@pytest.fixture
def on_hosts() -> Callable[..., list[Any]]:
    """Calls a function once for each of some hosts, side by side; what it returned on each."""

    def call(function: Callable[[Hosts], Any], count: int) -> list[Any]:
        shared: dict[int, Any] = {}
        wall = threading.Barrier(count, timeout=30)
        results: dict[int, Any] = {}
        errors: list[BaseException] = []

        def run(rank: int) -> None:
            try:
                results[rank] = function(ThreadHosts(rank, count, shared, wall))
            except BaseException as error:  # noqa: BLE001  # the test fails with it
                errors.append(error)
                wall.abort()

        threads = [threading.Thread(target=run, args=(rank,)) for rank in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        own = [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]
        if own or errors:
            raise (own or errors)[0]
        return [results[rank] for rank in range(count)]

    return call


@pytest.fixture
def metrics() -> Callable[[str], list[Mapping[str, Any]]]:
    """The documents of the ``#metrics`` lines of a log."""

    def documents(log: str) -> list[Mapping[str, Any]]:
        mark = "#metrics "
        return [
            json.loads(line.removeprefix(mark))
            for line in log.splitlines()
            if line.startswith(mark)
        ]

    return documents


#: Readings after which nobody asks for more.
_MOST = 30


class _Feed:
    """Writes the same data into one FIFO after the other.

    Attributes:
        begun: readings that were begun.
    """

    def __init__(self, folder: Path, channel: str, blocks: Iterable[bytes]) -> None:
        self.begun = 0
        self._folder, self._channel, self._blocks = folder, channel, blocks
        self._over = threading.Event()
        self._make(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Write no more; whoever waits for a reader is let go."""
        self._over.set()
        while self._thread.is_alive():
            for path in self._folder.glob(f"{self._channel}_*"):
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            self._thread.join(0.05)

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._channel}_{number}"

    def _make(self, number: int) -> None:
        os.mkfifo(self._path(number))

    def _run(self) -> None:
        for number in range(_MOST):
            with self._path(number).open("wb", buffering=0) as pipe:
                if self._over.is_set():
                    return
                self.begun += 1
                # The next one is there before the reader can ask for it.
                self._make(number + 1)
                with contextlib.suppress(BrokenPipeError):
                    for block in self._blocks:
                        left = memoryview(block)
                        while left:  # a kernel may take a part of it
                            left = left[pipe.write(left) :]


@pytest.fixture
def fed() -> Callable[[Path, str, Iterable[bytes]], AbstractContextManager[Any]]:
    """Feeds a channel in Pipe mode, as a platform does, for as long as a context lasts."""

    @contextlib.contextmanager
    def feed(folder: Path, channel: str, blocks: Iterable[bytes]) -> Iterator[_Feed]:
        given = _Feed(folder, channel, blocks)
        try:
            yield given
        finally:
            given.end()

    return feed
