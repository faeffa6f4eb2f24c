"""Serving: reads rows in any of the algorithms' formats, and answers in any of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sm_amazon_algos.container.algorithms import ServedModel, algorithm_called, model_file
from sm_amazon_algos.container.requests import READERS, read_rows
from sm_amazon_algos.container.responses import WRITERS
from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import BadPayload, NotAcceptable, UnsupportedMediaType
from sm_core.container.inference import InferenceHandler, Request, Response
from sm_core.container.negotiation import accepted, choose, parse_media_type
from sm_core.errors import CodecError

__all__ = ["AlgorithmHandler"]

logger = logging.getLogger(__name__)

_DEFAULT = "application/json"
#: All that a client is told, as by AWS's containers; the log says more.
_REFUSAL = "unable to evaluate payload provided"


class AlgorithmHandler(InferenceHandler):
    """Answers with the model of one algorithm."""

    def __init__(self, environment: ServingEnvironment, name: str) -> None:
        """
        Args:
            environment: of the container.
            name: the algorithm's.
        """
        self._environment = environment
        self._algorithm = algorithm_called(name)
        self._model: ServedModel | None = None

    def load(self) -> None:
        """Load the model.

        Raises:
            SMError: there is none, or it is damaged or another algorithm's.
        """
        self._model = self._algorithm.load(model_file(self._environment.model_dir))

    def handle(self, request: Request) -> Response:
        """Answer one request: 400, 406 or 415 if it is at fault."""
        assert self._model is not None
        content_type = parse_media_type(request.content_type or _DEFAULT).name
        if content_type not in READERS:
            raise UnsupportedMediaType(content_type, tuple(READERS))
        supported = tuple(WRITERS)
        accept = choose(
            accepted(request.accept), supported, default=self._environment.default_accept
        )
        if accept is None:
            raise NotAcceptable(request.accept, supported)
        try:
            rows = read_rows(request.body, content_type, self._model.feature_dim)
            columns = _predicted(self._model, rows)
        except CodecError as error:
            logger.error("Customer Error: %s", error)
            raise BadPayload(_REFUSAL) from error
        return Response(WRITERS[accept](columns, self._model.collection), accept)


def _predicted(model: ServedModel, rows: npt.NDArray[np.float32]) -> Mapping[str, npt.NDArray[Any]]:
    """What the model says of the rows: finite, as JSON can write nothing else."""
    with np.errstate(over="ignore", invalid="ignore"):
        columns = model.predict(rows)
    if not all(np.isfinite(column).all() for column in columns.values()):
        raise CodecError("the numbers in the request are so large that the answer is none")
    return columns
