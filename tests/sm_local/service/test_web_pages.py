"""What a page in a browser can make it send is refused: it can neither sign nor choose the Host."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sm_local.service.conftest import Served

pytestmark = pytest.mark.integ

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PLAIN = {"Content-Type": "text/plain"}
TARGET = {"X-Amz-Target": "SageMaker.ListTrainingJobs"}


def status(served: Served, method: str, path: str, headers: dict[str, str]) -> int:
    """Of the answer to a request that nobody signed."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    try:
        connection.request(method, path, body=b"" if method == "GET" else b"a=b", headers=headers)
        response = connection.getresponse()
        response.read()
        assert not [name for name, _ in response.getheaders() if name.lower().startswith("access-")]
        return response.status
    finally:
        connection.close()


@pytest.mark.parametrize("origin", ["http://example.org", "null", "http://localhost"])
@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {}),
        ("GET", "/bucket/key", {}),
        ("POST", "/", FORM),
        ("POST", "/", PLAIN),
        ("POST", "/", TARGET),
        ("POST", "/endpoints/e/invocations", PLAIN),
        ("POST", "/_sm_local/shutdown", PLAIN),
        ("PUT", "/bucket/key", PLAIN),
        ("OPTIONS", "/bucket/key", {"Access-Control-Request-Method": "PUT"}),
    ],
)
def test_a_request_from_a_page(
    shared: Served, origin: str, method: str, path: str, headers: dict[str, str]
) -> None:
    sent = {"Origin": origin, **headers}
    assert status(shared, method, path, sent) == 403
    # A name of the page's own that leads here by now.
    assert status(shared, method, path, {**sent, "Host": f"rebound.org:{shared.port}"}) == 403
    assert status(shared, method, path, {**sent, "Host": f"127.0.0.1:{shared.port + 1}"}) == 403
