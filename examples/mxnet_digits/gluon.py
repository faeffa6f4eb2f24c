"""Trains a Gluon network on handwritten digits, and serves it: save and model_fn are its own."""

from digits import HERE, ROLE, accuracy, held_out, train_data

from sm_core import Session
from sm_mxnet import MXNet


def main() -> None:
    estimator = MXNet(
        "train_gluon.py",
        ROLE,
        train_instance_count=1,
        train_instance_type="ml.c4.xlarge",
        source_dir=str(HERE / "code"),
        hyperparameters={"epochs": 10},
        sagemaker_session=Session.local(),
    )
    estimator.fit({"train": train_data()})
    with estimator.deploy(initial_instance_count=1, instance_type="ml.c4.xlarge") as predictor:
        pixels, _ = held_out()
        print(f"accuracy on one host: {accuracy(predictor.predict(pixels / 16)):.1%}")


if __name__ == "__main__":
    main()
