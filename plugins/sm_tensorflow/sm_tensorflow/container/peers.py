"""Watches whether other hosts of a job live, by connecting to their parameter servers."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Mapping

from sm_core.container.environment import TrainingEnvironment
from sm_core.container.failure import write_failure
from sm_core.container.process import abandon

__all__ = ["MasterWatch", "WorkersWatch"]

logger = logging.getLogger(__name__)

_Address = tuple[str, int]
#: Seconds between two looks, and how many in vain mean that a host has gone.
_PERIOD, _LOOKS = 1.0, 3
#: Seconds that a host may take to begin, and a worker to notice by itself that the master has gone.
_PATIENCE, _GRACE = 900.0, 10.0


class _Watch:
    """A thread that looks; it ends with the ``with`` block."""

    def __init__(self, environment: TrainingEnvironment) -> None:
        self._environment = environment
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        raise NotImplementedError

    def _start(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _fail(self, reason: str) -> None:
        logger.error("%s", reason)
        write_failure(reason, self._environment.output_dir)
        abandon(1)


class MasterWatch(_Watch):
    """On a worker: when the master has gone, this host ends too, stuck or not."""

    def __init__(self, environment: TrainingEnvironment, address: _Address) -> None:
        """
        Args:
            environment: of the job.
            address: of the master's parameter server, which lives as long as the master does.
        """
        super().__init__(environment)
        self._peer = _Peer(address)
        self._gone = threading.Event()

    def __enter__(self) -> MasterWatch:
        self._start()
        return self

    def wait(self) -> None:
        """Wait until the master has gone."""
        logger.info("trained; waiting for the master to end")
        # In slices, so that a signal's handler runs in between.
        while not self._gone.wait(_PERIOD):
            pass

    def _run(self) -> None:
        while not self._over.wait(_PERIOD):
            if self._peer.never_came():
                self._fail(f"the master did not begin within {_PATIENCE:.0f} seconds")
            if not self._peer.has_gone():
                continue
            self._gone.set()
            if self._over.wait(_GRACE):
                return
            logger.info("the master has ended, and so does this host")
            (self._environment.output_dir / "success").touch()
            abandon(0)


class WorkersWatch(_Watch):
    """On the master: the job fails when another host goes before, with its part of the model."""

    def __init__(self, environment: TrainingEnvironment, addresses: Mapping[str, _Address]) -> None:
        """
        Args:
            environment: of the job.
            addresses: of the other hosts' parameter servers.
        """
        super().__init__(environment)
        self._peers = {host: _Peer(address) for host, address in addresses.items()}

    def __enter__(self) -> WorkersWatch:
        self._start()
        return self

    def _run(self) -> None:
        while not self._over.wait(_PERIOD):
            for host, peer in self._peers.items():
                if peer.never_came():
                    self._fail(f"host {host} did not begin within {_PATIENCE:.0f} seconds")
                if peer.has_gone() and not self._over.is_set():
                    self._fail(
                        f"host {host} ended before the training did, and its part of the model is "
                        "lost; its log says why"
                    )


class _Peer:
    def __init__(self, address: _Address) -> None:
        self._address = address
        self._seen = False
        self._missed = 0

    def has_gone(self) -> bool:
        """Look once; whether it was there and is no more."""
        try:
            with socket.create_connection(self._address, timeout=_PERIOD):
                self._seen, self._missed = True, 0
        except OSError:
            self._missed += 1
        return self._seen and self._missed >= _LOOKS

    def never_came(self) -> bool:
        """Whether it should have been there by now."""
        return not self._seen and self._missed * _PERIOD > _PATIENCE
