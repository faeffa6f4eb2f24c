"""Trains on handwritten digits with MXNet, deploys the model and asks it, all on this machine.

On AWS the same lines run with `sagemaker_session=Session()`, a role of yours and
`framework_version="1.2.1", py_version="py3"`: of AWS's images, later ones call no `train` function.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from sm_core import Estimator, Session

HERE = Path(__file__).parent


def main() -> None:
    # 1797 digits of 8 x 8 pixels: a file of them to train on, the last 300 held out.
    digits = load_digits()
    table = np.column_stack([digits.data, digits.target])
    train, held_out = table[:-300], table[-300:]
    data = HERE / "data"
    data.mkdir(exist_ok=True)
    np.savetxt(data / "digits.csv", train, fmt="%d", delimiter=",")

    session = Session.local()
    inputs = session.upload_data(data, key_prefix="quickstart/digits")

    estimator = Estimator(
        framework="mxnet",
        entry_point=str(HERE / "train.py"),
        role="SageMakerRole",
        train_instance_count=1,
        train_instance_type="ml.c4.xlarge",
        hyperparameters={"epochs": 10, "learning_rate": 0.002},
        sagemaker_session=session,
    )
    estimator.fit({"train": inputs})

    predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.c4.xlarge")
    answers = predictor.predict(held_out[:, :64].tolist())
    accuracy = np.mean(np.argmax(answers, axis=1) == held_out[:, 64])
    print(f"accuracy on {len(held_out)} held-out digits: {accuracy:.1%}")
    predictor.delete()


if __name__ == "__main__":
    main()
