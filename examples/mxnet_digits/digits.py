"""Handwritten digits, for the programs beside this one: 1797 of 8 x 8 pixels, 300 held out."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
ROLE = "SageMakerRole"


def train_data() -> str:
    """URI of a folder with ``digits.csv``: pixels, then the digit, in each line."""
    data = HERE / "data"
    data.mkdir(exist_ok=True)
    np.savetxt(data / "digits.csv", _table()[:-300], fmt="%d", delimiter=",")
    return f"file://{data.resolve()}"


def held_out() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Pixels and labels of the digits that are not trained with."""
    table = _table()[-300:]
    return table[:, :64], table[:, 64]


def accuracy(answers: Any) -> float:
    """Share of `answers`, ten numbers for each digit held out, that are right."""
    return float(np.mean(np.argmax(answers, axis=1) == held_out()[1]))


def _table() -> npt.NDArray[np.float64]:
    digits = load_digits()
    table: npt.NDArray[np.float64] = np.column_stack([digits.data, digits.target])
    return table
