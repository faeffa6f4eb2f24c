"""Goes on with the training of layers.py where a first job has ended, from its checkpoints in S3.

`training_steps` is the step to reach: the second job does what is left of it.
"""

from datetime import datetime, timezone

from diabetes import HERE, ROLE, uploaded

from sm_core import Session
from sm_tensorflow import TensorFlow


def main() -> None:
    session = Session.local()
    data = uploaded(session)
    checkpoints = (
        f"s3://{session.default_bucket()}/diabetes-{datetime.now(timezone.utc):%Y%m%d%H%M%S}"
    )
    for steps in (100, 500):
        estimator = TensorFlow(
            str(HERE / "progression.py"),
            ROLE,
            train_instance_count=1,
            train_instance_type="ml.c4.xlarge",
            training_steps=steps,
            evaluation_steps=None,
            checkpoint_path=checkpoints,
            hyperparameters={"units": 32, "learning_rate": 0.05},
            sagemaker_session=session,
        )
        estimator.fit(data)


if __name__ == "__main__":
    main()
