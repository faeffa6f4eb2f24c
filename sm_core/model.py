"""``Model``: a trained model and the container that serves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import IO, TYPE_CHECKING, Any, ClassVar, Literal

from sm_core.declarations import (
    MODEL,
    MODEL_ALIASES,
    ModelOptions,
    bind_model,
    model_options,
)
from sm_core.deployment import deploy, endpoint_request
from sm_core.errors import ConfigurationError
from sm_core.frameworks import Framework, get_framework
from sm_core.functionmode import refuse_unserved
from sm_core.hosting import config_of
from sm_core.images import ImageRequest, check_image, resolve_image
from sm_core.inputs import split_s3_uri
from sm_core.naming import base_name, check_name, unique_name
from sm_core.options import Declared, Option, documented, given_only
from sm_core.predictor import Predictor, check_codecs
from sm_core.preparation import DryPreparation, Preparation
from sm_core.requests import (
    ContainerDefinition,
    ModelRequest,
    ProductionVariant,
    Tags,
    framework_of_calls,
    shown_request,
    tags_of,
    to_aws,
)
from sm_core.servingcode import place_code
from sm_core.session import Session, session_for
from sm_core.settings import (
    MODEL_ENVIRONMENT,
    Network,
    check_kind,
    check_text,
    environment_of,
    whole_number,
)
from sm_core.source import Source

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from sm_core.codecs import Body

__all__ = ["Model", "ModelOptions", "container_def", "deployment", "production_variant"]

_DEPLOYMENT = (
    Option("initial_instance_count", "int", "instances to start", default=1),
    Option("instance_type", "str | None", "of each"),
    # Arguments of their own, named here for whoever misspells one.
    Option("endpoint_name", "str | None", "of the endpoint"),
    Option("wait", "bool", "until it is in service"),
    Option("kms_key", "str | None", "encrypts the instances' storage"),
)
#: Options that are handed to the predictor where they are given.
_CODECS = ("serializer", "deserializer", "content_type", "accept")
_DEPLOYMENT_ALIASES = {
    "min_instances": "initial_instance_count",
    "deploy_instance_type": "instance_type",
}


def container_def(
    image: str, model_data_url: str | None = None, *, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A ContainerDefinition as CreateModel takes it.

    Args:
        image: image URI.
        model_data_url: S3 URI of the model's .tar.gz; None where the image holds the model.
        env: variables of the container.
    """
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
    """A ProductionVariant as CreateEndpointConfig takes it.

    Args:
        model_name: the model that it serves.
        instance_type: of each instance.
        initial_instance_count: instances to start.
        variant_name: its name within the configuration.
        initial_weight: its share of the traffic, in proportion to the sum of all variants'.
    """
    return to_aws(
        ProductionVariant(
            variant_name=variant_name,
            model_name=model_name,
            instance_type=instance_type,
            initial_instance_count=initial_instance_count,
            initial_variant_weight=initial_weight,
        )
    )


def deployment(
    initial_instance_count: int | None,
    instance_type: str | None,
    keywords: Mapping[str, Any],
    *,
    further: Sequence[Option] = (),
) -> tuple[int, str, dict[str, Any]]:
    """Instance count and type of a deployment, from either spelling, and the options beside them.

    Args:
        initial_instance_count: as ``deploy`` was given it.
        instance_type: likewise.
        keywords: what else ``deploy`` was given.
        further: options of the model that ``deploy`` takes, too.

    Raises:
        TypeError: an argument is unknown, given in both spellings, or missing.
        ConfigurationError: the count is no whole number of at least 1.
    """
    primary = {"initial_instance_count": initial_instance_count, "instance_type": instance_type}
    named = {name: value for name, value in primary.items() if value is not None}
    aliases = {**_DEPLOYMENT_ALIASES, **MODEL_ALIASES}
    options = (*_DEPLOYMENT, *further)
    given = given_only("deploy", options, {**named, **keywords}, aliases=aliases)
    count = whole_number("initial_instance_count", given.pop("initial_instance_count", 1))
    kind = given.pop("instance_type", None)
    if kind is None:
        raise TypeError("deploy needs instance_type, for example 'ml.c5.xlarge'")
    return count, kind, given


