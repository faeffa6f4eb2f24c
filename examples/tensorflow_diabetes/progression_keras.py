"""A Keras model for the rows of a CSV file: measures, and the number they tell."""

import os

import numpy as np
import tensorflow as tf

#: Features go by the name of the model's input layer.
INPUT = "measures"


def keras_model_fn(hyperparameters):
    tf.set_random_seed(1)
    model = tf.keras.models.Sequential()
    model.add(tf.keras.layers.InputLayer(input_shape=(10,), name=INPUT))
    model.add(tf.keras.layers.Dense(hyperparameters["units"], activation="relu"))
    model.add(tf.keras.layers.Dense(1, name="progression"))
    optimizer = tf.keras.optimizers.Adam(lr=hyperparameters["learning_rate"])
    model.compile(optimizer=optimizer, loss="mean_squared_error", metrics=["mae"])
    return model


def rows(folder, name, epochs):
    table = np.loadtxt(os.path.join(folder, name), delimiter=",", dtype=np.float32)
    return tf.estimator.inputs.numpy_input_fn(
        {INPUT: table[:, :-1]}, table[:, -1], num_epochs=epochs, shuffle=epochs is None
    )


def train_input_fn(training_dir, hyperparameters):
    return rows(training_dir, "train.csv", epochs=None)


def eval_input_fn(training_dir, hyperparameters):
    return rows(training_dir, "test.csv", epochs=1)


def serving_input_fn(hyperparameters):
    measures = tf.placeholder(tf.float32, [None, 10])
    return tf.estimator.export.ServingInputReceiver({INPUT: measures}, {INPUT: measures})
