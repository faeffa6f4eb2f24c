"""Train and host machine-learning models on Amazon SageMaker, or on a laptop.

The names below are loaded on first use: importing the package imports nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

#: Public name → module that defines it, and its name there.
_LOCATIONS = {
    "Checkpoints": ("sm_core.settings", "Checkpoints"),
    "Estimator": ("sm_core.estimator", "Estimator"),
    "Model": ("sm_core.model", "Model"),
    "Network": ("sm_core.settings", "Network"),
    "Predictor": ("sm_core.predictor", "Predictor"),
    "RealTimePredictor": ("sm_core.predictor", "Predictor"),
    "Session": ("sm_core.session", "Session"),
    "Spot": ("sm_core.settings", "Spot"),
    "TrainingInput": ("sm_core.inputs", "TrainingInput"),
    "bytes_deserializer": ("sm_core.formats", "bytes_deserializer"),
    "bytes_serializer": ("sm_core.formats", "bytes_serializer"),
    "container_def": ("sm_core.model", "container_def"),
    "csv_deserializer": ("sm_core.formats", "csv_deserializer"),
    "csv_serializer": ("sm_core.formats", "csv_serializer"),
    "get_execution_role": ("sm_core.session", "get_execution_role"),
    "json_deserializer": ("sm_core.formats", "json_deserializer"),
    "json_serializer": ("sm_core.formats", "json_serializer"),
    "jsonlines_deserializer": ("sm_core.formats", "jsonlines_deserializer"),
    "jsonlines_serializer": ("sm_core.formats", "jsonlines_serializer"),
    "list_frameworks": ("sm_core.frameworks", "list_frameworks"),
    "npy_deserializer": ("sm_core.formats", "npy_deserializer"),
    "npy_serializer": ("sm_core.formats", "npy_serializer"),
    "production_variant": ("sm_core.model", "production_variant"),
    "s3_input": ("sm_core.inputs", "TrainingInput"),
    "stream_deserializer": ("sm_core.formats", "stream_deserializer"),
    "stream_serializer": ("sm_core.formats", "stream_serializer"),
    "string_deserializer": ("sm_core.formats", "string_deserializer"),
    "string_serializer": ("sm_core.formats", "string_serializer"),
    "ArchiveError": ("sm_core.errors", "ArchiveError"),
    "CodecError": ("sm_core.errors", "CodecError"),
    "ConfigurationError": ("sm_core.errors", "ConfigurationError"),
    "EndpointFailed": ("sm_core.errors", "EndpointFailed"),
    "ImageError": ("sm_core.errors", "ImageError"),
    "InputError": ("sm_core.errors", "InputError"),
    "LocalServiceError": ("sm_core.errors", "LocalServiceError"),
    "ModelError": ("sm_core.errors", "ModelError"),
    "PluginError": ("sm_core.errors", "PluginError"),
    "RequestError": ("sm_core.errors", "RequestError"),
    "SMError": ("sm_core.errors", "SMError"),
    "SourceError": ("sm_core.errors", "SourceError"),
    "TrainingJobFailed": ("sm_core.errors", "TrainingJobFailed"),
    "UnknownBackendError": ("sm_core.errors", "UnknownBackendError"),
    "UnknownFrameworkError": ("sm_core.errors", "UnknownFrameworkError"),
}

__all__ = [
    "ArchiveError",
    "Checkpoints",
    "CodecError",
    "ConfigurationError",
    "EndpointFailed",
    "Estimator",
    "ImageError",
    "InputError",
    "LocalServiceError",
    "Model",
    "ModelError",
    "Network",
    "PluginError",
    "Predictor",
    "RealTimePredictor",
    "RequestError",
    "SMError",
    "Session",
    "SourceError",
    "Spot",
    "TrainingInput",
    "TrainingJobFailed",
    "UnknownBackendError",
    "UnknownFrameworkError",
    "__version__",
    "bytes_deserializer",
    "bytes_serializer",
    "container_def",
    "csv_deserializer",
    "csv_serializer",
    "get_execution_role",
    "json_deserializer",
    "json_serializer",
    "jsonlines_deserializer",
    "jsonlines_serializer",
    "list_frameworks",
    "npy_deserializer",
    "npy_serializer",
    "production_variant",
    "s3_input",
    "stream_deserializer",
    "stream_serializer",
    "string_deserializer",
    "string_serializer",
]

if TYPE_CHECKING:
    from sm_core.errors import (
        ArchiveError,
        CodecError,
        ConfigurationError,
        EndpointFailed,
        ImageError,
        InputError,
        LocalServiceError,
        ModelError,
        PluginError,
        RequestError,
        SMError,
        SourceError,
        TrainingJobFailed,
        UnknownBackendError,
        UnknownFrameworkError,
    )
    from sm_core.estimator import Estimator
    from sm_core.formats import (
        bytes_deserializer,
        bytes_serializer,
        csv_deserializer,
        csv_serializer,
        json_deserializer,
        json_serializer,
        jsonlines_deserializer,
        jsonlines_serializer,
        npy_deserializer,
        npy_serializer,
        stream_deserializer,
        stream_serializer,
        string_deserializer,
        string_serializer,
    )
    from sm_core.frameworks import list_frameworks
    from sm_core.inputs import TrainingInput
    from sm_core.inputs import TrainingInput as s3_input
    from sm_core.model import Model, container_def, production_variant
    from sm_core.predictor import Predictor
    from sm_core.predictor import Predictor as RealTimePredictor
    from sm_core.session import Session, get_execution_role
    from sm_core.settings import Checkpoints, Network, Spot

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        try:
            module, attribute = _LOCATIONS[name]
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        value = getattr(import_module(module), attribute)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
