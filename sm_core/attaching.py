"""``attach``: the options of an estimator for a job that there is, from its description.

Only a job's name, status and ARN are sure to be in its description. What else is missing there is
left at its default, and asked for when it is needed.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from sm_core.errors import ConfigurationError
from sm_core.frameworks import Framework, get_framework
from sm_core.hyperparameters import OWN_PREFIX, AsSent, declared_hyperparameters, decode
from sm_core.images import ImageOrigin, image_origin
from sm_core.inputs import CODE_CHANNEL, CODE_FOLDER
from sm_core.notices import warn_user
from sm_core.settings import Checkpoints, Network, Spot

if TYPE_CHECKING:
    from sm_core.jobs import TrainingJob
    from sm_core.session import Session

__all__ = ["Code", "DescribedJob", "code_to_serve"]

#: The time that `sm_core.naming.unique_name` puts behind a name.
_STAMP = re.compile(r"-\d{4}(-\d{2}){5}-\d{3}$")
#: A hyperparameter of tuning jobs, which no other job takes.
_TUNERS = "_tuning_objective_metric"
#: Options that reach the container's toolkit as hyperparameters, and their types.
_TOOLKIT_OPTIONS: tuple[tuple[str, type], ...] = (
    ("container_log_level", int),
    ("enable_cloudwatch_metrics", bool),
    ("script_mode", bool),
)


@attrs.frozen
class Code:
    """Where a job has its code from.

    Attributes:
        entry_point: the script in the archive.
        uri: S3 URI of the archive.
    """

    entry_point: str
    uri: str

    def options(self) -> dict[str, Any]:
        """Options of an estimator or model that name it."""
        return {"entry_point": self.entry_point, "source_dir": self.uri, "dependencies": ()}

    @classmethod
    def of_job(cls, description: Mapping[str, Any]) -> Code | None:
        """The code of a described training job; None where it has none, or not from S3.

        A job that was cut off from the network got it by a channel.
        """
        told = decode(description.get("HyperParameters") or {})
        program, place = (told.get(f"{OWN_PREFIX}{n}") for n in ("program", "submit_directory"))
        if not isinstance(program, str) or not isinstance(place, str):
            return None
        uri = place if place.startswith("s3://") else _behind(place, description)
        return None if uri is None else cls(program, uri)


def code_to_serve(
    job: TrainingJob, *, options: Container[str], given: Container[str]
) -> dict[str, Any]:
    """Options that name a job's code, for its model to be served with the same.

    Args:
        job: whose model it is.
        options: those that the model has.
        given: those that the user gives; code among them is served instead.
    """
    ours = ("entry_point", "source_dir", "dependencies")
    if any(name in given for name in ours) or not all(name in options for name in ours):
        return {}
    code = Code.of_job(job.describe())
    return {} if code is None else code.options()


def _behind(path: str, description: Mapping[str, Any]) -> str | None:
    """S3 URI of what the channel for code put at `path` in the container; None if none did."""
    folder, _, file = path.rpartition("/")
    if folder != CODE_FOLDER:
        return None
    for channel in description.get("InputDataConfig") or ():
        if channel.get("ChannelName") == CODE_CHANNEL:
            source = (channel.get("DataSource") or {}).get("S3DataSource") or {}
            uri: str = source.get("S3Uri") or ""
            # A channel may name the object itself, or what its key begins with.
            return uri if uri.endswith(f"/{file}") else f"{uri.rstrip('/')}/{file}"
    return None


@attrs.frozen(kw_only=True)
class DescribedJob:
    """A training job as DescribeTrainingJob tells of it.

    Attributes:
        name: the job's.
        description: DescribeTrainingJob's answer.
        origin: what its image is, where a plugin knows it.
        framework: whose estimator it is for; None for a container of the user's own.
    """

    name: str
    description: Mapping[str, Any]
    origin: ImageOrigin | None
    framework: Framework | None

    @classmethod
    def of(cls, description: Mapping[str, Any], framework_name: str | None) -> DescribedJob:
        """The job as an estimator of `framework_name` sees it; None for any estimator.

        Raises:
            ConfigurationError: it is another framework's job.
        """
        name = description["TrainingJobName"]
        image = (description.get("AlgorithmSpecification") or {}).get("TrainingImage")
        origin = image_origin(image) if image else None
        wanted = framework_name or (origin.framework if origin else None)
        framework = get_framework(wanted) if wanted else None
        if framework and origin and origin.framework != framework.name:
            raise ConfigurationError(
                f"training job {name} ran {origin.framework}, by its image {image}, not "
                f"{framework.name}: sm_core.Estimator.attach finds the right class"
            )
        if framework is None and not image:
            warn_user(
                f"training job {name} names no image: it can be waited for, and its model read; "
                "to deploy that, say what serves it: Model(model_data, image=…)"
            )
        return cls(name=name, description=description, origin=origin, framework=framework)

    def options(self, session: Session) -> dict[str, Any]:
        """The constructor's options, the hyperparameters as the job has them among them."""
        return {
            # What is empty is refused where it is needed, at the next fit or deploy.
            "train_instance_type": "",
            **{name: value for name, value in self._resources().items() if value},
            **{name: value for name, value in self._settings().items() if value},
            **{name: value for name, value in self._code().items() if value is not None},
            "base_job_name": _STAMP.sub("", self.name),
            "hyperparameters": self._hyperparameters(),
            "sagemaker_session": session,
        }

    def _member(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.description.get(name) or {}
        return found

    def _resources(self) -> dict[str, Any]:
        resources, output = self._member("ResourceConfig"), self._member("OutputDataConfig")
        groups = resources.get("InstanceGroups") or [{}]
        return {
            "role": self.description.get("RoleArn"),
            "train_instance_type": resources.get("InstanceType") or groups[0].get("InstanceType"),
            "train_instance_count": resources.get("InstanceCount")
            or sum(group.get("InstanceCount", 0) for group in groups),
            "train_volume_size": resources.get("VolumeSizeInGB"),
            "train_max_run": self._member("StoppingCondition").get("MaxRuntimeInSeconds"),
            "input_mode": self._member("AlgorithmSpecification").get("TrainingInputMode"),
            "output_path": output.get("S3OutputPath"),
            "output_kms_key": output.get("KmsKeyId"),
        }

    def _settings(self) -> dict[str, Any]:
        description, stopping = self.description, self._member("StoppingCondition")
        vpc, checkpoints = self._member("VpcConfig"), self._member("CheckpointConfig")
        wait = stopping.get("MaxWaitTimeInSeconds")
        # AWS adds the metrics of its own algorithms, which no request names.
        ours = self.framework is None or self.framework.script
        metrics = self._member("AlgorithmSpecification").get("MetricDefinitions") or ()
        network = Network(
            subnets=vpc.get("Subnets") or (),
            security_groups=vpc.get("SecurityGroupIds") or (),
            isolation=bool(description.get("EnableNetworkIsolation")),
            encrypt_traffic=bool(description.get("EnableInterContainerTrafficEncryption")),
        )
        return {
            "network": network if network != Network() else None,
            "spot": Spot(max_wait=wait) if wait else None,
            "checkpoints": Checkpoints(
                checkpoints["S3Uri"], local_path=checkpoints.get("LocalPath") or None
            )
            if checkpoints
            else None,
            "metrics": {each["Name"]: each["Regex"] for each in metrics} if ours else None,
            "environment": self._member("Environment"),
            "train_volume_kms_key": self._member("ResourceConfig").get("VolumeKmsKeyId"),
        }

    def _code(self) -> dict[str, Any]:
        """Image, versions and the user's code."""
        image = self._member("AlgorithmSpecification").get("TrainingImage")
        code = Code.of_job(self.description)
        takes_code = self.framework is None or self.framework.script
        options: dict[str, Any] = {}
        if self.origin is not None and (code is not None or not takes_code):
            options["framework_version"] = self.origin.version if takes_code else None
            options["py_version"] = self.origin.py_version if takes_code else None
        else:
            options["image_name"] = image or ""
        if takes_code and code is not None:
            told = decode(self._member("HyperParameters"))
            options |= code.options()
            for name, kind in _TOOLKIT_OPTIONS:
                value = told.get(f"{OWN_PREFIX}{name}")
                options[name] = value if isinstance(value, kind) else None
        return options

    def _hyperparameters(self) -> AsSent:
        sent = {
            name: text
            for name, text in self._member("HyperParameters").items()
            if not name.startswith(OWN_PREFIX) and name != _TUNERS
        }
        declared = {each.wire: each for each in declared_hyperparameters(self.framework).values()}
        values: dict[str, Any] = dict(sent)
        for name, text in sent.items():
            if name in declared:
                try:
                    values[name] = declared[name].checked(text)
                except ValueError:
                    values[name] = text  # the job has it so, whatever is thought of it here
        if self.framework is not None:
            is_json = self.framework.hyperparameter_encoding == "json"
        else:
            is_json = Code.of_job(self.description) is not None
        return AsSent(decode(values) if is_json else values)
