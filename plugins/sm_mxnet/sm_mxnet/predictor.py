"""``MXNetPredictor``: predicts with lists and arrays."""

from __future__ import annotations

from sm_core.predictor import Predictor

__all__ = ["MXNetPredictor"]


class MXNetPredictor(Predictor):
    """Sends lists and numpy arrays as JSON, returns what the model answers as Python values."""

    framework_name = "mxnet"
