"""``Model``: a trained model and the container that serves it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from sm_core.endpoints import deploy
from sm_core.frameworks import Framework, get_framework
from sm_core.images import ImageRequest, resolve_image
from sm_core.naming import base_name, unique_name
from sm_core.options import REQUIRED, Option, bind, signature
from sm_core.predictor import Predictor
from sm_core.preparation import DryPreparation, Preparation
from sm_core.requests import (
    ContainerDefinition,
    EndpointConfigRequest,
    ModelRequest,
    ProductionVariant,
    Tag,
    framework_of_calls,
    shape_request,
    to_aws,
)
from sm_core.session import Session, backend_for_instance_type
from sm_core.source import Source

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Model", "ModelOptions", "container_def", "production_variant"]

#: Options of every model.
OPTIONS = (
    Option("model_data", "str", "S3 URI of the model's .tar.gz", default=REQUIRED),
    Option("role", "str | None", "IAM role, name or ARN, that the endpoint assumes"),
    Option("image", "str | None", "image URI; None for the framework's"),
    Option("entry_point", "str | None", "Python file with the serving functions"),
    Option("source_dir", "str | None", "folder, or s3:// archive, that holds the entry point"),
    Option("env", "Mapping[str, str] | None", "variables of the container"),
    Option("name", "str | None", "the model's name; None for a new one on each deploy"),
    Option("predictor_cls", "Callable | None", "makes the predictor of (endpoint name, session)"),
    Option("py_version", "str | None", "Python version of the image"),
    Option("framework_version", "str | None", "framework version of the image"),
    Option("container_log_level", "int", "log level in the container", default=logging.INFO),
    Option("enable_cloudwatch_metrics", "bool", "send the container's metrics", default=False),
    Option("code_location", "str | None", "bucket, or s3:// prefix, for the code"),
    Option("model_server_workers", "int | None", "worker processes; None for one per CPU"),
    Option("tags", "Mapping[str, str] | None", "tags of all that is created"),
    Option("sagemaker_session", "Session | None", "whose account; None for a new Session"),
)

_ALIASES = {"image_uri": "image", "image_name": "image"}


class ModelOptions(TypedDict, total=False):
    """Keyword arguments of `Model` and its subclasses; meanings stand beside `OPTIONS`."""

    model_data: str
    role: str | None
    image: str | None
    image_uri: str | None
    image_name: str | None
    entry_point: str | None
    source_dir: str | None
    env: Mapping[str, str] | None
    name: str | None
    predictor_cls: Callable[[str, Session], Any] | None
    py_version: str | None
    framework_version: str | None
    container_log_level: int
    enable_cloudwatch_metrics: bool
    code_location: str | None
    model_server_workers: int | None
    tags: Mapping[str, str] | None
    sagemaker_session: Session | None


def container_def(
    image: str, model_data_url: str | None = None, *, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A ContainerDefinition as CreateModel takes it."""
    return to_aws(
        ContainerDefinition(image=image, model_data_url=model_data_url, environment=dict(env or {}))
    )


def production_variant(
    model_name: str,
    instance_type: str,
    *,
    initial_instance_count: int = 1,
    variant_name: str = "AllTraffic",
    initial_weight: float = 1.0,
) -> dict[str, Any]:
    """A ProductionVariant as CreateEndpointConfig takes it; weights are shares of the traffic."""
    return to_aws(
        ProductionVariant(
            variant_name=variant_name,
            model_name=model_name,
            instance_type=instance_type,
            initial_instance_count=initial_instance_count,
            initial_variant_weight=initial_weight,
        )
    )


def session_for(session: Session | None, instance_type: str | None) -> Session:
    """The user's Session, or a new one on the back end that `instance_type` belongs to."""
    if session is not None:
        return session
    return Session(backend=backend_for_instance_type(instance_type) if instance_type else None)


