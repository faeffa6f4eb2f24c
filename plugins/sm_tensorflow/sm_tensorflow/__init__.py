"""TensorFlow for sm-core: estimator, model, predictor, and what runs in the container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["TensorFlow", "TensorFlowModel", "TensorFlowPredictor"]

if TYPE_CHECKING:
    from sm_tensorflow.estimator import TensorFlow
    from sm_tensorflow.model import TensorFlowModel
    from sm_tensorflow.predictor import TensorFlowPredictor
else:
    # Loaded on first use: in a container there is no client to import.
    _MODULES = {
        "TensorFlow": "sm_tensorflow.estimator",
        "TensorFlowModel": "sm_tensorflow.model",
        "TensorFlowPredictor": "sm_tensorflow.predictor",
    }

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        module = _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(module), name)

    def __dir__() -> list[str]:
        return __all__
