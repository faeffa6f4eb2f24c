"""``MXNet``: the estimator."""

from __future__ import annotations

from sm_core.estimator import Estimator

__all__ = ["MXNet"]


class MXNet(Estimator):
    """Trains MXNet scripts: ``MXNet(entry_point, role, train_instance_count, …)``.

    The script defines ``train``, or runs by itself.
    """

    framework_name = "mxnet"
    positional = ("entry_point", "role", "train_instance_count", "train_instance_type")
