"""The functions by which TensorFlow's containers call a script; for client and container alike."""

from __future__ import annotations

from sm_core.scripts import ScriptFunctions

__all__ = ["FUNCTIONS", "INPUT_FUNCTIONS", "MODEL_FUNCTIONS", "UNSERVED"]

#: Of these a script defines one; ``estimator_fn`` wins over the others, which it may define too.
MODEL_FUNCTIONS = ("estimator_fn", "keras_model_fn", "model_fn")
#: What a script defines beside it.
INPUT_FUNCTIONS = ("train_input_fn", "eval_input_fn", "serving_input_fn")

FUNCTIONS = ScriptFunctions(required=(MODEL_FUNCTIONS, ("train_input_fn",)))

#: Functions around a SavedModel that only AWS's serving images up to 1.10 call.
UNSERVED = frozenset({"input_fn", "output_fn", "transform_fn"})
