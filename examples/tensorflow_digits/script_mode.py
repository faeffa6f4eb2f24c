"""Trains a script of its own with a current TensorFlow, deploys it and asks it, on this machine.

On AWS the same lines run with `sagemaker_session=Session()`, a role of yours and
`framework_version="2.19.0"`, the newest that AWS has an image of.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from sm_core import Session
from sm_tensorflow import TensorFlow

HERE = Path(__file__).parent
HELD_OUT = 300


def main() -> None:
    digits = load_digits()
    table = np.column_stack([digits.data, digits.target])
    data = HERE / "data"
    data.mkdir(exist_ok=True)
    np.savetxt(data / "digits.csv", table[:-HELD_OUT], fmt="%d", delimiter=",")

    session = Session.local()
    estimator = TensorFlow(
        str(HERE / "recognise.py"),
        role="SageMakerRole",
        train_instance_count=1,
        train_instance_type="ml.c4.xlarge",
        framework_version="2.21.0",
        hyperparameters={"epochs": 20},
        sagemaker_session=session,
    )
    estimator.fit(session.upload_data(data, key_prefix="digits"))
    with estimator.deploy(initial_instance_count=1, instance_type="ml.c4.xlarge") as predictor:
        # The form of TensorFlow Serving's REST API.
        answer = predictor.predict({"instances": table[-HELD_OUT:, :64].tolist()})
    right = np.mean(np.argmax(answer["predictions"], axis=1) == table[-HELD_OUT:, 64])
    print(f"accuracy on {HELD_OUT} held-out digits: {right:.1%}")


if __name__ == "__main__":
    main()
