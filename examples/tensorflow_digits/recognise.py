"""A script of its own for TensorFlow 2.13 and later: a Keras network for handwritten digits.

The channel ``training`` holds ``digits.csv``: 64 pixels from 0 to 16, then the digit, in each line.
Hyperparameters arrive as arguments, everything else in SM_* variables.
"""

import argparse
import os

import numpy as np
import tensorflow as tf


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--model_dir", help="a folder in S3 for checkpoints, which is not used")
    arguments = parser.parse_args()

    folder = os.environ["SM_CHANNEL_TRAINING"]
    table = np.loadtxt(os.path.join(folder, "digits.csv"), delimiter=",", dtype=np.float32)
    tf.keras.utils.set_random_seed(1)
    model = tf.keras.Sequential(
        [
            tf.keras.Input((64,), name="pixels"),
            tf.keras.layers.Rescaling(1 / 16),
            tf.keras.layers.Dense(64, activation="relu"),
            tf.keras.layers.Dense(10, activation="softmax", name="digit"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(table[:, :-1], table[:, -1], epochs=arguments.epochs, verbose=2)
    # A SavedModel in a folder whose name is a number, as TensorFlow Serving expects it.
    model.export(os.path.join(os.environ["SM_MODEL_DIR"], "1"))


if __name__ == "__main__":
    main()
