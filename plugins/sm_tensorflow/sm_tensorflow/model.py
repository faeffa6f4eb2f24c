"""``TensorFlowModel``: a trained TensorFlow model that can be deployed."""

from __future__ import annotations

from sm_core.model import Model

__all__ = ["TensorFlowModel"]


class TensorFlowModel(Model):
    """Serves a SavedModel: ``TensorFlowModel(model_data, role, entry_point=…)``."""

    framework_name = "tensorflow"
