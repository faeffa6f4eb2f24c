"""Trains a model for diabetes patients, deploys it and asks it, on this machine.

`python regression.py` takes the model_fn of layers in progression.py, and
`python regression.py progression_keras.py` the Keras model there.

On AWS the same lines run with `sagemaker_session=Session()`, a role of yours and
`framework_version="1.10.0"`: of AWS's images, later ones do not call a script's functions.
"""

import sys

from diabetes import HELD_OUT, HERE, ROLE, error, uploaded

from sm_core import Session
from sm_tensorflow import TensorFlow


def main(script: str = "progression.py") -> None:
    session = Session.local()
    estimator = TensorFlow(
        str(HERE / script),
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
    main(*sys.argv[1:])
