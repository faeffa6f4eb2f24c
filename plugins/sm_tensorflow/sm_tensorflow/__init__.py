"""TensorFlow for sm-core: estimator, model, predictor, messages, and what runs in the container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = [
    "BytesList",
    "Class",
    "ClassificationRequest",
    "ClassificationResponse",
    "ClassificationResult",
    "Classifications",
    "Example",
    "ExampleList",
    "ExampleListWithContext",
    "Feature",
    "Features",
    "FloatList",
    "GetModelMetadataRequest",
    "GetModelMetadataResponse",
    "InferenceResult",
    "InferenceTask",
    "Input",
    "Int64List",
    "ModelSpec",
    "MultiInferenceRequest",
    "MultiInferenceResponse",
    "PredictRequest",
    "PredictResponse",
    "Regression",
    "RegressionRequest",
    "RegressionResponse",
    "RegressionResult",
    "TensorFlow",
    "TensorFlowModel",
    "TensorFlowPredictor",
    "TensorProto",
    "TensorShapeProto",
    "array_of_tensor",
    "make_tensor_proto",
    "tf_csv_serializer",
    "tf_deserializer",
    "tf_json_deserializer",
    "tf_json_serializer",
    "tf_proto_deserializer",
    "tf_proto_serializer",
    "tf_serializer",
]

if TYPE_CHECKING:
    from sm_tensorflow.codec import (
        tf_csv_serializer,
        tf_deserializer,
        tf_json_deserializer,
        tf_json_serializer,
        tf_proto_deserializer,
        tf_proto_serializer,
        tf_serializer,
    )
    from sm_tensorflow.estimator import TensorFlow
    from sm_tensorflow.messages import (
        BytesList,
        Class,
        ClassificationRequest,
        ClassificationResponse,
        ClassificationResult,
        Classifications,
        Example,
        ExampleList,
        ExampleListWithContext,
        Feature,
        Features,
        FloatList,
        GetModelMetadataRequest,
        GetModelMetadataResponse,
        InferenceResult,
        InferenceTask,
        Input,
        Int64List,
        ModelSpec,
        MultiInferenceRequest,
        MultiInferenceResponse,
        PredictRequest,
        PredictResponse,
        Regression,
        RegressionRequest,
        RegressionResponse,
        RegressionResult,
        TensorProto,
        TensorShapeProto,
    )
    from sm_tensorflow.model import TensorFlowModel
    from sm_tensorflow.predictor import TensorFlowPredictor
    from sm_tensorflow.tensors import (
        array_of_tensor,
        make_tensor_proto,
    )
else:
    # Loaded on first use: in a container there is no client to import.
    _MODULES = {
        "TensorFlow": "sm_tensorflow.estimator",
        "TensorFlowModel": "sm_tensorflow.model",
        "TensorFlowPredictor": "sm_tensorflow.predictor",
        "array_of_tensor": "sm_tensorflow.tensors",
        "make_tensor_proto": "sm_tensorflow.tensors",
    }

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        of_messages = "sm_tensorflow.codec" if name.startswith("tf_") else "sm_tensorflow.messages"
        return getattr(import_module(_MODULES.get(name, of_messages)), name)

    def __dir__() -> list[str]:
        return __all__
