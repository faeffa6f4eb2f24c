"""The options of every estimator and of every model: meaning, default and type, declared once.

The typed dicts are what type checkers see; a test compares them with the declarations.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from sm_core.options import REQUIRED, Option

if TYPE_CHECKING:
    from sm_core.requests import Tags
    from sm_core.session import Session

__all__ = [
    "ESTIMATOR",
    "FRAMEWORK",
    "INPUT_MODES",
    "MODEL",
    "MODEL_ALIASES",
    "EstimatorOptions",
    "ModelOptions",
]

_COMMON = (
    Option("role", "str | None", "IAM role, name or ARN, that job and endpoint assume"),
    Option("entry_point", "str | None", "Python file that trains and serves"),
    Option("source_dir", "str | None", "folder, or s3:// archive, that holds the entry point"),
    Option("py_version", "str | None", "Python version of the image"),
    Option("framework_version", "str | None", "framework version of the image"),
    Option("container_log_level", "int", "log level in the container", default=logging.INFO),
    Option("enable_cloudwatch_metrics", "bool", "send the container's metrics", default=False),
    Option("code_location", "str | None", "bucket, or s3:// prefix, for the code"),
    Option("tags", "Tags", "tags of all that is created: a dict, or AWS's list"),
    Option("sagemaker_session", "Session | None", "whose account; None for a new Session"),
)

#: Options of every estimator; a framework adds its own.
ESTIMATOR = (
    Option("image_name", "str | None", "image URI; wins over the framework's own"),
    Option("train_instance_count", "int", "number of instances", default=1),
    Option("train_instance_type", "str", "instance type, 'ml.c5.xlarge'", default=REQUIRED),
    Option("train_volume_size", "int", "GB of storage per instance", default=30),
    Option("train_max_run", "int", "seconds after which the job is stopped", default=24 * 3600),
    Option("input_mode", "str", "'File', 'Pipe' or 'FastFile'", default="File"),
    Option("output_path", "str | None", "S3 URI for results; None for the default bucket"),
    Option("output_kms_key", "str | None", "KMS key that encrypts results"),
    Option("base_job_name", "str | None", "what job names begin with; None for the image's name"),
    Option("job_name", "str | None", "exact name of the next job"),
    Option("hyperparameters", "Mapping[str, Any] | None", "hyperparameters"),
    *_COMMON,
)

#: What chooses the class of an estimator, and with it further options.
FRAMEWORK = Option("framework", "str | None", "name of an installed framework")

INPUT_MODES = ("File", "Pipe", "FastFile")

#: Options of every model.
MODEL = (
    Option("model_data", "str", "S3 URI of the model's .tar.gz", default=REQUIRED),
    Option("image", "str | None", "image URI; None for the framework's"),
    Option("env", "Mapping[str, str] | None", "variables of the container"),
    Option("name", "str | None", "the model's name; None for a new one on each deploy"),
    Option("predictor_cls", "Callable | None", "makes the predictor of (endpoint name, session)"),
    Option("model_server_workers", "int | None", "worker processes; None for one per CPU"),
    *_COMMON,
)

#: Other spellings of a model's options.
MODEL_ALIASES: Mapping[str, str] = {"image_uri": "image", "image_name": "image"}


class _CommonOptions(TypedDict, total=False):
    role: str | None
    entry_point: str | None
    source_dir: str | None
    py_version: str | None
    framework_version: str | None
    container_log_level: int
    enable_cloudwatch_metrics: bool
    code_location: str | None
    tags: Tags
    sagemaker_session: Session | None


class EstimatorOptions(_CommonOptions, total=False):
    """Keyword arguments of `Estimator` and its subclasses; meanings stand beside `ESTIMATOR`."""

    image_name: str | None
    image_uri: str | None
    train_instance_count: int
    instance_count: int
    train_instance_type: str
    instance_type: str
    train_volume_size: int
    volume_size: int
    train_max_run: int
    max_run: int
    input_mode: str
    output_path: str | None
    output_kms_key: str | None
    base_job_name: str | None
    job_name: str | None
    hyperparameters: Mapping[str, Any] | None


class ModelOptions(_CommonOptions, total=False):
    """Keyword arguments of `Model` and its subclasses; meanings stand beside `MODEL`."""

    model_data: str
    image: str | None
    image_uri: str | None
    image_name: str | None
    env: Mapping[str, str] | None
    name: str | None
    predictor_cls: Callable[[str, Session], Any] | None
    model_server_workers: int | None
