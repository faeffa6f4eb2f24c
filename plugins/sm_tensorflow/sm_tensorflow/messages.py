"""TensorFlow's and TensorFlow Serving's messages, without TensorFlow.

They are messages of protobuf with the full names of the originals. A message of the originals'
classes is another class: cross over by bytes,
``PredictRequest.FromString(other.SerializeToString())``.
Predictors and our containers take either.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, MutableSequence
from typing import TYPE_CHECKING, Any, TypeVar

from sm_tensorflow.schema import message_classes

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as AnyMessage
    from google.protobuf.message import Message
    from google.protobuf.wrappers_pb2 import Int64Value

    _Item = TypeVar("_Item")

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
    "TensorProto",
    "TensorShapeProto",
]

if TYPE_CHECKING:

    class _Repeated(MutableSequence[_Item]):
        def add(self, **fields: Any) -> _Item: ...

    class _Dim(Message):
        size: int
        name: str

    class TensorShapeProto(Message):
        """The shape of a tensor; nothing of it is a scalar's."""

        dim: _Repeated[_Dim]
        unknown_rank: bool

        def __init__(self, **fields: Any) -> None: ...

    class TensorProto(Message):
        """A tensor: dtype, shape, and the values in ``tensor_content`` or a typed list."""

        dtype: int
        tensor_shape: TensorShapeProto
        version_number: int
        tensor_content: bytes
        float_val: MutableSequence[float]
        double_val: MutableSequence[float]
        int_val: MutableSequence[int]
        string_val: MutableSequence[bytes]
        scomplex_val: MutableSequence[float]
        int64_val: MutableSequence[int]
        bool_val: MutableSequence[bool]
        dcomplex_val: MutableSequence[float]
        half_val: MutableSequence[int]
        uint32_val: MutableSequence[int]
        uint64_val: MutableSequence[int]

        def __init__(self, **fields: Any) -> None: ...

    class BytesList(Message):
        """Texts or bytes of a feature."""

        value: MutableSequence[bytes]

        def __init__(self, **fields: Any) -> None: ...

    class FloatList(Message):
        """Numbers of a feature, as float32."""

        value: MutableSequence[float]

        def __init__(self, **fields: Any) -> None: ...

    class Int64List(Message):
        """Whole numbers of a feature."""

        value: MutableSequence[int]

        def __init__(self, **fields: Any) -> None: ...

    class Feature(Message):
        """The values of one feature: one of the three lists."""

        bytes_list: BytesList
        float_list: FloatList
        int64_list: Int64List

        def __init__(self, **fields: Any) -> None: ...

    class Features(Message):
        """Features by name."""

        feature: MutableMapping[str, Feature]

        def __init__(self, **fields: Any) -> None: ...

    class Example(Message):
        """One example: ``tf.train.Example``."""

        features: Features

        def __init__(self, **fields: Any) -> None: ...

    class ModelSpec(Message):
        """Which model, version and signature a request is for."""

        name: str
        version: Int64Value
        signature_name: str

        def __init__(self, **fields: Any) -> None: ...

    class PredictRequest(Message):
        """Asks for the outputs of any signature: tensors by name of the input."""

        model_spec: ModelSpec
        inputs: MutableMapping[str, TensorProto]
        output_filter: MutableSequence[str]

        def __init__(self, **fields: Any) -> None: ...

    class PredictResponse(Message):
        """Tensors by name of the output."""

        outputs: MutableMapping[str, TensorProto]
        model_spec: ModelSpec

        def __init__(self, **fields: Any) -> None: ...

    class ExampleList(Message):
        """Examples of a request."""

        examples: _Repeated[Example]

        def __init__(self, **fields: Any) -> None: ...

    class ExampleListWithContext(Message):
        """Examples, and one whose features all of them have."""

        examples: _Repeated[Example]
        context: Example

        def __init__(self, **fields: Any) -> None: ...

    class Input(Message):
        """The examples of a request: one of the two lists."""

        example_list: ExampleList
        example_list_with_context: ExampleListWithContext

        def __init__(self, **fields: Any) -> None: ...

    class Class(Message):
        """A class: its label, and how likely it is."""

        label: str
        score: float

        def __init__(self, **fields: Any) -> None: ...

    class Classifications(Message):
        """The classes of one example."""

        classes: _Repeated[Class]

        def __init__(self, **fields: Any) -> None: ...

    class ClassificationResult(Message):
        """What a classifier said of each example."""

        classifications: _Repeated[Classifications]

        def __init__(self, **fields: Any) -> None: ...

    class ClassificationRequest(Message):
        """Asks a classifier about examples."""

        model_spec: ModelSpec
        input: Input

        def __init__(self, **fields: Any) -> None: ...

    class ClassificationResponse(Message):
        """What a classifier answers."""

        result: ClassificationResult
        model_spec: ModelSpec

        def __init__(self, **fields: Any) -> None: ...

    class Regression(Message):
        """What a regressor said of one example."""

        value: float

        def __init__(self, **fields: Any) -> None: ...

    class RegressionResult(Message):
        """What a regressor said of each example."""

        regressions: _Repeated[Regression]

        def __init__(self, **fields: Any) -> None: ...

    class RegressionRequest(Message):
        """Asks a regressor about examples."""

        model_spec: ModelSpec
        input: Input

        def __init__(self, **fields: Any) -> None: ...

    class RegressionResponse(Message):
        """What a regressor answers."""

        result: RegressionResult
        model_spec: ModelSpec

        def __init__(self, **fields: Any) -> None: ...

    class InferenceTask(Message):
        """One of the questions of a `MultiInferenceRequest`."""

        model_spec: ModelSpec
        method_name: str

        def __init__(self, **fields: Any) -> None: ...

    class InferenceResult(Message):
        """The answer to one of them."""

        model_spec: ModelSpec
        classification_result: ClassificationResult
        regression_result: RegressionResult

        def __init__(self, **fields: Any) -> None: ...

    class MultiInferenceRequest(Message):
        """Asks classifiers and regressors about the same examples."""

        tasks: _Repeated[InferenceTask]
        input: Input

        def __init__(self, **fields: Any) -> None: ...

    class MultiInferenceResponse(Message):
        """What they answer."""

        results: _Repeated[InferenceResult]

        def __init__(self, **fields: Any) -> None: ...

    class GetModelMetadataRequest(Message):
        """Asks for the signatures of a model."""

        model_spec: ModelSpec
        metadata_field: MutableSequence[str]

        def __init__(self, **fields: Any) -> None: ...

    class GetModelMetadataResponse(Message):
        """A model's signatures."""

        model_spec: ModelSpec
        metadata: MutableMapping[str, AnyMessage]

        def __init__(self, **fields: Any) -> None: ...

