"""The functions by which TensorFlow's containers call a script; for client and container alike."""

from __future__ import annotations

from collections.abc import Collection

from sm_core.scripts import ScriptFunctions

__all__ = [
    "ASKED_VARIABLE",
    "FUNCTIONS",
    "INPUT_FUNCTIONS",
    "MODEL_FUNCTIONS",
    "ONE_HOST_ONLY",
    "UNSERVED",
    "missing_functions",
]

#: Variable by which a container is told the version that was asked for, where it runs another.
ASKED_VARIABLE = "SMCORE_TENSORFLOW_ASKED"
#: Of these a script defines one; ``estimator_fn`` wins over the others, which it may define too.
MODEL_FUNCTIONS = ("estimator_fn", "keras_model_fn", "model_fn")
#: What a script defines beside it.
INPUT_FUNCTIONS = ("train_input_fn", "eval_input_fn", "serving_input_fn")

FUNCTIONS = ScriptFunctions(required=(MODEL_FUNCTIONS, ("train_input_fn",)))

#: Why hosts that share no folder do not train together with a script's functions, and what does.
ONE_HOST_ONLY = (
    "on AWS the functions of a script train on one host only: each parameter server writes its "
    "part of a checkpoint by itself, the hosts share no folder for that, and TensorFlow 2 cannot "
    "write to S3. Set train_instance_count to 1; or take AWS's own image of "
    "framework_version='1.10.0', which can write there; or train with a script that runs by "
    "itself, with tf.distribute.MultiWorkerMirroredStrategy"
)

#: Functions around a SavedModel that only AWS's serving images up to 1.10 call.
UNSERVED = frozenset({"input_fn", "output_fn", "transform_fn"})


def missing_functions(defined: Collection[str]) -> list[str]:
    """Which of the functions that a script must define are not among those that it does.

    Args:
        defined: names of the functions that it defines.
    """
    missing = [name for name in INPUT_FUNCTIONS if name not in defined]
    if not any(name in defined for name in MODEL_FUNCTIONS):
        missing.insert(0, "model_fn (or estimator_fn, or keras_model_fn)")
    return missing
