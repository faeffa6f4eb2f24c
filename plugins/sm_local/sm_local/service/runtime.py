"""SageMaker Runtime: InvokeEndpoint, passed on to the model server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp

from sm_core.limits import PAYLOAD_LIMIT
from sm_local.service.context import Context
from sm_local.service.endpoints import Endpoints, Route
from sm_local.service.errors import ServiceError
from sm_local.service.modelserver import ServerFailed
from sm_local.service.wire import Request, Response

__all__ = ["Runtime"]

#: Seconds that a model has to answer.
_TIMEOUT = aiohttp.ClientTimeout(total=60.0)
#: AWS's word for the container in its messages.
_CONTAINER = "primary"
#: Characters of a container's answer that an error carries.
_MESSAGE_LIMIT = 16_384

_CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_PASSED_ON = ("content-type", "accept", _CUSTOM_ATTRIBUTES)
#: Headers of InvokeEndpoint that would change its meaning, and that are not here yet.
_UNAVAILABLE = {
    "x-amzn-sagemaker-target-model": "TargetModel",
    "x-amzn-sagemaker-target-container-hostname": "TargetContainerHostname",
    "x-amzn-sagemaker-inference-component": "InferenceComponentName",
    "x-amzn-sagemaker-session-id": "SessionId",
    "x-amzn-sagemaker-enable-explanations": "EnableExplanations",
}
#: aiohttp would add these where the caller sent none.
_NOT_ADDED = ("Content-Type", "Accept", "Accept-Encoding", "User-Agent")


class Runtime:
    """Answers invocations."""

    def __init__(self, context: Context, endpoints: Endpoints) -> None:
        self._context = context
        self._endpoints = endpoints

    async def invoke_endpoint(self, endpoint_name: str, request: Request) -> Response:
        """InvokeEndpoint.

        Raises:
            ServiceError: ValidationError, ModelError, ServiceUnavailable, or 413 for a body beyond
                the limit.
        """
        for header, member in _UNAVAILABLE.items():
            if header in request.headers:
                raise ServiceError(
                    "ValidationError",
                    f"{member} is not available: the local service does not have it yet",
                )
        variant = request.headers.get("x-amzn-sagemaker-target-variant")
        route = await self._endpoints.route(endpoint_name, variant)
        try:
            body = await self._body(request)
            headers = {
                name: request.headers[name] for name in _PASSED_ON if name in request.headers
            }
            status, answered, content = await self._ask(
                endpoint_name, route, headers=headers, body=body
            )
        finally:
            route.done()
        if not 200 <= status < 300:
            raise self._model_error(endpoint_name, route, status=status, message=_text(content))
        returned = {"x-amzn-invoked-production-variant": route.variant}
        for name in ("content-type", _CUSTOM_ATTRIBUTES):
            if name in answered:
                returned[name] = answered[name]
        return Response(headers=returned, body=content)

    async def _body(self, request: Request) -> bytes:
        try:
            return await request.body(PAYLOAD_LIMIT)
        except ServiceError as error:
            if error.status != 413:
                raise
            # AWS answers this one with no code but the status.
            raise ServiceError(
                "413", f"HTTP content length exceeded {PAYLOAD_LIMIT} bytes.", status=413
            ) from error

    async def _ask(
        self, endpoint_name: str, route: Route, *, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """The server's status, headers and body."""
        try:
            async with route.server.session.post(
                "/invocations",
                data=body,
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
                skip_auto_headers=_NOT_ADDED,
            ) as response:
                return response.status, response.headers, await response.read()
        except asyncio.TimeoutError as error:
            raise self._model_error(
                endpoint_name,
                route,
                status=0,
                message="Your invocation timed out while waiting for a response from container "
                f"{_CONTAINER}. Review the latency metrics for each container in Amazon "
                "CloudWatch, resolve the issue, and try again.",
            ) from error
        except (aiohttp.ClientConnectorError, ServerFailed) as error:
            route.keeper.doubt()
            raise ServiceError(
                "ServiceUnavailable",
                f"the model server of endpoint {endpoint_name} cannot be reached: {error}",
                status=503,
            ) from error
        except aiohttp.ClientError as error:
            route.keeper.doubt()
            message = (
                "the model server broke off without an answer, as when its process dies or runs "
                f"out of memory; its log may say why ({type(error).__name__})"
            )
            raise self._model_error(endpoint_name, route, status=0, message=message) from error

    def _model_error(
        self, endpoint_name: str, route: Route, *, status: int, message: str
    ) -> ServiceError:
        region, account = self._context.region, self._context.account
        group = f"/aws/sagemaker/Endpoints/{endpoint_name}"
        side = "client" if 400 <= status < 500 else "server"
        return ServiceError(
            "ModelError",
            f'Received {side} error ({status}) from {_CONTAINER} with message "{message}". See '
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logEventViewer:group={group} in account {account} for more information.",
            status=424,
            members={
                "OriginalStatusCode": status,
                "OriginalMessage": message,
                "LogStreamArn": (
                    f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{route.stream}"
                ),
            },
        )


def _text(content: bytes) -> str:
    return content[: 4 * _MESSAGE_LIMIT].decode("utf-8", "replace")[:_MESSAGE_LIMIT]
