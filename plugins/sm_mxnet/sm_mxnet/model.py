"""``MXNetModel``: a trained MXNet model that can be deployed."""

from __future__ import annotations

from sm_core.model import Model

__all__ = ["MXNetModel"]


class MXNetModel(Model):
    """Serves an MXNet model: ``MXNetModel(model_data, role, entry_point=…)``."""

    framework_name = "mxnet"
