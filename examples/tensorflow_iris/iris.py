"""Trains a premade TensorFlow estimator on iris flowers, deploys it and asks it, on this machine.

On AWS the same lines run with `sagemaker_session=Session()`, a role of yours and
`framework_version="1.10.0"`: of AWS's images, later ones do not call a script's functions.
"""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_iris

from sm_core import Session
from sm_tensorflow import TensorFlow

HERE = Path(__file__).parent
HELD_OUT = 30


def main() -> None:
    iris = load_iris()
    table = np.random.default_rng(3).permutation(np.column_stack([iris.data, iris.target]))
    data = HERE / "data"
    data.mkdir(exist_ok=True)
    np.savetxt(data / "train.csv", table[:-HELD_OUT], fmt="%g", delimiter=",")
    np.savetxt(data / "test.csv", table[-HELD_OUT:], fmt="%g", delimiter=",")

    session = Session.local()
    estimator = TensorFlow(
        str(HERE / "flowers.py"),
        role="SageMakerRole",
        train_instance_count=1,
        train_instance_type="ml.c4.xlarge",
        training_steps=500,
        evaluation_steps=1,
        hyperparameters={"hidden_units": [10, 20, 10]},
        sagemaker_session=session,
    )
    estimator.fit(session.upload_data(data, key_prefix="iris"))

    with estimator.deploy(initial_instance_count=1, instance_type="ml.c4.xlarge") as predictor:
        found = [best(predictor.predict(row[:4].tolist())) for row in table[-HELD_OUT:]]
        print("the first answer:", predictor.predict(table[-HELD_OUT, :4].tolist()))
    right = np.mean(np.array(found) == table[-HELD_OUT:, 4])
    print(f"accuracy on {HELD_OUT} held-out flowers: {right:.1%}")


def best(answer: dict[str, Any]) -> int:
    """The species with the highest score."""
    (classification,) = answer["result"]["classifications"]
    return int(max(classification["classes"], key=lambda each: each["score"])["label"])


if __name__ == "__main__":
    main()