class Model(Declared):
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
    dependencies: Sequence[str]
    env: Mapping[str, str] | None
    name: str | None
    network: Network | None
    predictor_cls: Callable[..., Any] | None
    serializer: Callable[[Any], Body] | None
    deserializer: Callable[[IO[bytes], str], Any] | Literal["auto"] | None
    content_type: str | None
    accept: str | None
    py_version: str | None
    framework_version: str | None
    container_log_level: int
    enable_cloudwatch_metrics: bool
    code_location: str | None
    model_server_workers: int | None
    tags: Tags

    @classmethod
    def declared_options(cls) -> tuple[Option, ...]:
        """The options of this class, for ``help()``."""
        return model_options(cls.framework_name)

    @documented(MODEL)
    def __init__(self, *args: Any, **options: Unpack[ModelOptions]) -> None:
        """Options are given by name, those of `positional` also by position.

        Raises:
            TypeError: an option is unknown, missing or given twice.
        """
        self.framework: Framework | None = (
            get_framework(self.framework_name) if self.framework_name else None
        )
        owner = type(self).__name__
        bound = bind_model(owner, self.framework, self.positional, args, options)
        self._session: Session | None = bound.pop("sagemaker_session")
        for name, value in bound.items():
            setattr(self, name, value)
        if self.framework is None and not self.image:
            raise TypeError(
                f"{type(self).__name__} needs image, or a framework's own class such as MXNetModel"
            )
        self._source = Source.named(self.entry_point, self.source_dir, self.dependencies)
        self._check()

    def _check(self) -> None:
        tags_of(self.tags)
        environment_of("env", self.env, longest=MODEL_ENVIRONMENT)
        check_codecs(self.serializer, self.deserializer)
        check_text("framework_version", self.framework_version)
        check_text("py_version", self.py_version)
        if self.model_server_workers is not None:
            whole_number("model_server_workers", self.model_server_workers)
        check_kind("network", self.network, Network)

    @property
    def sagemaker_session(self) -> Session:
        """The Session, made now if none was given."""
        if self._session is None:
            self._session = Session()
        return self._session

    def serving_image(self, instance_type: str) -> str:
        """The image that serves on `instance_type`.

        Raises:
            ImageError: none fits version, Python version, region and instance type.
        """
        session = session_for(self._session, instance_type)
        return self._image(session, session.backend.in_requests(instance_type))

    def deploy(
        self,
        initial_instance_count: int | None = None,
        instance_type: str | None = None,
        *,
        endpoint_name: str | None = None,
        wait: bool = True,
        kms_key: str | None = None,
        **aliases: Any,
    ) -> Any:
        """Create model, endpoint configuration and endpoint, all or nothing.

        Args:
            initial_instance_count: instances to start, 1 if absent; also ``min_instances``.
            instance_type: of each, or one of the back end's own; also ``deploy_instance_type``.
            endpoint_name: None for the model's name.
            wait: block until the endpoint is in service.
            kms_key: KMS key that encrypts the instances' storage.
            **aliases: the other spellings.

        Returns:
            the framework's predictor, or what `predictor_cls` makes.

        Raises:
            EndpointFailed: the endpoint did not come into service; nothing is left of it.
            ConfigurationError: the requests could not be made.
        """
        count, kind, _ = deployment(initial_instance_count, instance_type, aliases)
        session = session_for(self._session, kind)
        kind = session.backend.in_requests(kind)
        configured = partial(config_of, instance_type=kind, kms_key=kms_key, tags=self.tags)
        framework = self.framework.name if self.framework else None
        with framework_of_calls(framework):
            preparation = Preparation(session)
            model = self._request(preparation, kind)
            name = check_name("endpoint_name", endpoint_name or model.model_name)
            config = configured(name, model.model_name, initial_instance_count=count)
            preparation.carry_out("CreateModel", to_aws(model))
        made = partial(self._predictor, session=session)
        return deploy(
            session, model=to_aws(model), config=config, framework=framework, wait=wait, result=made
        )

    def model_request(self, instance_type: str) -> dict[str, Any]:
        """The CreateModel request that ``deploy`` to `instance_type` would send; calls nothing.

        Raises:
            ConfigurationError: only the account could tell something; says what to give in full.
        """
        session = session_for(self._session, instance_type)
        preparation = DryPreparation(session, self.role)
        with framework_of_calls(self.framework.name if self.framework else None):
            request = self._request(preparation, session.backend.in_requests(instance_type))
            return shown_request(request, operation="CreateModel", backend=session.backend.name)

    def endpoint_request(
        self,
        initial_instance_count: int | None = None,
        instance_type: str | None = None,
        *,
        endpoint_name: str | None = None,
        kms_key: str | None = None,
        **aliases: Any,
    ) -> dict[str, dict[str, Any]]:
        """The CreateEndpointConfig and CreateEndpoint requests of ``deploy``; calls nothing.

        Args:
            initial_instance_count, instance_type, endpoint_name, kms_key: as for ``deploy``.
            **aliases: the other spellings.

        Raises:
            ConfigurationError: only the account could tell something; says what to give in full.
        """
        count, kind, _ = deployment(initial_instance_count, instance_type, aliases)
        session = session_for(self._session, kind)
        kind = session.backend.in_requests(kind)
        configured = partial(config_of, instance_type=kind, kms_key=kms_key, tags=self.tags)
        with framework_of_calls(self.framework.name if self.framework else None):
            model = self._request(DryPreparation(session, self.role), kind)
            name = check_name("endpoint_name", endpoint_name or model.model_name)
            config = configured(name, model.model_name, initial_instance_count=count)
            endpoint = endpoint_request(name, name, tags=self.tags)
            requests = {"CreateEndpointConfig": config, "CreateEndpoint": endpoint}
            return {
                operation: shown_request(each, operation=operation, backend=session.backend.name)
                for operation, each in requests.items()
            }

    def _image(self, session: Session, instance_type: str) -> str:
        if self.image is not None:
            return check_image("image", self.image)
        assert self.framework is not None
        return resolve_image(
            ImageRequest(
                framework=self.framework.name,
                region=session.region,
                instance_type=instance_type,
                scope="inference",
                version=self.framework_version,
                default_version=self.framework.default_version,
                py_version=self.py_version,
                own_container=session.backend.runs_own_containers,
            )
        )

    def _request(self, preparation: Preparation, instance_type: str) -> ModelRequest:
        _, key = split_s3_uri(self.model_data) or ("", "")
        if not key:
            raise ConfigurationError(
                f"model_data {self.model_data!r} is not of the form 's3://bucket/key'; "
                "session.upload_data(path) uploads a local archive"
            )
        if self.image is None and not preparation.session.backend.runs_own_containers:
            refuse_unserved(
                self.framework,
                version=self.framework_version,
                script=self._source.script if self._source else None,
            )
        image = self._image(preparation.session, instance_type)
        name = check_name("name", self.name or unique_name(base_name(image)))
        environment = environment_of("env", self.env, longest=MODEL_ENVIRONMENT) or {}
        network, model_data = self.network or Network(), self.model_data
        if self._source is not None:
            placed = place_code(
                preparation,
                self._source,
                model_data=model_data,
                image=image,
                framework=self.framework,
                location=self.code_location,
                isolated=network.isolation,
            )
            environment = {**placed.variables, **environment}
            model_data = placed.model_data
        if self.framework.script if self.framework else self._source is not None:
            environment = {**self._toolkit_variables(preparation.session.region), **environment}
        return ModelRequest(
            model_name=name,
            primary_container=ContainerDefinition(
                image=image, model_data_url=model_data, environment=environment
            ),
            execution_role_arn=preparation.role_arn(self.role),
            vpc_config=network.vpc_config(),
            enable_network_isolation=network.isolation or None,
            tags=tags_of(self.tags),
        )

    def _toolkit_variables(self, region: str) -> dict[str, str]:
        """What the serving toolkit reads from its environment."""
        variables = {
            "SAGEMAKER_CONTAINER_LOG_LEVEL": str(self.container_log_level),
            "SAGEMAKER_ENABLE_CLOUDWATCH_METRICS": str(self.enable_cloudwatch_metrics).lower(),
            "SAGEMAKER_REGION": region,
        }
        if self.model_server_workers is not None:
            variables["SAGEMAKER_MODEL_SERVER_WORKERS"] = str(self.model_server_workers)
        return variables

    def _predictor(self, endpoint_name: str, session: Session) -> Any:
        framework_s = self.framework.predictor_class() if self.framework else Predictor
        make = self.predictor_cls or framework_s
        codecs = {name: getattr(self, name) for name in _CODECS}
        given = {name: value for name, value in codecs.items() if value is not None}
        return make(endpoint_name, session, **given)
