"""Makes the models beside it: ``make.py <folder>``, by TensorFlow 1.4.0 on Python 3.6.

``iris`` is a premade classifier, ``line`` a model_fn with two export_outputs, both exported as
AWS's container of that time did; expected.json has what TensorFlow itself answers to ROWS.
"""

import json
import os
import sys
from typing import Any

import numpy as np
import tensorflow as tf

ROWS = [[6.4, 3.2, 4.5, 1.5], [5.0, 3.4, 1.6, 0.2]]
TRAIN = np.asarray([[5.1, 3.5, 1.4, 0.2], [6.4, 3.2, 4.5, 1.5], [6.3, 3.3, 6.0, 2.5]], np.float32)


def iris() -> Any:
    columns = [tf.feature_column.numeric_column("inputs", shape=[4])]
    config = tf.estimator.RunConfig().replace(tf_random_seed=3)
    made = tf.estimator.DNNClassifier([10, 10], columns, n_classes=3, config=config)
    spec = tf.feature_column.make_parse_example_spec(columns)
    return made, np.asarray([0, 1, 2]), spec, lambda found: found["probabilities"].tolist()


def line() -> Any:
    def model_fn(features: Any, labels: Any, mode: Any) -> Any:
        y = tf.reshape(tf.layers.dense(features["inputs"], 1), [-1])
        exported = {
            "serving_default": tf.estimator.export.PredictOutput({"y": y}),
            "twice": tf.estimator.export.PredictOutput({"y": 2 * y}),
        }
        if mode == tf.estimator.ModeKeys.PREDICT:
            return tf.estimator.EstimatorSpec(mode, {"y": y}, export_outputs=exported)
        loss = tf.losses.mean_squared_error(labels, y)
        step = tf.train.GradientDescentOptimizer(0.01).minimize(loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, {"y": y}, loss, step)

    config = tf.estimator.RunConfig().replace(tf_random_seed=3)
    labels = np.asarray([0.0, 1.0, 2.0], np.float32)
    return (
        tf.estimator.Estimator(model_fn, config=config),
        labels,
        None,
        lambda found: float(found["y"]),
    )


def receiver(spec: Any) -> Any:
    if spec is None:
        return tf.estimator.export.build_raw_serving_input_receiver_fn(
            {"inputs": tf.placeholder(tf.float32, [None, 4])}
        )
    return tf.estimator.export.build_parsing_serving_input_receiver_fn(spec)


def main(folder: str) -> None:
    expected: Any = {}
    for make in (iris, line):
        made, labels, spec, read = make()
        data = tf.estimator.inputs.numpy_input_fn(
            {"inputs": TRAIN}, labels, batch_size=3, num_epochs=None, shuffle=False
        )
        made.train(data, steps=200)
        rows = {"inputs": np.asarray(ROWS, np.float32)}
        asked = tf.estimator.inputs.numpy_input_fn(rows, num_epochs=1, shuffle=False)
        expected[make.__name__] = [read(found) for found in made.predict(asked)]
        place = os.path.join(folder, make.__name__, "export", "Servo")
        made.export_savedmodel(place, receiver(spec))
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump({"rows": ROWS, "answers": expected}, file, indent=2, sort_keys=True)


if __name__ == "__main__":
    main(sys.argv[1])
