"""``TensorFlowPredictor``: predicts with lists, arrays and TensorFlow's messages."""

from __future__ import annotations

from sm_core.predictor import Predictor

__all__ = ["TensorFlowPredictor"]


class TensorFlowPredictor(Predictor):
    """Sends lists and numpy arrays as JSON, returns what the model answers as Python values."""

    framework_name = "tensorflow"
