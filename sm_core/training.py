"""``Training``: the CreateTrainingJob request, out of what an estimator was told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs

from sm_core.declarations import INPUT_MODES, EstimatorValues
from sm_core.errors import ConfigurationError, InputError
from sm_core.functionmode import refuse_untrained
from sm_core.hyperparameters import check_limits, encode, settled
from sm_core.inputs import (
    CODE_CHANNEL,
    CODE_FOLDER,
    Inputs,
    channels,
    implied_hyperparameters,
)
from sm_core.naming import base_name, check_name, unique_name
from sm_core.notices import warn_user
from sm_core.preparation import Preparation
from sm_core.requests import (
    AlgorithmSpecification,
    Channel,
    DataSource,
    OutputDataConfig,
    ResourceConfig,
    S3DataSource,
    StoppingCondition,
    TrainingJobRequest,
    tags_of,
)
from sm_core.settings import (
    JOB_ENVIRONMENT,
    Checkpoints,
    Network,
    Spot,
    check_kind,
    check_text,
    environment_of,
    metrics_of,
    s3_place,
    whole_number,
)
from sm_core.source import Source

__all__ = ["Training", "check_settings"]

#: Hyperparameter by which the container is told the user's choice between script and functions.
SCRIPT_MODE = "sagemaker_script_mode"


@attrs.frozen(kw_only=True)
class Training:
    """One training job to be.

    Attributes:
        values: the estimator's options.
        image: URI of the image that trains.
        source: the user's code; None for none.
        hyperparameters: as the user set them, by the names that are sent.
        inputs: what was handed to ``fit``.
        job_name: exact name of the job; None for a new one.
        added: hyperparameters of the estimator's class, of the job's name and output path.
    """

    values: EstimatorValues
    image: str
    source: Source | None
    hyperparameters: Mapping[str, Any]
    inputs: Inputs
    job_name: str | None
    added: Callable[[str, str], Mapping[str, Any]] = lambda job_name, output_path: {}

    def request(self, preparation: Preparation) -> TrainingJobRequest:
        """The request; what it names is created and uploaded when `preparation` is carried out.

        Raises:
            ConfigurationError: an option, a hyperparameter, a channel or the code cannot be.
        """
        values = self.values
        if values.image_name is None and not preparation.session.backend.runs_own_containers:
            self._see_that_it_trains()
        base = values.base_job_name or base_name(self.image)
        name = check_name("job_name", self.job_name or unique_name(base))
        output_path = preparation.output_path(values.output_path)
        hyperparameters = self._own_hyperparameters(self.added(name, output_path))
        input_data = self._channels(preparation, name)
        role = preparation.role_arn(values.role)
        if self.source is not None:
            code = preparation.code_uri(self.source, location=values.code_location)
            if values.network is not None and values.network.isolation:
                input_data, code = _brought(code, input_data)
            region = preparation.session.region
            hyperparameters |= self._toolkit_hyperparameters(self.source, code, name, region)
        check_limits(hyperparameters)
        request = TrainingJobRequest(
            training_job_name=name,
            algorithm_specification=AlgorithmSpecification(
                training_image=self.image, training_input_mode=values.input_mode
            ),
            role_arn=role,
            output_data_config=OutputDataConfig(
                s3_output_path=output_path, kms_key_id=values.output_kms_key
            ),
            resource_config=ResourceConfig(
                instance_type=preparation.session.backend.in_requests(values.train_instance_type),
                instance_count=values.train_instance_count,
                volume_size_in_gb=values.train_volume_size,
                volume_kms_key_id=values.train_volume_kms_key,
            ),
            stopping_condition=StoppingCondition(max_runtime_in_seconds=values.train_max_run),
            hyper_parameters=hyperparameters,
            input_data_config=input_data,
            environment=environment_of("environment", values.environment, longest=JOB_ENVIRONMENT),
            tags=tags_of(values.tags),
        )
        return _with_settings(request, values)

    def _see_that_it_trains(self) -> None:
        chosen = self.values.script_mode
        if chosen is None:
            chosen = self.hyperparameters.get(SCRIPT_MODE)
        refuse_untrained(
            self.values.framework,
            version=self.values.framework_version,
            script=self.source.script if self.source else None,
            image=self.image,
            chosen=chosen,
        )

    def _own_hyperparameters(self, added: Mapping[str, Any]) -> dict[str, str]:
        values = {**added, **self.hyperparameters, **implied_hyperparameters(self.inputs)}
        return encode(settled(self.values.framework, values), self._encoding())

    def _encoding(self) -> Literal["json", "text"]:
        if self.values.framework is not None:
            return self.values.framework.hyperparameter_encoding
        return "text" if self.source is None else "json"

    def _channels(self, preparation: Preparation, job_name: str) -> tuple[Channel, ...] | None:
        framework = self.values.framework
        return channels(
            self.inputs,
            default_channel=framework.default_channel if framework else "training",
            upload=lambda path, channel: preparation.data_uri(
                path, channel=channel, job_name=job_name
            ),
        )

    def _toolkit_hyperparameters(
        self, source: Source, code: str, job_name: str, region: str
    ) -> dict[str, str]:
        """What the training toolkit reads among the hyperparameters, always as JSON."""
        chosen = self.values.script_mode
        return encode(
            {
                "sagemaker_submit_directory": code,
                "sagemaker_program": source.program,
                "sagemaker_enable_cloudwatch_metrics": self.values.enable_cloudwatch_metrics,
                "sagemaker_container_log_level": self.values.container_log_level,
                "sagemaker_job_name": job_name,
                "sagemaker_region": region,
                **({} if chosen is None else {SCRIPT_MODE: chosen}),
            },
            "json",
        )


def _with_settings(request: TrainingJobRequest, values: EstimatorValues) -> TrainingJobRequest:
    """`request` with what the user asked for beside the everyday options."""
    network = values.network or Network()
    request = attrs.evolve(
        request,
        algorithm_specification=attrs.evolve(
            request.algorithm_specification, metric_definitions=metrics_of(values.metrics)
        ),
        vpc_config=network.vpc_config(),
        enable_network_isolation=network.isolation or None,
        enable_inter_container_traffic_encryption=network.encrypt_traffic or None,
    )
    if values.checkpoints is not None:
        checkpoints = values.checkpoints.config(
            output_path=request.output_data_config.s3_output_path,
            job_name=request.training_job_name,
        )
        request = attrs.evolve(request, checkpoint_config=checkpoints)
    if values.spot is not None:
        limits = attrs.evolve(
            request.stopping_condition, max_wait_time_in_seconds=values.spot.max_wait
        )
        request = attrs.evolve(
            request, enable_managed_spot_training=True, stopping_condition=limits
        )
    return request


def _brought(code: str, input_data: tuple[Channel, ...] | None) -> tuple[tuple[Channel, ...], str]:
    """Channels with one for the archive `code`, and where it lies in the container then.

    A container that is cut off from the network cannot fetch it.
    """
    others = input_data or ()
    if any(channel.channel_name == CODE_CHANNEL for channel in others):
        raise InputError(
            f"channel {CODE_CHANNEL!r}: with network isolation the script itself comes by a "
            "channel of this name; call yours otherwise"
        )
    channel = Channel(
        channel_name=CODE_CHANNEL,
        data_source=DataSource(s3_data_source=S3DataSource(s3_uri=code)),
        input_mode="File",
    )
    return (*others, channel), f"{CODE_FOLDER}/{code.rpartition('/')[2]}"


def check_settings(values: EstimatorValues) -> None:
    """Check what an estimator was told; whole numbers of any type become int.

    Raises:
        ConfigurationError: a value cannot be.
    """
    for name in ("train_instance_count", "train_volume_size", "train_max_run"):
        setattr(values, name, whole_number(name, getattr(values, name)))
    if values.input_mode not in INPUT_MODES:
        raise ConfigurationError(
            f"input_mode is {values.input_mode!r}; it is one of {', '.join(INPUT_MODES)}"
        )
    if values.train_max_run < 60:
        warn_user(f"train_max_run={values.train_max_run} is in seconds, and less than a minute")
    if values.output_path is not None:
        s3_place("output_path", values.output_path)
    check_text("framework_version", values.framework_version)
    check_text("py_version", values.py_version)
    tags_of(values.tags)
    metrics_of(values.metrics)
    environment_of("environment", values.environment, longest=JOB_ENVIRONMENT)
    check_kind("network", values.network, Network)
    check_kind("checkpoints", values.checkpoints, Checkpoints)
    spot = check_kind("spot", values.spot, Spot)
    if spot is not None and spot.max_wait < values.train_max_run:
        raise ConfigurationError(
            f"spot: max_wait is {spot.max_wait} seconds, less than train_max_run, "
            f"{values.train_max_run}; the time of training counts as waiting, too"
        )
    if values.script_mode not in (None, True, False):
        raise ConfigurationError(
            f"script_mode is {values.script_mode!r}; give True, False, or None to leave it to "
            "the script"
        )
