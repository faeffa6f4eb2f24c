"""Serving: MXNet's default model_fn, input_fn, predict_fn and output_fn."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import ContainerError
from sm_core.container.inference import FunctionHandler
from sm_mxnet.container import payloads
from sm_mxnet.container.compatibility import allow_old_names, split_process_request_fn

__all__ = ["MXNetHandler", "limit_threads"]

_FIRST_DIMENSION = "SAGEMAKER_DEFAULT_MODEL_FIRST_DIMENSION_SIZE"


def limit_threads(environment: ServingEnvironment) -> None:
    """Share the CPUs among the workers, unless the user has; to be called before MXNet is imported.

    The engine then runs operators in the calling thread: a model server has its own parallelism.
    """
    threads = str(max(1, environment.num_cpus // environment.workers))
    os.environ.setdefault("OMP_NUM_THREADS", threads)
    os.environ.setdefault("MXNET_CPU_WORKER_NTHREADS", "1")
    os.environ.setdefault("MXNET_CPU_PRIORITY_NTHREADS", "1")
    os.environ.setdefault("MXNET_KVSTORE_REDUCTION_NTHREADS", "1")
    os.environ.setdefault("MXNET_ENGINE_TYPE", "NaiveEngine")


class MXNetHandler(FunctionHandler):
    """Serves Modules and Gluon networks."""

    reads = ("application/json", "text/csv")
    writes = ("application/json", "text/csv")

    def load(self) -> None:
        """Load the model, and refuse one that the defaults cannot handle."""
        super().load()
        if self.is_overridden("transform_fn") or self.is_overridden("predict_fn"):
            return
        from sm_mxnet.container.models import is_supported, lacking

        if not is_supported(self.model):
            raise ContainerError(
                f"model_fn returned a {type(self.model).__name__}; without predict_fn or "
                "transform_fn in the script, it must be a Module or a Gluon network"
            )
        lacks = lacking(self.model)
        if lacks is not None:
            kind = type(self.model).__name__
            raise ContainerError(f"model_fn returned a {kind} that {lacks} before it is returned")

    def _user_module(self) -> ModuleType | None:
        allow_old_names(self.environment.code_dir)
        module = super()._user_module()
        split_process_request_fn(module)
        return module

    def default_model_fn(self, model_dir: str) -> Any:
        """The Module that the default ``save`` wrote to `model_dir`."""
        from sm_mxnet.container.models import load_module

        return load_module(model_dir, first_dimension=self._first_dimension())

    def default_input_fn(self, body: str | bytes, content_type: str, model: Any) -> Any:
        """A JSON list or lines of CSV as an NDArrayIter of the model's batches."""
        from sm_mxnet.container.models import batches, input_shape

        shape = input_shape(model)
        if content_type == "text/csv":
            rows = payloads.rows_of_csv(str(body), shape)
        else:
            rows = payloads.rows_of_json(body, shape)
        return batches(rows, model)

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        """What the network answers: an NDArray, or a list of them for several outputs."""
        from sm_mxnet.container.models import predict

        return predict(data, model)

    def default_output_fn(self, prediction: Any, content_type: str) -> bytes:
        """An NDArray, or a list of them, as JSON or CSV."""
        if content_type == "text/csv":
            return payloads.csv_of(prediction)
        return payloads.json_of(prediction)

    def _first_dimension(self) -> int:
        """Rows of a batch; 0 keeps the number that the model was trained with."""
        text = self.environment.variables.get(_FIRST_DIMENSION, "1") or "0"
        if not text.isdecimal():
            raise ContainerError(f"{_FIRST_DIMENSION} is {text!r}; it must be a whole number")
        return int(text)