else:
    _CLASSES: Mapping[str, Any] = message_classes(__name__)
    #: The shape of a tensor; nothing of it is a scalar's.
    TensorShapeProto = _CLASSES["TensorShapeProto"]
    #: A tensor: dtype, shape, and the values in ``tensor_content`` or a typed list.
    TensorProto = _CLASSES["TensorProto"]
    #: Texts or bytes of a feature.
    BytesList = _CLASSES["BytesList"]
    #: Numbers of a feature, as float32.
    FloatList = _CLASSES["FloatList"]
    #: Whole numbers of a feature.
    Int64List = _CLASSES["Int64List"]
    #: The values of one feature: one of the three lists.
    Feature = _CLASSES["Feature"]
    #: Features by name.
    Features = _CLASSES["Features"]
    #: One example: ``tf.train.Example``.
    Example = _CLASSES["Example"]
    #: Which model, version and signature a request is for.
    ModelSpec = _CLASSES["ModelSpec"]
    #: Asks for the outputs of any signature: tensors by name of the input.
    PredictRequest = _CLASSES["PredictRequest"]
    #: Tensors by name of the output.
    PredictResponse = _CLASSES["PredictResponse"]
    #: Examples of a request.
    ExampleList = _CLASSES["ExampleList"]
    #: Examples, and one whose features all of them have.
    ExampleListWithContext = _CLASSES["ExampleListWithContext"]
    #: The examples of a request: one of the two lists.
    Input = _CLASSES["Input"]
    #: A class: its label, and how likely it is.
    Class = _CLASSES["Class"]
    #: The classes of one example.
    Classifications = _CLASSES["Classifications"]
    #: What a classifier said of each example.
    ClassificationResult = _CLASSES["ClassificationResult"]
    #: Asks a classifier about examples.
    ClassificationRequest = _CLASSES["ClassificationRequest"]
    #: What a classifier answers.
    ClassificationResponse = _CLASSES["ClassificationResponse"]
    #: What a regressor said of one example.
    Regression = _CLASSES["Regression"]
    #: What a regressor said of each example.
    RegressionResult = _CLASSES["RegressionResult"]
    #: Asks a regressor about examples.
    RegressionRequest = _CLASSES["RegressionRequest"]
    #: What a regressor answers.
    RegressionResponse = _CLASSES["RegressionResponse"]
    #: One of the questions of a `MultiInferenceRequest`.
    InferenceTask = _CLASSES["InferenceTask"]
    #: The answer to one of them.
    InferenceResult = _CLASSES["InferenceResult"]
    #: Asks classifiers and regressors about the same examples.
    MultiInferenceRequest = _CLASSES["MultiInferenceRequest"]
    #: What they answer.
    MultiInferenceResponse = _CLASSES["MultiInferenceResponse"]
    #: Asks for the signatures of a model.
    GetModelMetadataRequest = _CLASSES["GetModelMetadataRequest"]
    #: A model's signatures.
    GetModelMetadataResponse = _CLASSES["GetModelMetadataResponse"]
