"""Trains a Keras model on diabetes patients, deploys it and asks it, on this machine.

On AWS, functions of a script are called up to framework version 1.10.0; a Keras model for later
ones is trained by a script of its own, as in examples/tensorflow_digits.
"""

from diabetes import HELD_OUT, HERE, ROLE, error, uploaded

from sm_core import Session
from sm_tensorflow import TensorFlow


def main() -> None:
    session = Session.local()
    estimator = TensorFlow(
        str(HERE / "progression_keras.py"),
        ROLE,
        train_instance_count=1,
        train_instance_type="ml.c4.xlarge",
        training_steps=500,
        evaluation_steps=None,
        hyperparameters={"units": 32, "learning_rate": 0.05},
        sagemaker_session=session,
    )
    estimator.fit(uploaded(session))
    with estimator.deploy(initial_instance_count=1, instance_type="ml.c4.xlarge") as predictor:
        print(f"error on {HELD_OUT} held-out patients: {error(predictor):.1f}")


if __name__ == "__main__":
    main()
