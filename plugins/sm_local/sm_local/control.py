"""Requests to the service about itself, beside AWS's: how it is, and that it should end."""

from __future__ import annotations

import http.client
import json
from typing import Any

from sm_core.errors import LocalServiceError
from sm_local.home import REGION, Home
from sm_local.ports import HOST

__all__ = ["SIGNING_NAME", "call"]

#: The service's name in the signature of its own requests.
SIGNING_NAME = "sm-local"


def call(
    home: Home, port: int, method: str, path: str, *, body: Any = None, timeout: float
) -> dict[str, Any]:
    """The service's answer to one request under ``/_sm_local/``, signed with the home's key pair.

    Args:
        home: whose key pair.
        port: where the service listens.
        method: HTTP method.
        path: with the leading slash.
        body: sent as JSON unless it is None.
        timeout: seconds to wait for each part of the answer.

    Raises:
        LocalServiceError: the service cannot be reached, refuses, or does not answer in JSON.
    """
    data = b"" if body is None else json.dumps(body).encode()
    headers = _sign(home, method, f"http://{HOST}:{port}{path}", data)
    # http.client knows no proxies, whatever the environment says.
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request(method, path, body=data, headers=headers)
        response = connection.getresponse()
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise LocalServiceError(
            f"the local service on port {port} does not answer ({type(error).__name__}: {error}); "
            f"its log is {home.service_log}"
        ) from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise LocalServiceError(
            f"the local service refused {method} {path}: HTTP {response.status}, "
            f"{text[:500].decode(errors='replace')}"
        )
    try:
        answer: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise LocalServiceError(
            f"whatever listens on port {port} is not the local service: "
            f"it answered {text[:200].decode(errors='replace')!r}"
        ) from error
    return answer


def _sign(home: Home, method: str, url: str, data: bytes) -> dict[str, str]:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    pair = home.credentials()
    request = AWSRequest(
        method=method, url=url, data=data, headers={"Content-Type": "application/json"}
    )
    credentials = Credentials(pair.access_key_id, pair.secret_access_key)
    SigV4Auth(credentials, SIGNING_NAME, REGION).add_auth(request)
    return dict(request.headers.items())
