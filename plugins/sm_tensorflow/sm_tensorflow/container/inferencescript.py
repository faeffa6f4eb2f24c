"""Scripts of AWS's newer serving containers: ``handler``, or input and output handlers.

They are written for TensorFlow Serving beside them: its REST API is served here on the loopback
address, below a path that nobody else knows, and answered by the model of this very worker.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import threading
from collections import namedtuple
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sm_core.container import payloads
from sm_core.container.code import import_script
from sm_core.container.environment import ServingEnvironment
from sm_core.container.errors import ContainerError, RequestRefused
from sm_core.container.inference import InferenceHandler, Request, Response
from sm_core.scripts import defined_functions

__all__ = ["Context", "ScriptHandler", "has_handlers"]

#: What a handler is told about a request.
Context = namedtuple(
    "Context",
    "model_name model_version method rest_uri grpc_port channel custom_attributes "
    "request_content_type accept_header content_length",
)
_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_PATH = re.compile(r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>\d+))?:(?P<method>\w+)")


def has_handlers(script: Path) -> bool:
    """Whether `script` defines handlers of its own.

    Raises:
        ContainerError: it defines one of the pair only.
    """
    defined = defined_functions(script)
    pair = {"input_handler", "output_handler"} & defined
    if "handler" in defined or len(pair) == 2:
        return True
    if pair:
        raise ContainerError(
            f"{script.name} defines {', '.join(pair)} only: define input_handler(data, context) "
            "and output_handler(response, context), or handler(data, context)"
        )
    return False


class ScriptHandler(InferenceHandler):
    """Answers with the script's handlers."""

    def __init__(
        self, environment: ServingEnvironment, script: Path, load: Callable[[str], Any]
    ) -> None:
        """
        Args:
            environment: of the server.
            script: that defines them.
            load: makes the models of their folder.
        """
        self._environment = environment
        self._load_models = load
        self._script = script
        self._api: RestApi | None = None
        self._module: Any = None

    def load(self) -> None:
        """Load the model, serve its REST API, import the script."""
        self._api = RestApi(self._load_models(str(self._environment.model_dir)))
        self._module = import_script(self._environment.code_dir, self._script.name)

    def handle(self, request: Request) -> Response:
        """Answer with ``handler``, or with ``input_handler``, the model and ``output_handler``."""
        from sm_tensorflow.container.rest import attributes_of

        assert self._api is not None
        header = request.headers.get(_ATTRIBUTES, "")
        named = attributes_of(header)
        name = named.get("tfs-model-name") or self._api.models.default
        version = named.get("tfs-model-version")
        method = named.get("tfs-method", "predict")
        path = f"/v1/models/{name}" + (f"/versions/{version}" if version else "") + f":{method}"
        context = Context(
            model_name=name,
            model_version=version,
            method=method,
            rest_uri=self._api.address + path,
            grpc_port=None,
            channel=None,
            custom_attributes=header or None,
            request_content_type=request.content_type or "application/json",
            accept_header=request.accept or self._environment.default_accept,
            content_length=len(request.body),
        )
        data = io.BytesIO(request.body)
        if hasattr(self._module, "handler"):
            return _response(self._module.handler(data, context))
        body = self._module.input_handler(data, context)
        status, found = self._api.answer(path, body)
        answer = _requests_response(status, found, context.rest_uri)
        return _response(self._module.output_handler(answer, context))


def _response(result: Any) -> Response:
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError("the script's handler must return a pair (body, content type)")
    body, content_type = result
    data = body.encode() if isinstance(body, str) else body
    return Response(bytes(data), content_type)


def _requests_response(status: int, body: bytes, uri: str) -> Any:
    """What ``requests.post(uri)`` would have returned."""
    import requests

    response = requests.Response()
    response.status_code = status
    response.url = uri
    response.headers["Content-Type"] = "application/json"
    response.encoding = "utf-8"
    response.raw = io.BytesIO(body)
    return response


class RestApi:
    """TensorFlow Serving's REST API, for the script beside it only.

    Attributes:
        models: that are served.
        address: what its URIs begin with.
    """

    def __init__(self, models: Any) -> None:
        """
        Args:
            models: to be served.
        """
        self.models = models
        self._secret = f"/{secrets.token_urlsafe(24)}"
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        server.daemon_threads = True
        self.address = f"http://127.0.0.1:{server.server_port}{self._secret}"
        threading.Thread(target=server.serve_forever, name="rest", daemon=True).start()

    def answer(self, path: str, body: Any) -> tuple[int, bytes]:
        """Status and body of the answer to a POST.

        Args:
            path: behind the address.
            body: JSON, as text or bytes.
        """
        from sm_tensorflow.container import rest

        found = _PATH.fullmatch(path)
        if found is None:
            return 404, _error(f"there is nothing at {path}")
        try:
            value = payloads.value_of_json(body if isinstance(body, str) else bytes(body))
            if not isinstance(value, dict):
                raise RequestRefused("the body must be a JSON object")
            version = found["version"]
            call = rest.RestCall(
                body=value,
                method=found["method"],
                model=found["model"],
                version=None if version is None else int(version),
            )
            return 200, payloads.json_of(rest.answer(call, self.models))
        except RequestRefused as error:
            return error.status, _error(str(error))

    def described(self, path: str) -> tuple[int, bytes]:
        """Status and body of the answer to a GET: a model's state."""
        found = re.fullmatch(r"/v1/models/([^/:]+)(?:/versions/(\d+))?", path)
        if found is None:
            return 404, _error(f"there is nothing at {path}")
        try:
            model = self.models.get(found[1], None if found[2] is None else int(found[2]))
        except RequestRefused as error:
            return error.status, _error(str(error))
        status = {"error_code": "OK", "error_message": ""}
        state = {"version": str(model.version), "state": "AVAILABLE", "status": status}
        return 200, payloads.json_of({"model_version_status": [state]})

    def path_of(self, path: str) -> str | None:
        """`path` without the secret; None for a path without it."""
        beginning, rest = path[: len(self._secret)], path[len(self._secret) :]
        return rest if secrets.compare_digest(beginning, self._secret) else None


def _error(reason: str) -> bytes:
    return json.dumps({"error": reason}).encode()


def _handler_of(api: RestApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = api.path_of(self.path)
            self._send(*((404, b"") if path is None else api.answer(path, body)))

        def do_GET(self) -> None:
            path = api.path_of(self.path)
            self._send(*((404, b"") if path is None else api.described(path)))

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    return Handler
