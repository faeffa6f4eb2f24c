"""Writes SavedModels for the tests of serving: ``models.py <folder> <kind>…``; needs TensorFlow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
FEATURES = {"inputs": [4]}


def exported(estimator: Any, folder: Path, spec: dict[str, Any]) -> None:
    """Export as our training and AWS's did: below ``export/Servo``."""
    receiver = v1.estimator.export.build_parsing_serving_input_receiver_fn(spec)
    estimator.export_saved_model(str(folder / "export" / "Servo"), receiver)


def _columns() -> list[Any]:
    return [v1.feature_column.numeric_column("inputs", shape=[4])]


def _trained(estimator: Any, labels: Any) -> Any:
    rows = np.asarray([[5.1, 3.5, 1.4, 0.2], [6.4, 3.2, 4.5, 1.5], [6.3, 3.3, 6.0, 2.5]], "float32")
    data = v1.estimator.inputs.numpy_input_fn(
        {"inputs": rows}, labels, batch_size=3, num_epochs=None, shuffle=False
    )
    estimator.train(data, steps=150)
    return estimator


def classifier(folder: Path) -> None:
    """The premade estimator of the specification's iris sample."""
    made = v1.estimator.DNNClassifier(
        feature_columns=_columns(),
        hidden_units=[10, 20, 10],
        n_classes=3,
        config=v1.estimator.RunConfig(tf_random_seed=3),
    )
    spec = v1.feature_column.make_parse_example_spec(_columns())
    exported(_trained(made, np.asarray([0, 1, 2])), folder, spec)


def regressor(folder: Path) -> None:
    """A premade regressor."""
    made = v1.estimator.LinearRegressor(feature_columns=_columns())
    spec = v1.feature_column.make_parse_example_spec(_columns())
    exported(_trained(made, np.asarray([0.0, 1.0, 2.0], "float32")), folder, spec)


def _simple(folder: Path, inputs: dict[str, Any], outputs: dict[str, Any], session: Any) -> None:
    v1.saved_model.simple_save(session, str(folder), inputs, outputs)


def linear(folder: Path) -> None:
    """y = 2a + 3b + 1 of a placeholder called ``inputs``, as TensorFlow 1 wrote it."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 2])
        y = tf.reduce_sum(x * [2.0, 3.0], axis=1) + v1.get_variable("b", initializer=1.0)
        session.run(v1.global_variables_initializer())
        _simple(folder / "export" / "Servo" / "1", {"inputs": x}, {"ages": y}, session)


def several(folder: Path) -> None:
    """Inputs of several types and names, outputs of several types."""
    with tf.Graph().as_default(), v1.Session() as session:
        a = v1.placeholder(tf.int64, [None])
        text = v1.placeholder(tf.string, [None])
        outputs = {
            "twice": a * 2,
            "joined": v1.string_join([text, "!"]),
            "raw_bytes": v1.string_join([text, "\xff"]),
            "ratio": tf.cast(a, tf.float32) / tf.cast(a, tf.float32),
        }
        _simple(folder / "several" / "7", {"a": a, "text": text}, outputs, session)


def shout(folder: Path) -> None:
    """A text and an exclamation mark."""
    with tf.Graph().as_default(), v1.Session() as session:
        text = v1.placeholder(tf.string, [None])
        _simple(folder / "1", {"text": text}, {"shouted": v1.string_join([text, "!"])}, session)


def examples(folder: Path) -> None:
    """A predict signature whose input is serialized examples, as the cifar sample exports."""
    with tf.Graph().as_default(), v1.Session() as session:
        serialized = v1.placeholder(tf.string, [None])
        spec = {"image": v1.FixedLenFeature([2, 2], tf.float32), "id": v1.VarLenFeature(tf.int64)}
        parsed = v1.io.parse_example(serialized, spec)
        total = tf.reduce_sum(parsed["image"], axis=[1, 2])
        _simple(folder / "examples" / "1", {"examples": serialized}, {"total": total}, session)


def keras(folder: Path) -> None:
    """A Keras model, exported as the installed version does."""
    model = tf.keras.Sequential(
        [tf.keras.Input((2,), name="rows"), tf.keras.layers.Dense(1, name="out")]
    )
    model.layers[-1].set_weights([np.asarray([[2.0], [3.0]]), np.asarray([1.0])])
    place = str(folder / "keras" / "3")
    if hasattr(model, "export"):
        model.export(place)
    else:
        tf.saved_model.save(model, place)


if __name__ == "__main__":
    for kind in sys.argv[2:]:
        target = Path(sys.argv[1]) / kind
        target.mkdir(parents=True)
        globals()[kind](target)
