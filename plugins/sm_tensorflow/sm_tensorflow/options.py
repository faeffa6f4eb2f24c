"""The options of ``TensorFlow`` beyond those of every estimator: meaning, default and type."""

from __future__ import annotations

from sm_core.options import Option

__all__ = ["OPTIONS"]

#: Options of the estimator; those but the last are for scripts whose functions are called.
OPTIONS = (
    Option("training_steps", "int | None", "steps to train; None for ever", default=1000),
    Option(
        "evaluation_steps",
        "int | None",
        "batches to evaluate; None until the input ends",
        default=100,
    ),
    Option(
        "checkpoint_path",
        "str | None",
        "S3 URI of checkpoints; None for the job's own, below output_path",
    ),
    Option(
        "model_dir",
        "str | bool | None",
        "what a script of its own is given as --model_dir; None for a folder of the job's, below "
        "output_path; False for none",
    ),
)
