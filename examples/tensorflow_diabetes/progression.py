"""A model_fn of dense layers for the rows of a CSV file: measures, and the number they tell."""

import os

import numpy as np
import tensorflow as tf

INPUT = "inputs"


def model_fn(features, labels, mode, hyperparameters):
    tf.set_random_seed(1)
    hidden = tf.layers.dense(features[INPUT], hyperparameters["units"], activation=tf.nn.relu)
    progression = tf.reshape(tf.layers.dense(hidden, 1), [-1])
    outputs = {"progression": progression}
    if mode == tf.estimator.ModeKeys.PREDICT:
        # What an endpoint answers: `export_outputs` says it.
        served = {"serving_default": tf.estimator.export.PredictOutput(outputs)}
        return tf.estimator.EstimatorSpec(mode, predictions=outputs, export_outputs=served)
    loss = tf.losses.mean_squared_error(labels, progression)
    # The global step counts the steps of all hosts.
    optimizer = tf.train.AdamOptimizer(hyperparameters["learning_rate"])
    train_op = optimizer.minimize(loss, tf.train.get_or_create_global_step())
    metrics = {"rmse": tf.metrics.root_mean_squared_error(labels, progression)}
    return tf.estimator.EstimatorSpec(mode, outputs, loss, train_op, metrics)


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
