"""Serving: SavedModels, answered as TensorFlow Serving would."""

from __future__ import annotations

from sm_core.container.environment import ServingEnvironment
from sm_core.container.inference import InferenceHandler

__all__ = ["handler"]


def handler(environment: ServingEnvironment) -> InferenceHandler | None:
    """What answers requests in `environment`."""
    return None
