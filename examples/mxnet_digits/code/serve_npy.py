"""Serves the Gluon network of train_gluon.py with an input and an output of its own.

A request is a numpy array as npy, an answer the digit and its probability for each row.
"""

import io
import json
from typing import Any

import mxnet as mx
import numpy as np
from train_gluon import model_fn as model_fn  # what loads the model stays

from sm_core.container.errors import BadPayload, UnsupportedMediaType


def input_fn(request_body: str | bytes, request_content_type: str) -> mx.nd.NDArray:
    """Pixels from 0 to 16, 64 in a row; without pickles, which could do anything when read."""
    if request_content_type != "application/x-npy":
        raise UnsupportedMediaType(request_content_type, ["application/x-npy"])
    assert isinstance(request_body, bytes)
    try:
        pixels = np.load(io.BytesIO(request_body), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BadPayload(f"the body is no npy array: {error}") from error
    if pixels.ndim != 2 or pixels.shape[1] != 64:
        raise BadPayload(f"the array has the shape {pixels.shape}; it must be (rows, 64)")
    return mx.nd.array(pixels / 16)


def output_fn(prediction: mx.nd.NDArray, accept: str) -> tuple[str, str]:
    """The digit and its probability for each row, as JSON whatever the client accepts."""
    probabilities = mx.nd.softmax(prediction).asnumpy()
    answers: list[dict[str, Any]] = [
        {"digit": int(row.argmax()), "probability": round(float(row.max()), 3)}
        for row in probabilities
    ]
    return json.dumps(answers), "application/json"
