"""``Predictor``: real-time inference against an endpoint, with Python values in and out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, ClassVar, Literal, cast

from sm_core.clients import translated_errors
from sm_core.codecs import (
    Body,
    bytes_deserializer,
    codec_for,
    decode_by_content_type,
)
from sm_core.endpoints import Endpoint
from sm_core.errors import CodecError, SMError
from sm_core.frameworks import get_framework
from sm_core.session import Session

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Predictor"]

logger = logging.getLogger(__name__)


class Predictor:
    """An endpoint that answers.

    Without serializer, bytes, text and files go out unchanged; without deserializer, bytes come
    back. A framework's predictor encodes Python values and decodes by the response's content type.
    As a context manager it deletes the endpoint at the end.
    """

    #: Framework whose codecs the class uses; None for a generic predictor.
    framework_name: ClassVar[str | None] = None

    def __init__(
        self,
        endpoint: str,
        sagemaker_session: Session | None = None,
        *,
        serializer: Callable[[Any], Body] | None = None,
        deserializer: Callable[[IO[bytes], str], Any] | Literal["auto"] | None = None,
        content_type: str | None = None,
        accept: str | None = None,
    ) -> None:
        """
        Args:
            endpoint: the endpoint's name.
            sagemaker_session: whose; None for a new Session.
            serializer: makes request bodies; a `Serializer`, or any function of the payload.
            deserializer: makes values of responses; a `Deserializer`, any function of body and
                content type, or ``"auto"`` to go by the response's content type.
            content_type: what to declare requests as; None for the serializer's.
            accept: content type to ask for; None for the deserializer's.
        """
        self.endpoint = endpoint
        self.sagemaker_session = sagemaker_session or Session()
        if self.framework_name is not None:
            framework = get_framework(self.framework_name)
            serializer = serializer or codec_for(framework.content_type).serializer
            if deserializer is None:
                deserializer, accept = "auto", accept or framework.accept
        self.serializer = serializer
        self.deserializer = deserializer or bytes_deserializer
        # A plain function declares no content type.
        self.content_type: str | None = content_type or getattr(serializer, "content_type", None)
        self.accept: str | None = accept or getattr(self.deserializer, "accept", None)

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.endpoint

    @property
    def endpoint_name(self) -> str:
        """The endpoint's name."""
        return self.endpoint

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint!r})"

    def predict(self, data: Any) -> Any:
        """Send `data`, return the decoded answer.

        Raises:
            CodecError: the payload or the answer does not fit its content type.
            RequestError: the endpoint is not there, or the container refused or failed; the
                message is the container's own.
        """
        request: dict[str, Any] = {"EndpointName": self.endpoint, "Body": self._body(data)}
        if self.content_type is not None:
            request["ContentType"] = self.content_type
        if self.accept is not None:
            request["Accept"] = self.accept
        client = self.sagemaker_session.sagemaker_runtime_client
        # The answer is read while it is decoded, so that decoding may fail like the call.
        with translated_errors(f"endpoint {self.endpoint}"):
            response = client.invoke_endpoint(**request)
            stream, content_type = response["Body"], response.get("ContentType", "")
            if self.deserializer == "auto":
                return decode_by_content_type(stream, content_type)
            return self.deserializer(stream, content_type)

    def delete(self) -> None:
        """Delete the endpoint, its configuration and its models."""
        Endpoint(self.endpoint, self.sagemaker_session).delete()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.delete()
        except SMError as failure:
            if error is None:
                raise
            # What went wrong inside the ``with`` block is the error to see.
            logger.warning("endpoint %s could not be deleted: %s", self.endpoint, failure)

    def _body(self, data: Any) -> Body:
        if self.serializer is not None:
            return self.serializer(data)
        if isinstance(data, (bytes, bytearray, str)) or hasattr(data, "read"):
            return cast("bytes | str | IO[bytes]", data)
        raise CodecError(
            "without a serializer only bytes, text and files can be sent, not a "
            f"{type(data).__name__}; give one, for example Predictor(…, "
            "serializer=sm_core.json_serializer, deserializer=sm_core.json_deserializer)"
        )
