"""Trains the Gluon network of gluon.py on two hosts, each with half of the digits.

SageMaker starts MXNet's kvstore on the hosts, which adds up what both have learnt after each batch.
"""

from digits import HERE, ROLE, accuracy, held_out, train_data

from sm_core import Session
from sm_mxnet import MXNet


def main() -> None:
    estimator = MXNet(
        "train_gluon.py",
        ROLE,
        train_instance_count=2,
        train_instance_type="ml.c4.xlarge",
        source_dir=str(HERE / "code"),
        hyperparameters={"epochs": 10, "kvstore": "dist_sync"},
        sagemaker_session=Session.local(),
    )
    estimator.fit({"train": train_data()})
    with estimator.deploy(initial_instance_count=1, instance_type="ml.c4.xlarge") as predictor:
        pixels, _ = held_out()
        print(f"accuracy on two hosts: {accuracy(predictor.predict(pixels / 16)):.1%}")


if __name__ == "__main__":
    main()
