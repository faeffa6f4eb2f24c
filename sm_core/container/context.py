"""What a user's function may ask about a request, and add to its response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sm_core.container.environment import ServingEnvironment
from sm_core.container.messages import Request, Response

__all__ = ["Context"]


class Context:
    """The `context` that the public inference toolkit hands to functions that ask for it.

    Its methods take the number of a request within a batch first; there is always one, number 0.

    Attributes:
        model_name: always ``model``.
        manifest: always empty; there is no model archive.
    """

    __slots__ = ("_environment", "_headers", "_request", "_status", "manifest", "model_name")

    def __init__(self, environment: ServingEnvironment, request: Request | None = None) -> None:
        """
        Args:
            environment: of the server.
            request: the one that is being answered; None while the model is loaded.
        """
        self.model_name = "model"
        self.manifest: dict[str, Any] = {}
        self._environment = environment
        self._request = Request(b"") if request is None else request
        self._headers: dict[str, str] = {}
        self._status: tuple[int, str] | None = None

    @property
    def system_properties(self) -> dict[str, Any]:
        """``model_dir``, ``gpu_id`` (None: a worker sees every device), ``batch_size``,
        ``server_name``."""
        return {
            "model_dir": str(self._environment.model_dir),
            "gpu_id": None,
            "batch_size": 1,
            "server_name": "sm-core",
        }

    def get_request_header(self, idx: int, key: str) -> str | None:
        """The request's header `key`, whatever its case; None if there is none."""
        return self._request.headers.get(key.lower())

    def get_all_request_header(self, idx: int) -> Mapping[str, str]:
        """The request's headers, names in lower case."""
        return self._request.headers

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Add a header to the response."""
        self._headers[key.lower()] = str(value)

    def get_response_headers(self, idx: int) -> Mapping[str, str]:
        """The headers that were added to the response."""
        return self._headers

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the response's Content-Type."""
        self.set_response_header(idx, "content-type", value)

    def get_response_content_type(self, idx: int) -> str | None:
        """The Content-Type that was set; None if none was."""
        return self._headers.get("content-type")

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the response's status; the phrase does not travel."""
        self._status = (code, phrase)

    def get_response_status(self, idx: int) -> tuple[int, str]:
        """The status and the phrase that were set."""
        return self._status or (200, "")

    def amended(self, response: Response) -> Response:
        """`response` with what was set here."""
        if not self._headers and self._status is None:
            return response
        headers = {**response.headers, **self._headers}
        return response._replace(
            content_type=headers.pop("content-type", response.content_type),
            status=response.status if self._status is None else int(self._status[0]),
            headers=headers,
        )
