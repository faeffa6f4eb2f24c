"""Trains like regression.py in two jobs: the second goes on from the checkpoints of the first.

`training_steps` is the step to reach: the second job does what is left of it. What a job has in
`checkpoint_path` is still there however it ended.
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