class Model:
    """A trained model that can be deployed to an endpoint."""

    #: Framework that a subclass serves; None for bring-your-own containers.
    framework_name: ClassVar[str | None] = None
    #: Options that may be given by position.
    positional: ClassVar[Sequence[str]] = ("model_data", "role")

    model_data: str
    role: str | None
    image: str | None
    entry_point: str | None
    source_dir: str | None
    env: Mapping[str, str] | None
    name: str | None
    predictor_cls: Callable[[str, Session], Any] | None
    py_version: str | None
    framework_version: str | None
    container_log_level: int
    enable_cloudwatch_metrics: bool
    code_location: str | None
    model_server_workers: int | None
    tags: Mapping[str, str] | None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__signature__ = signature(cls.positional, OPTIONS)  # type: ignore[attr-defined]  # read by inspect

    def __init__(self, *args: Any, **options: Unpack[ModelOptions]) -> None:
        """See `OPTIONS` for the options; `positional` may be given by position.

        Raises:
            TypeError: an option is unknown, missing or given twice.
        """
        bound = bind(type(self).__name__, OPTIONS, self.positional, args, options, aliases=_ALIASES)
        self._session: Session | None = bound.pop("sagemaker_session")
        for name, value in bound.items():
            setattr(self, name, value)
        self.framework: Framework | None = (
            get_framework(self.framework_name) if self.framework_name else None
        )
        if self.framework is None and self.image is None:
            raise TypeError("Model needs image, or a framework's own class such as MXNetModel")
        self._source = (
            Source.locate(self.entry_point, self.source_dir) if self.entry_point else None
        )

    @property
    def sagemaker_session(self) -> Session:
        """The Session, made now if none was given."""
        if self._session is None:
            self._session = Session()
        return self._session

    def serving_image(self, instance_type: str) -> str:
        """The image that serves on `instance_type`."""
        if self.image is not None:
            return self.image
        assert self.framework is not None
        return resolve_image(
            ImageRequest(
                framework=self.framework.name,
                region=self.sagemaker_session.region,
                instance_type=instance_type,
                scope="inference",
                version=self.framework_version,
                default_version=self.framework.default_version,
                py_version=self.py_version,
            )
        )

    def deploy(
        self,
        initial_instance_count: int = 1,
        instance_type: str | None = None,
        *,
        endpoint_name: str | None = None,
        wait: bool = True,
    ) -> Any:
        """Create model, endpoint configuration and endpoint, all or nothing.

        Args:
            initial_instance_count: instances to start.
            instance_type: of each, ``ml.<family>.<size>`` or one of the back end's own.
            endpoint_name: None for the model's name.
            wait: block until the endpoint is in service.

        Returns:
            the framework's predictor, or what `predictor_cls` makes.

        Raises:
            EndpointFailed: the endpoint did not come into service; nothing is left of it.
        """
        if instance_type is None:
            raise TypeError("deploy needs instance_type, for example 'ml.c5.xlarge'")
        self._session = session_for(self._session, instance_type)
        session = self._session
        instance_type = session.backend.instance_types.get(instance_type, instance_type)
        with framework_of_calls(self.framework.name if self.framework else None):
            model = self._request(Preparation(session), instance_type)
        config = EndpointConfigRequest(
            endpoint_config_name=endpoint_name or model.model_name,
            production_variants=(
                ProductionVariant(
                    variant_name="AllTraffic",
                    model_name=model.model_name,
                    instance_type=instance_type,
                    initial_instance_count=initial_instance_count,
                ),
            ),
            tags=_tags(self.tags),
        )
        endpoint = deploy(
            session,
            model=model,
            config=config,
            framework=self.framework.name if self.framework else None,
            wait=wait,
        )
        return self._predictor(endpoint.name, session)

    def model_request(self, instance_type: str) -> dict[str, Any]:
        """The CreateModel request that ``deploy`` would send; calls nothing."""
        session = session_for(self._session, instance_type)
        instance_type = session.backend.instance_types.get(instance_type, instance_type)
        with framework_of_calls(self.framework.name if self.framework else None):
            request = to_aws(self._request(DryPreparation(session, self.role), instance_type))
            amended = shape_request(
                request,
                service="sagemaker",
                operation="CreateModel",
                backend=session.backend.name,
                sending=False,
            )
        return request if amended is None else amended

    def _request(self, preparation: Preparation, instance_type: str) -> ModelRequest:
        image = self.serving_image(instance_type)
        name = self.name or unique_name(base_name(image))
        environment = dict(self.env or {})
        if self.framework is not None or self._source is not None:
            environment = {**self._toolkit_variables(preparation, name), **environment}
        return ModelRequest(
            model_name=name,
            primary_container=ContainerDefinition(
                image=image, model_data_url=self.model_data, environment=environment
            ),
            execution_role_arn=preparation.role_arn(self.role),
            tags=_tags(self.tags),
        )

    def _toolkit_variables(self, preparation: Preparation, name: str) -> dict[str, str]:
        """What the serving toolkit reads from its environment."""
        variables = {
            "SAGEMAKER_CONTAINER_LOG_LEVEL": str(self.container_log_level),
            "SAGEMAKER_ENABLE_CLOUDWATCH_METRICS": str(self.enable_cloudwatch_metrics).lower(),
            "SAGEMAKER_REGION": self.sagemaker_session.region,
        }
        if self._source is not None:
            variables["SAGEMAKER_PROGRAM"] = self._source.program
            variables["SAGEMAKER_SUBMIT_DIRECTORY"] = preparation.code_uri(
                self._source, location=self.code_location, key=f"{name}/sourcedir.tar.gz"
            )
        if self.model_server_workers is not None:
            variables["SAGEMAKER_MODEL_SERVER_WORKERS"] = str(self.model_server_workers)
        return variables

    def _predictor(self, endpoint_name: str, session: Session) -> Any:
        if self.predictor_cls is not None:
            return self.predictor_cls(endpoint_name, session)
        if self.framework is not None:
            return self.framework.predictor_class()(endpoint_name, session)
        return Predictor(endpoint_name, session)


Model.__signature__ = signature(Model.positional, OPTIONS)  # type: ignore[attr-defined]  # read by inspect


def _tags(tags: Mapping[str, str] | None) -> tuple[Tag, ...] | None:
    if not tags:
        return None
    return tuple(Tag(key=key, value=value) for key, value in tags.items())
