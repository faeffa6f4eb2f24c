"""TensorFlow's own servers: this host's, and ``python -m`` of this, a parameter server."""

from __future__ import annotations

import functools
import json
import os
from typing import Any

import tensorflow.compat.v1 as tf
from tensorflow.python.training import session_manager

__all__ = ["start_server"]

#: Seconds between two looks of a worker whether the master has made the variables; TensorFlow's 30
#: are longer than some jobs, which are over then and leave the worker waiting for ever.
_RECOVERY_SECONDS = 1


def start_server(config: Any) -> Any:
    """The server by which the other hosts reach this one, as long as the result is kept.

    Args:
        config: a ``RunConfig``, which knows the cluster and this host's task.
    """
    _look_often()
    return tf.train.Server(
        config.cluster_spec,
        job_name=config.task_type,
        task_index=config.task_id,
        config=config.session_config,
    )


def _look_often() -> None:
    manager = session_manager.SessionManager
    if not isinstance(manager.__init__, functools.partialmethod):
        manager.__init__ = functools.partialmethod(
            manager.__init__, recovery_wait_secs=_RECOVERY_SECONDS
        )


def _serve_parameters() -> None:
    """Keep this host's part of the parameters until the process is ended."""
    settings = json.loads(os.environ["TF_CONFIG"])
    server = tf.train.Server(
        tf.train.ClusterSpec(settings["cluster"]),
        job_name="ps",
        task_index=settings["task"]["index"],
        config=tf.ConfigProto(device_count={"GPU": 0}),
    )
    server.join()


if __name__ == "__main__":
    _serve_parameters()
