"""``Training``: the CreateTrainingJob request, out of what an estimator was told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from sm_core.declarations import EstimatorValues
from sm_core.hyperparameters import check_limits, encode, settled
from sm_core.inputs import Inputs, channels, implied_hyperparameters
from sm_core.naming import base_name, check_name, unique_name
from sm_core.preparation import Preparation
from sm_core.requests import (
    AlgorithmSpecification,
    Channel,
    OutputDataConfig,
    ResourceConfig,
    StoppingCondition,
    TrainingJobRequest,
    tags_of,
)
from sm_core.source import Source

__all__ = ["Training"]


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
    """

    values: EstimatorValues
    image: str
    source: Source | None
    hyperparameters: Mapping[str, Any]
    inputs: Inputs
    job_name: str | None

    def request(self, preparation: Preparation) -> TrainingJobRequest:
        """The request; what it names is created and uploaded when `preparation` is carried out.

        Raises:
            ConfigurationError: an option, a hyperparameter, a channel or the code cannot be.
        """
        values = self.values
        base = values.base_job_name or base_name(self.image)
        name = check_name("job_name", self.job_name or unique_name(base))
        own = self._own_hyperparameters()
        input_data = self._channels(preparation, name)
        role = preparation.role_arn(values.role)
        output_path = preparation.output_path(values.output_path)
        hyperparameters = {**own, **self._toolkit_hyperparameters(preparation, name)}
        check_limits(hyperparameters)
        return TrainingJobRequest(
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
            ),
            stopping_condition=StoppingCondition(max_runtime_in_seconds=values.train_max_run),
            hyper_parameters=hyperparameters,
            input_data_config=input_data,
            tags=tags_of(values.tags),
        )

    def _own_hyperparameters(self) -> dict[str, str]:
        values = {**self.hyperparameters, **implied_hyperparameters(self.inputs)}
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

    def _toolkit_hyperparameters(self, preparation: Preparation, job_name: str) -> dict[str, str]:
        """What the training toolkit reads among the hyperparameters, always as JSON."""
        if self.source is None:
            return {}
        uri = preparation.code_uri(self.source, location=self.values.code_location)
        return encode(
            {
                "sagemaker_submit_directory": uri,
                "sagemaker_program": self.source.program,
                "sagemaker_enable_cloudwatch_metrics": self.values.enable_cloudwatch_metrics,
                "sagemaker_container_log_level": self.values.container_log_level,
                "sagemaker_job_name": job_name,
                "sagemaker_region": preparation.session.region,
            },
            "json",
        )
