"""``Estimator``: trains on SageMaker, or on the laptop, and deploys what it trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, cast, overload

from sm_core.attaching import DescribedJob, code_to_serve
from sm_core.declarations import (
    ESTIMATOR,
    MODEL_ALIASES,
    EstimatorOptions,
    EstimatorValues,
    ModelOptions,
    bind_estimator,
    estimator_options,
    model_options,
    shared_options,
)
from sm_core.endpoints import Endpoint
from sm_core.errors import ConfigurationError
from sm_core.frameworks import get_framework
from sm_core.functionmode import calls_functions
from sm_core.hyperparameters import initial, merged
from sm_core.images import ImageRequest, check_image, resolve_image
from sm_core.inputs import Inputs
from sm_core.jobs import TrainingJob, is_ended
from sm_core.model import Model, deployment
from sm_core.naming import base_name, unique_name
from sm_core.options import Declared, Option, documented, given_only
from sm_core.preparation import DryPreparation, Preparation
from sm_core.requests import framework_of_calls, shown_request, to_aws
from sm_core.session import Session, session_for
from sm_core.source import Source, SourceFile
from sm_core.training import Training, check_settings

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = ["Estimator", "EstimatorOptions"]


class Estimator(Declared, EstimatorValues):
    """Trains a model and deploys it.

    ``Estimator(framework="mxnet", …)`` returns an instance of that framework's own class;
    ``Estimator(image_name=…, …)`` brings your own container.
    """

    #: Framework that a subclass trains; None for bring-your-own containers.
    framework_name: ClassVar[str | None] = None
    #: Options that may be given by position.
    positional: ClassVar[Sequence[str]] = (
        "image_name",
        "role",
        "train_instance_count",
        "train_instance_type",
    )

    def __new__(cls, *args: Any, framework: str | None = None, **options: Any) -> Self:
        """An instance of `cls`, or of the class that `framework` registers."""
        target = cls if framework is None else get_framework(framework).estimator_class()
        if not issubclass(target, cls):
            raise TypeError(
                f"{cls.__name__} cannot be an estimator of {framework!r}, which is "
                f"{target.__name__}; leave framework= out, or use Estimator"
            )
        return object.__new__(target)

    @classmethod
    def declared_options(cls) -> tuple[Option, ...]:
        """The options of this class, a framework's own among them, for ``help()``."""
        return estimator_options(cls.framework_name)

    @overload
    def __init__(self, *args: Any, framework: str, **options: Any) -> None: ...

    @overload
    def __init__(
        self, *args: Any, framework: None = None, **options: Unpack[EstimatorOptions]
    ) -> None: ...

    @documented(ESTIMATOR)
    def __init__(self, *args: Any, framework: str | None = None, **options: Any) -> None:
        """Options are given by name, those of `positional` also by position.

        Args:
            framework: name of an installed framework, as `list_frameworks` gives them.

        Raises:
            TypeError: an option is unknown, missing or given twice.
            UnknownFrameworkError: no installed plugin registers `framework`.
            SourceError: the entry point or source folder does not exist.
            ConfigurationError: an option has a value that cannot be.
        """
        name = framework or self.framework_name
        self.framework = get_framework(name) if name else None
        owner = type(self).__name__
        bound = bind_estimator(owner, self.framework, self.positional, args, options)
        self._session: Session | None = bound.pop("sagemaker_session")
        self._hyperparameters = initial(self.framework, bound)
        for option, value in bound.items():
            setattr(self, option, value)
        #: The job of the last ``fit``.
        self.latest_training_job: TrainingJob | None = None
        self._endpoint_name: str | None = None
        self._source = self._locate()
        self._check()

    def _locate(self) -> Source | None:
        if self.framework is None and self.image_name is None:
            raise TypeError(
                f"{type(self).__name__} needs framework=, the name of an installed framework, or "
                "image_name=, a container of your own"
            )
        needed = self.framework is not None and self.framework.script and self.image_name is None
        if self.entry_point is None and needed:
            raise TypeError(f"{type(self).__name__} needs entry_point, the script that trains")
        return Source.named(self.entry_point, self.source_dir, self.dependencies)

    def _check(self) -> None:
        check_settings(self)

    @classmethod
    def attach(
        cls,
        training_job_name: str,
        sagemaker_session: Session | None = None,
        *,
        wait: bool = True,
        logs: bool = True,
    ) -> Self:
        """The estimator of a training job that there is, whoever started it.

        Args:
            training_job_name: the job's name.
            sagemaker_session: the Session of its account; None for a new one.
            wait: block until a job that is under way has ended.
            logs: while waiting, show its statuses and log lines.

        Returns:
            an instance of the class whose framework the job's image belongs to.

        Raises:
            ConfigurationError: it is the job of another framework than this class's.
            TrainingJobFailed: the job failed while it was waited for.
            RequestError: there is no such job.
        """
        session = sagemaker_session or Session()
        latest = TrainingJob(training_job_name, session)
        job = DescribedJob.of(latest.describe(), cls.framework_name)
        own = cls.framework_name is not None
        target = cls if own or job.framework is None else job.framework.estimator_class()
        estimator = target(**target.options_of_job(job, session))
        estimator.latest_training_job = latest
        if wait and not is_ended(job.description):
            latest.wait(logs=logs)
        return cast("Self", estimator)

    @classmethod
    def options_of_job(cls, job: DescribedJob, session: Session) -> dict[str, Any]:
        """The constructor's options for a job; a framework with options of its own adds those.

        Args:
            job: what is known of it.
            session: to be the estimator's.
        """
        return job.options(session)

    @property
    def sagemaker_session(self) -> Session:
        """The Session; made now, on the instance type's back end, if none was given."""
        self._session = session_for(self._session, self.train_instance_type)
        return self._session

    def hyperparameters(self) -> dict[str, Any]:
        """The user's hyperparameters, by the names that are sent."""
        return dict(self._hyperparameters)

    def set_hyperparameters(self, **hyperparameters: Any) -> None:
        """Add or replace `hyperparameters`; None unsets one that the framework declares.

        Raises:
            ConfigurationError: a value cannot be; all mistakes are named at once.
        """
        self._hyperparameters = merged(self.framework, self._hyperparameters, hyperparameters)

    def train_image(self) -> str:
        """URI of the image that trains.

        Raises:
            ImageError: none fits version, Python version, region and instance type, or
                `image_name` can be none.
        """
        if self.image_name is not None:
            return check_image("image_name", self.image_name)
        assert self.framework is not None
        session = self.sagemaker_session
        return resolve_image(
            ImageRequest(
                framework=self.framework.name,
                region=session.region,
                instance_type=session.backend.in_requests(self.train_instance_type),
                scope="training",
                version=self.framework_version,
                default_version=self.framework.default_version,
                py_version=self.py_version,
                own_container=session.backend.runs_own_containers,
            )
        )

    def function_mode(self) -> bool | None:
        """Whether the container is to call the script's functions, rather than to run the script.

        None where only the container can tell, and of frameworks that never call functions.
        """
        return calls_functions(
            self.framework,
            version=self.framework_version,
            script=self._source.script if self._source else None,
            chosen=self.script_mode,
        )

    def job_hyperparameters(self, job_name: str, output_path: str) -> Mapping[str, Any]:
        """Hyperparameters that this class adds to a job's, by the names that are sent.

        The user's own of the same name win.

        Args:
            job_name: of the job to be.
            output_path: S3 URI below which the job puts its results.
        """
        return {}

    def source_listing(self) -> list[SourceFile]:
        """The files of the user's code that ``fit`` would upload."""
        return self._source.listing() if self._source else []

    def training_request(
        self, inputs: Inputs = None, *, job_name: str | None = None
    ) -> dict[str, Any]:
        """The CreateTrainingJob request that ``fit`` would send; calls nothing.

        Args:
            inputs: as for ``fit``.
            job_name: as for ``fit``.

        Raises:
            ConfigurationError: only the account could tell something; says what to give in full.
        """
        session = self.sagemaker_session
        with self._calls():
            training = self._training(inputs, job_name)
            request = training.request(DryPreparation(session, self.role))
            return shown_request(
                request, operation="CreateTrainingJob", backend=session.backend.name
            )

    def fit(
        self,
        inputs: Inputs = None,
        wait: bool = True,
        *,
        logs: bool = True,
        job_name: str | None = None,
    ) -> None:
        """Train.

        Args:
            inputs: an S3 or file URI, or a `TrainingInput`, for the framework's default channel; or
                a dict of them by channel name.
            wait: block until the job has ended.
            logs: while waiting, show its statuses and log lines.
            job_name: exact name of the job; None for a new one.

        Raises:
            TrainingJobFailed: the job failed; carries reason, exit code and the last log lines.
            InputError: a channel does not name usable data.
            ConfigurationError: the request could not be made.
        """
        preparation = Preparation(self.sagemaker_session)
        with self._calls():
            request = self._training(inputs, job_name).request(preparation)
            preparation.carry_out("CreateTrainingJob", to_aws(request))
            self.latest_training_job = TrainingJob.start(request, preparation.session)
        if wait:
            self.latest_training_job.wait(logs=logs)

    @property
    def model_data(self) -> str:
        """S3 URI of the last job's model.

        Raises:
            ConfigurationError: there is no job yet, or it has no model.
        """
        if self.latest_training_job is None:
            raise ConfigurationError("there is no model yet: call fit first")
        return self.latest_training_job.model_data

    def create_model(self, **options: Unpack[ModelOptions]) -> Model:
        """The trained model, ready to be deployed.

        Args:
            **options: of the model, `predictor_cls`, `serializer`, `deserializer`, `content_type`
                and `accept` among them; those that estimator and model share are the estimator's
                unless given here.

        Raises:
            TypeError: the model has no such option.
            ConfigurationError: there is no trained model yet.
        """
        model_class = self.framework.model_class() if self.framework else Model
        given = given_only(
            model_class.__name__, model_class.declared_options(), options, aliases=MODEL_ALIASES
        )
        shared = {name: getattr(self, name) for name in shared_options(self.framework)}
        if "model_data" not in given:
            given["model_data"] = self.model_data
        if given.get("entry_point", "") is None:
            # Whoever wants no script wants nothing of what lies beside it.
            given = {"source_dir": None, "dependencies": (), **given}
        image = {"image": self.image_name or None}
        code: Mapping[str, Any] = {}
        if self.latest_training_job is not None:
            code = code_to_serve(self.latest_training_job, options=shared, given=given)
        return model_class(**{**image, **shared, **code, **given})

    def deploy(
        self,
        initial_instance_count: int | None = None,
        instance_type: str | None = None,
        *,
        endpoint_name: str | None = None,
        wait: bool = True,
        kms_key: str | None = None,
        **options: Any,
    ) -> Any:
        """Deploy the trained model to an endpoint, all or nothing.

        Args:
            initial_instance_count: instances to start, 1 if absent; also ``min_instances``.
            instance_type: of each; also ``deploy_instance_type``.
            endpoint_name: None for a new name that begins like the job's.
            wait: block until the endpoint is in service.
            kms_key: KMS key that encrypts the instances' storage.
            **options: of the model, as `create_model` takes them; and the other spellings.

        Returns:
            the framework's predictor, or what ``predictor_cls`` makes.

        Raises:
            EndpointFailed: the endpoint did not come into service; nothing is left of it.
        """
        further = model_options(self.framework.name if self.framework else None)
        count, kind, given = deployment(
            initial_instance_count, instance_type, options, further=further
        )
        name = endpoint_name or unique_name(self.base_job_name or base_name(self.train_image()))
        model = self.create_model(**given)
        before, self._endpoint_name = self._endpoint_name, name
        try:
            return model.deploy(count, kind, endpoint_name=name, wait=wait, kms_key=kms_key)
        except Exception:
            # Nothing of it is left, or the name is somebody else's. Interrupted, it may be there.
            self._endpoint_name = before
            raise

    def delete_endpoint(self) -> None:
        """Delete the endpoint that the last ``deploy`` made, its configuration and its models.

        Raises:
            ConfigurationError: nothing was deployed.
        """
        if self._endpoint_name is None:
            raise ConfigurationError("there is no endpoint to delete: deploy was not called")
        Endpoint(self._endpoint_name, self.sagemaker_session).delete()
        self._endpoint_name = None

    def _training(self, inputs: Inputs, job_name: str | None) -> Training:
        return Training(
            values=self,
            image=self.train_image(),
            source=self._source,
            hyperparameters=self._hyperparameters,
            inputs=inputs,
            job_name=job_name or self.job_name,
            added=self.job_hyperparameters,
        )

    def _calls(self) -> AbstractContextManager[None]:
        name = self.framework.name if self.framework else None
        return framework_of_calls(name, self.function_mode())
