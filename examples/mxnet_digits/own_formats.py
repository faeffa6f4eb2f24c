"""Serves the network of the last training by another script, whose requests are npy arrays.

Run gluon.py or distributed.py before. `input_fn` and `output_fn` are those of serve_npy.py.
"""

import numpy as np
from digits import HERE, ROLE, held_out

from sm_core import Session, json_deserializer, npy_serializer
from sm_mxnet import MXNet, MXNetModel


def main() -> None:
    session = Session.local()
    (job,) = session.sagemaker_client.list_training_jobs(
        StatusEquals="Completed", SortBy="CreationTime", SortOrder="Descending", MaxResults=1
    )["TrainingJobSummaries"]
    trained = MXNet.attach(job["TrainingJobName"], session)
    model = MXNetModel(
        trained.model_data,
        ROLE,
        entry_point="serve_npy.py",
        source_dir=str(HERE / "code"),
        serializer=npy_serializer,
        deserializer=json_deserializer,
        sagemaker_session=session,
    )
    pixels, labels = held_out()
    with model.deploy(initial_instance_count=1, instance_type="ml.c4.xlarge") as predictor:
        answers = predictor.predict(pixels)
    right = np.mean(
        [answer["digit"] == label for answer, label in zip(answers, labels, strict=True)]
    )
    print(f"accuracy by npy: {right:.1%}; the first: {answers[0]}")


if __name__ == "__main__":
    main()
