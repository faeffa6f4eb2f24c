"""Diabetes patients, for the programs beside this one: 442 of ten measures, 100 held out.

What is told of a patient is how far the disease has gone a year later, a number from 25 to 346.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from sm_core import Session

HERE = Path(__file__).parent
ROLE = "SageMakerRole"
HELD_OUT = 100


def uploaded(session: Session) -> str:
    """URI of ``train.csv`` and ``test.csv``: measures, then the number, in each line."""
    data = HERE / "data"
    data.mkdir(exist_ok=True)
    np.savetxt(data / "train.csv", _table()[:-HELD_OUT], fmt="%.4f", delimiter=",")
    np.savetxt(data / "test.csv", _table()[-HELD_OUT:], fmt="%.4f", delimiter=",")
    return session.upload_data(data, key_prefix="diabetes")


def error(predictor: Any) -> float:
    """Root mean squared error of an endpoint's answers for the patients held out."""
    held_out = _table()[-HELD_OUT:]
    answers = predictor.predict(held_out[:, :-1].tolist())["outputs"]["progression"]["floatVal"]
    return float(np.sqrt(np.mean((np.array(answers) - held_out[:, -1]) ** 2)))


def _table() -> npt.NDArray[np.float64]:
    patients = load_diabetes(scaled=False)
    table = np.column_stack([scale(patients.data), patients.target])
    return np.random.default_rng(1).permutation(table)
