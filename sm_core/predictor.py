"""``Predictor``: real-time inference against an endpoint, with Python values in and out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, ClassVar, Literal, cast

from botocore.exceptions import ReadTimeoutError

from sm_core.clients import translated_errors
from sm_core.codecs import Body, decode_by_content_type, find_codec
from sm_core.endpoints import Endpoint
from sm_core.errors import CodecError, ConfigurationError, RequestError, SMError
from sm_core.formats import bytes_deserializer
from sm_core.frameworks import get_framework
from sm_core.invocations import body_of
from sm_core.session import Session

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Predictor", "check_codecs"]

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
            content_type: what to declare requests as; None for the serializer's. A framework's
                predictor without a serializer takes that of this content type.
            accept: content type to ask for; None for the deserializer's.

        Raises:
            ConfigurationError: a serializer or deserializer is none.
        """
        check_codecs(serializer, deserializer)
        self.endpoint = endpoint
        self.sagemaker_session = sagemaker_session or Session()
        #: The serializer of a framework's predictor that was given none.
        self._default: Callable[[Any], Body] | None = None
        if self.framework_name is not None:
            framework = get_framework(self.framework_name)
            if serializer is None:
                content_type = content_type or framework.content_type
                serializer = self._default = self.default_serializer(content_type)
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

    def default_serializer(self, content_type: str) -> Callable[[Any], Body] | None:
        """The serializer of a framework's predictor that is given none.

        Args:
            content_type: of the request; one that has no codec takes bytes, text and files.
        """
        codec = find_codec(content_type)
        return None if codec is None else codec.serializer

    def predict(
        self,
        data: Any,
        *,
        content_type: str | None = None,
        accept: str | None = None,
        custom_attributes: str | None = None,
        target_variant: str | None = None,
        inference_id: str | None = None,
    ) -> Any:
        """Send `data`, return the decoded answer.

        A request that the model may have worked on is never sent twice.

        Args:
            data: what the serializer takes; without one, bytes, text or a file.
            content_type: what to declare this request as; None for the predictor's. A framework's
                predictor without a serializer of the user's takes that of this content type.
            accept: content type to ask for this time; None for the predictor's.
            custom_attributes: text that is handed to the container, up to 1024 characters of
                ASCII.
            target_variant: production variant to ask; None for one by the variants' weights.
            inference_id: name of this request in captured data.

        Raises:
            CodecError: the payload or the answer does not fit its content type, or the request is
                larger than SageMaker takes.
            ModelError: the container refused the request or failed; the message is its own.
            RequestError: the endpoint is not there, cannot be reached, or did not answer in time.
        """
        serializer = self._serializer_for(content_type)
        content_type = content_type or self.content_type
        options = {
            "ContentType": content_type,
            "Accept": accept or self.accept,
            "CustomAttributes": custom_attributes,
            "TargetVariant": target_variant,
            "InferenceId": inference_id,
        }
        request = {name: value for name, value in options.items() if value is not None}
        body = body_of(_encoded(data, serializer), content_type)
        client = self.sagemaker_session.sagemaker_runtime_client
        # The answer is read while it is decoded, so that decoding may fail like the call.
        with _answering(self.endpoint):
            response = client.invoke_endpoint(EndpointName=self.endpoint, Body=body, **request)
            return self._decoded(response["Body"], response.get("ContentType", ""))

    def delete(self) -> None:
        """Delete the endpoint, its configuration and its models.

        That other endpoints use the same configuration or models is not looked for:
        `Session.delete_endpoint` deletes an endpoint alone.
        """
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

    def _serializer_for(self, content_type: str | None) -> Callable[[Any], Body] | None:
        """The serializer for one request; the user's own, where there is one, for any type."""
        default = self.framework_name is not None and self.serializer is self._default
        if content_type is None or not default:
            return self.serializer
        return self.default_serializer(content_type)

    def _decoded(self, body: Any, content_type: str) -> Any:
        decode = decode_by_content_type if self.deserializer == "auto" else self.deserializer
        try:
            return decode(body, content_type)
        except BaseException:
            # A connection with an answer that nobody reads cannot be used again.
            body.close()
            raise


def check_codecs(serializer: object, deserializer: object) -> None:
    """Refuse what can be no codec, before a request is made with it.

    Raises:
        ConfigurationError: one cannot be called.
    """
    if serializer is not None and not callable(serializer):
        raise ConfigurationError(
            f"serializer is {serializer!r}; give a function of the payload, for example "
            "sm_core.json_serializer"
        )
    if deserializer not in (None, "auto") and not callable(deserializer):
        raise ConfigurationError(
            f"deserializer is {deserializer!r}; give a function of body and content type, for "
            "example sm_core.json_deserializer, or 'auto'"
        )


def _encoded(data: Any, serializer: Callable[[Any], Body] | None) -> Body:
    if serializer is not None:
        return serializer(data)
    if isinstance(data, (bytes, bytearray, memoryview, str)) or hasattr(data, "read"):
        return cast("bytes | str | IO[bytes]", data)
    raise CodecError(
        "without a serializer only bytes, text and files can be sent, not a "
        f"{type(data).__name__}; give one, for example Predictor(…, "
        "serializer=sm_core.json_serializer, deserializer=sm_core.json_deserializer)"
    )


@contextmanager
def _answering(endpoint: str) -> Iterator[None]:
    """Raise boto3's errors of InvokeEndpoint as this SDK's."""
    with translated_errors(f"endpoint {endpoint}"):
        try:
            yield
        except ReadTimeoutError as error:
            raise RequestError(
                f"endpoint {endpoint}: {error}. The request was not sent again, since the model "
                "may still be at work. SageMaker gives a container 60 seconds; to wait longer on "
                "the way, give Session(sagemaker_runtime_client=…) a client of your own with "
                "botocore's Config(read_timeout=…)",
                operation="InvokeEndpoint",
            ) from error
