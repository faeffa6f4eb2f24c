"""SavedModels: found in a model's folder, loaded, and run by signature."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import tensorflow as tf

from sm_core.container.errors import BadPayload, ContainerError, RequestRefused
from sm_tensorflow.container.features import FeatureSpec, features_of
from sm_tensorflow.tensors import NAMES

__all__ = ["DEFAULT_SIGNATURE", "Models", "SavedModel", "Signature"]

logger = logging.getLogger(__name__)

DEFAULT_SIGNATURE = "serving_default"
_FILE = "saved_model.pb"
#: Code and its libraries may hold models of their own, which are not the one to serve.
_CODE = "code"
_METHODS = {
    "tensorflow/serving/predict": "predict",
    "tensorflow/serving/classify": "classify",
    "tensorflow/serving/regress": "regress",
}


@attrs.frozen(kw_only=True)
class Tensor:
    """An input or output of a signature.

    Attributes:
        graph_name: of the tensor in the graph.
        dtype: its data type (``DT_FLOAT``).
        shape: sizes, None for any; None for any rank.
    """

    graph_name: str
    dtype: str
    shape: tuple[int | None, ...] | None


@attrs.frozen(kw_only=True)
class Signature:
    """One way to ask a model.

    Attributes:
        name: ``serving_default`` for most.
        method: ``predict``, ``classify`` or ``regress``.
        inputs: by name.
        outputs: by name.
        features: what the graph parses out of serialized examples; None if it takes none.
        run: arrays in the inputs' order to arrays in the outputs' order.
    """

    name: str
    method: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    features: Mapping[str, FeatureSpec] | None
    run: Callable[..., list[Any]]

    @property
    def takes_examples(self) -> bool:
        """Whether its only input is serialized examples."""
        (first, *others) = self.inputs.values()
        return not others and first.dtype == "DT_STRING" and self.features is not None


class SavedModel:
    """A model that answers, by its signatures.

    Attributes:
        name: of the model.
        version: its number.
        signatures: by name.
    """

    def __init__(self, folder: Path, *, name: str, version: int, threads: int) -> None:
        """
        Args:
            folder: that holds ``saved_model.pb``.
            name: of the model.
            version: its number.
            threads: within one operation; 0 for as many as there are CPUs.

        Raises:
            ContainerError: TensorFlow cannot load it.
        """
        self.name, self.version = name, version
        v1 = tf.compat.v1
        config = v1.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1
        )
        self._session = v1.Session(graph=tf.Graph(), config=config)
        try:
            with self._session.graph.as_default():
                meta = v1.saved_model.load(self._session, _tags(folder), str(folder))
        except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
            raise ContainerError(
                f"TensorFlow {tf.__version__} cannot load the SavedModel in {folder}: {error}"
            ) from error
        self.signatures = {
            key: self._signature(key, described)
            for key, described in meta.signature_def.items()
            if described.method_name in _METHODS and described.inputs and described.outputs
        }
        if not self.signatures:
            raise ContainerError(f"the SavedModel in {folder} has no signature that can be asked")

    def signature(self, name: str = "") -> Signature:
        """The signature called `name`; the default one if empty, or the only one there is.

        Raises:
            RequestRefused: there is none of that name.
        """
        found = self.signatures.get(name or DEFAULT_SIGNATURE)
        if found is None and not name and len(self.signatures) == 1:
            (found,) = self.signatures.values()
        if found is None:
            known = ", ".join(sorted(self.signatures))
            raise BadPayload(f"the model has no signature {name or DEFAULT_SIGNATURE!r}: {known}")
        return found

    def _signature(self, name: str, described: Any) -> Signature:
        inputs = {key: _tensor(info) for key, info in sorted(described.inputs.items())}
        outputs = {key: _tensor(info) for key, info in sorted(described.outputs.items())}
        graph = self._session.graph
        fed = [graph.get_tensor_by_name(each.graph_name) for each in inputs.values()]
        fetched = [graph.get_tensor_by_name(each.graph_name) for each in outputs.values()]
        run = self._session.make_callable(fetched, fed, accept_options=False)
        only_text = len(fed) == 1 and fed[0].dtype == tf.string
        return Signature(
            name=name,
            method=_METHODS[described.method_name],
            inputs=inputs,
            outputs=outputs,
            features=features_of(fed[0]) if only_text else None,
            run=_refusing(run),
        )


class Models:
    """The models in a folder: ``<name>/<number>/saved_model.pb`` anywhere in it."""

    def __init__(self, model_dir: Path, *, default: str | None = None, threads: int = 0) -> None:
        """
        Args:
            model_dir: the unpacked model.
            default: name of the one to ask where a request names none.
            threads: as for `SavedModel`.

        Raises:
            ContainerError: there is none, or none of the name `default`.
        """
        self._folders: dict[str, dict[int, Path]] = {}
        for name, version, folder in _found(model_dir):
            self._folders.setdefault(name, {})[version] = folder
        if not self._folders:
            raise ContainerError(_nothing_in(model_dir))
        self.default = default or min(self._folders)
        self._threads = threads
        self._loaded: dict[Path, SavedModel] = {}
        if default is not None and default not in self._folders:
            raise ContainerError(
                f"there is no model {default!r}: {', '.join(sorted(self._folders))}"
            )
        self.get()

    def get(self, name: str = "", version: int | None = None) -> SavedModel:
        """A model, loaded when it is first asked for.

        Args:
            name: empty for the default one.
            version: None for the newest.

        Raises:
            RequestRefused: there is no such model, or no such version of it.
        """
        name = name or self.default
        versions = self._folders.get(name)
        if versions is None:
            known = ", ".join(sorted(self._folders))
            raise RequestRefused(f"there is no model {name!r}: {known}", status=404)
        number = max(versions) if version is None else version
        if number not in versions:
            known = ", ".join(map(str, sorted(versions)))
            raise RequestRefused(f"model {name} has no version {number}: {known}", status=404)
        folder = versions[number]
        if folder not in self._loaded:
            self._loaded[folder] = SavedModel(
                folder, name=name, version=number, threads=self._threads
            )
        return self._loaded[folder]


def _found(model_dir: Path) -> Iterator[tuple[str, int, Path]]:
    """Name, version and folder of every SavedModel; one that has no number is version 1."""
    for file in sorted(model_dir.rglob(_FILE)):
        folder = file.parent
        if folder.relative_to(model_dir).parts[:1] == (_CODE,):
            continue
        if not re.fullmatch(r"\d+", folder.name):
            yield ("model" if folder == model_dir else folder.name), 1, folder
        elif folder.parent == model_dir:
            yield "model", int(folder.name), folder
        else:
            yield folder.parent.name, int(folder.name), folder


def _nothing_in(model_dir: Path) -> str:
    names = sorted(str(path.relative_to(model_dir)) for path in model_dir.rglob("*"))
    kept = [name for name in names if name.endswith((".keras", ".h5"))]
    what = f"it has: {', '.join(names[:20]) or 'nothing'}"
    if kept:
        what += (
            f". {kept[0]} is Keras's own format: export the model, for example by "
            "model.export(os.environ['SM_MODEL_DIR'] + '/1')"
        )
    return f"the model lacks a SavedModel, <name>/<number>/{_FILE}; {what}"


def _tags(folder: Path) -> list[str]:
    from tensorflow.python.saved_model import loader_impl

    graphs = loader_impl.parse_saved_model(str(folder)).meta_graphs
    tags: list[list[str]] = [sorted(graph.meta_info_def.tags) for graph in graphs]
    serving = [each for each in tags if "serve" in each]
    return min(serving or tags, key=len)


def _tensor(info: Any) -> Tensor:
    shape = info.tensor_shape
    sizes = tuple(None if each.size < 0 else int(each.size) for each in shape.dim)
    return Tensor(
        graph_name=info.name,
        dtype=NAMES.get(info.dtype, str(info.dtype)),
        shape=None if shape.unknown_rank else sizes,
    )


def _refusing(run: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """`run`, whose complaints about what it is fed become refusals of the request."""
    refused = (
        tf.errors.InvalidArgumentError,
        tf.errors.OutOfRangeError,
        tf.errors.FailedPreconditionError,
    )

    def refusing(*arrays: Sequence[Any]) -> list[Any]:
        try:
            return run(*arrays)
        except refused as error:
            raise BadPayload(_without_nodes(error.message)) from None
        except ValueError as error:
            raise BadPayload(f"the model cannot be fed this: {error}") from None

    return refusing


def _without_nodes(message: str) -> str:
    """TensorFlow's message without the names of nodes, which say nothing to a client."""
    first = message.split("\n\nOriginal stack trace")[0].split("\n\t [[")[0].split("\n  (1)")[0]
    return re.sub(r"\s*\[\[\{\{node .*?\}\}\]\]", "", first).strip()
