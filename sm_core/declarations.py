"""The options of every estimator and of every model: meaning, default and type, declared once.

The typed dicts are what type checkers see; a test compares them with the declarations.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Literal, TypedDict

import attrs

from sm_core.errors import UnknownFrameworkError
from sm_core.frameworks import Framework, get_framework
from sm_core.hyperparameters import declared_hyperparameters
from sm_core.options import ALIASES, REQUIRED, Option, bind

if TYPE_CHECKING:
    from sm_core.codecs import Body
    from sm_core.requests import Tags
    from sm_core.session import Session
    from sm_core.settings import Checkpoints, Network, Spot

__all__ = [
    "ALGORITHM",
    "ALGORITHM_MODEL",
    "ESTIMATOR",
    "FRAMEWORK",
    "INPUT_MODES",
    "MODEL",
    "MODEL_ALIASES",
    "AlgorithmModelOptions",
    "AlgorithmOptions",
    "EstimatorOptions",
    "EstimatorValues",
    "ModelOptions",
    "bind_estimator",
    "bind_model",
    "estimator_options",
    "model_options",
    "shared_options",
]

_COMMON = (
    Option("role", "str | None", "IAM role, name or ARN, that job and endpoint assume"),
    Option("tags", "Tags", "tags of all that is created: a dict, or AWS's list"),
    Option("network", "Network | None", "VPC, isolation and encryption of what is between hosts"),
    Option("sagemaker_session", "Session | None", "whose account; None for a new Session"),
)

_SCRIPT = (
    Option("entry_point", "str | None", "Python file that trains and serves"),
    Option("source_dir", "str | None", "folder, or s3:// archive, that holds the entry point"),
    Option("dependencies", "Sequence[str]", "files and folders to put beside the code", default=()),
    Option("py_version", "str | None", "Python version of the image"),
    Option("framework_version", "str | None", "framework version of the image"),
    Option("container_log_level", "int", "log level in the container", default=logging.INFO),
    Option("enable_cloudwatch_metrics", "bool", "send the container's metrics", default=False),
    Option("code_location", "str | None", "bucket, or s3:// prefix, for the code"),
)

#: Options of estimators that train without a script of the user's; a framework adds its own.
ALGORITHM = (
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
    Option("train_volume_kms_key", "str | None", "KMS key that encrypts the storage"),
    Option("spot", "Spot | None", "train on spare machines, at a lower price"),
    Option("checkpoints", "Checkpoints | None", "folder that is kept in S3 while the job runs"),
    Option("metrics", "Mapping[str, str] | None", "name to the expression that finds its number"),
    Option("environment", "Mapping[str, str] | None", "variables of the training container"),
    *_COMMON,
)

#: Options of all other estimators; a framework adds its own.
ESTIMATOR = (
    *ALGORITHM,
    *_SCRIPT,
    Option("script_mode", "bool | None", "run the script (True) or call its functions (False)"),
)

#: What chooses the class of an estimator, and with it further options.
FRAMEWORK = Option("framework", "str | None", "name of an installed framework")

INPUT_MODES = ("File", "Pipe", "FastFile")

#: Options of models that serve without a script of the user's.
ALGORITHM_MODEL = (
    Option("model_data", "str", "S3 URI of the model's .tar.gz", default=REQUIRED),
    Option("image", "str | None", "image URI; None for the framework's"),
    Option("env", "Mapping[str, str] | None", "variables of the container"),
    Option("name", "str | None", "the model's name; None for a new one on each deploy"),
    Option("predictor_cls", "Callable | None", "makes the predictor of (endpoint name, session)"),
    Option("serializer", "Callable | None", "the predictor's: makes request bodies"),
    Option("deserializer", "Callable | None", "the predictor's: makes values of responses"),
    Option("content_type", "str | None", "what the predictor declares requests as"),
    Option("accept", "str | None", "content type that the predictor asks for"),
    *_COMMON,
)

#: Options of all other models.
MODEL = (
    *ALGORITHM_MODEL,
    Option("model_server_workers", "int | None", "worker processes; None for one per CPU"),
    *_SCRIPT,
)

#: Other spellings of a model's options.
MODEL_ALIASES: Mapping[str, str] = {
    "image_uri": "image",
    "image_name": "image",
    "environment": "env",
}


class _CommonOptions(TypedDict, total=False):
    role: str | None
    tags: Tags
    network: Network | None
    sagemaker_session: Session | None


class _ScriptOptions(TypedDict, total=False):
    entry_point: str | None
    source_dir: str | None
    dependencies: Sequence[str]
    py_version: str | None
    framework_version: str | None
    container_log_level: int
    enable_cloudwatch_metrics: bool
    code_location: str | None


class AlgorithmOptions(_CommonOptions, total=False):
    """Keyword arguments of estimators without a script; meanings stand beside `ALGORITHM`."""

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
    train_volume_kms_key: str | None
    volume_kms_key: str | None
    spot: Spot | None
    checkpoints: Checkpoints | None
    metrics: Mapping[str, str] | None
    environment: Mapping[str, str] | None


class EstimatorOptions(AlgorithmOptions, _ScriptOptions, total=False):
    """Keyword arguments of all other estimators; meanings stand beside `ESTIMATOR`."""

    script_mode: bool | None


class AlgorithmModelOptions(_CommonOptions, total=False):
    """Keyword arguments of models without a script; meanings stand beside `ALGORITHM_MODEL`."""

    model_data: str
    image: str | None
    image_uri: str | None
    image_name: str | None
    env: Mapping[str, str] | None
    environment: Mapping[str, str] | None
    name: str | None
    predictor_cls: Callable[..., Any] | None
    serializer: Callable[[Any], Body] | None
    deserializer: Callable[[IO[bytes], str], Any] | Literal["auto"] | None
    content_type: str | None
    accept: str | None


class ModelOptions(AlgorithmModelOptions, _ScriptOptions, total=False):
    """Keyword arguments of all other models; meanings stand beside `MODEL`."""

    model_server_workers: int | None


class EstimatorValues:
    """The attributes of every estimator: its framework, and the value of each option."""

    framework: Framework | None
    image_name: str | None
    entry_point: str | None
    source_dir: str | None
    dependencies: Sequence[str]
    role: str | None
    train_instance_count: int
    train_instance_type: str
    train_volume_size: int
    train_max_run: int
    input_mode: str
    output_path: str | None
    output_kms_key: str | None
    base_job_name: str | None
    job_name: str | None
    py_version: str | None
    framework_version: str | None
    container_log_level: int
    enable_cloudwatch_metrics: bool
    code_location: str | None
    tags: Tags
    network: Network | None
    train_volume_kms_key: str | None
    spot: Spot | None
    checkpoints: Checkpoints | None
    metrics: Mapping[str, str] | None
    environment: Mapping[str, str] | None
    script_mode: bool | None


def estimator_options(framework_name: str | None) -> tuple[Option, ...]:
    """The options of an estimator class, its declared hyperparameters among them, for ``help()``.

    Args:
        framework_name: the class's; None for any framework's, and for containers of one's own.
    """
    framework = _known(framework_name)
    if framework is None:
        return ESTIMATOR if framework_name else (*ESTIMATOR, FRAMEWORK)
    return _estimator(framework)


def model_options(framework_name: str | None) -> tuple[Option, ...]:
    """The options of a model class, for ``help()``.

    Args:
        framework_name: the class's; None for containers of one's own.
    """
    return _model(_known(framework_name))


def shared_options(framework: Framework | None) -> list[str]:
    """Names of the options that an estimator hands on to its model."""
    script = framework is None or framework.script
    return [option.name for option in (*_COMMON, *(_SCRIPT if script else ()))]


def bind_estimator(
    owner: str,
    framework: Framework | None,
    positional: Sequence[str],
    args: Sequence[Any],
    keywords: Mapping[str, Any],
) -> dict[str, Any]:
    """The value of every option of an estimator, from its constructor's arguments.

    An algorithm has no options about scripts, but reads as if they were at their defaults.
    Hyperparameters that are required may be absent: they may be given otherwise.

    Args:
        owner: the class, for messages.
        framework: None for a container of the user's own.
        positional: names that may be given by position, in order.
        args: positional arguments.
        keywords: keyword arguments, aliases and hyperparameters' names on the wire among them.

    Raises:
        TypeError: an option is unknown, given twice, or missing.
    """
    declared = declared_hyperparameters(framework)
    options = [
        attrs.evolve(option, default=None) if option.name in declared else option
        for option in _estimator(framework)
    ]
    wire = {each.wire: name for name, each in declared.items() if each.wire != name}
    bound = bind(owner, options, positional, args, keywords, aliases={**ALIASES, **wire})
    return {**_defaults(ESTIMATOR), **bound}


def bind_model(
    owner: str,
    framework: Framework | None,
    positional: Sequence[str],
    args: Sequence[Any],
    keywords: Mapping[str, Any],
) -> dict[str, Any]:
    """The value of every option of a model; arguments and errors as for `bind_estimator`."""
    bound = bind(owner, _model(framework), positional, args, keywords, aliases=MODEL_ALIASES)
    return {**_defaults(MODEL), **bound}


def _defaults(options: Sequence[Option]) -> dict[str, Any]:
    return {option.name: option.default for option in options}


def _known(framework_name: str | None) -> Framework | None:
    """The framework; None where its plugin was set aside, which making an instance will say."""
    if framework_name is None:
        return None
    try:
        return get_framework(framework_name)
    except UnknownFrameworkError:
        return None


def _estimator(framework: Framework | None) -> tuple[Option, ...]:
    if framework is None:
        return ESTIMATOR
    own = ESTIMATOR if framework.script else ALGORITHM
    hyperparameters = [
        Option(
            name,
            f"{each.annotation} | None",
            f"{each.help}: {each.expected}",
            default=REQUIRED if each.required else None,
        )
        for name, each in declared_hyperparameters(framework).items()
    ]
    return (*own, *framework.options, *hyperparameters)


def _model(framework: Framework | None) -> tuple[Option, ...]:
    return MODEL if framework is None or framework.script else ALGORITHM_MODEL
