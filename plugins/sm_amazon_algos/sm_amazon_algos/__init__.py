"""Amazon's algorithms for sm-core: KMeans, PCA, LinearLearner, and records at memory speed.

The names below are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

#: Public name → module that defines it.
_LOCATIONS = {
    "KMeans": "sm_amazon_algos.estimator",
    "KMeansModel": "sm_amazon_algos.model",
    "KMeansPredictor": "sm_amazon_algos.predictor",
    "LinearLearner": "sm_amazon_algos.estimator",
    "LinearLearnerModel": "sm_amazon_algos.model",
    "LinearLearnerPredictor": "sm_amazon_algos.predictor",
    "PCA": "sm_amazon_algos.estimator",
    "PCAModel": "sm_amazon_algos.model",
    "PCAPredictor": "sm_amazon_algos.predictor",
    "Record": "sm_amazon_algos.records",
    "RecordSet": "sm_amazon_algos.recordset",
    "numpy_to_record_serializer": "sm_amazon_algos.codec",
    "read_records": "sm_amazon_algos.recordio",
    "record_deserializer": "sm_amazon_algos.codec",
    "records_to_numpy": "sm_amazon_algos.recordio",
    "write_numpy_to_dense_tensor": "sm_amazon_algos.recordio",
    "write_spmatrix_to_sparse_tensor": "sm_amazon_algos.recordio",
}

__all__ = [
    "PCA",
    "KMeans",
    "KMeansModel",
    "KMeansPredictor",
    "LinearLearner",
    "LinearLearnerModel",
    "LinearLearnerPredictor",
    "PCAModel",
    "PCAPredictor",
    "Record",
    "RecordSet",
    "numpy_to_record_serializer",
    "read_records",
    "record_deserializer",
    "records_to_numpy",
    "write_numpy_to_dense_tensor",
    "write_spmatrix_to_sparse_tensor",
]

if TYPE_CHECKING:
    from sm_amazon_algos.codec import numpy_to_record_serializer, record_deserializer
    from sm_amazon_algos.estimator import PCA, KMeans, LinearLearner
    from sm_amazon_algos.model import KMeansModel, LinearLearnerModel, PCAModel
    from sm_amazon_algos.predictor import (
        KMeansPredictor,
        LinearLearnerPredictor,
        PCAPredictor,
    )
    from sm_amazon_algos.recordio import (
        read_records,
        records_to_numpy,
        write_numpy_to_dense_tensor,
        write_spmatrix_to_sparse_tensor,
    )
    from sm_amazon_algos.records import Record
    from sm_amazon_algos.recordset import RecordSet

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        module = _LOCATIONS.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
