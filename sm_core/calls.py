"""``Calls``: SageMaker's calls by hand; estimators and models make them by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sm_core.clients import translated_errors
from sm_core.connection import Connection
from sm_core.deployment import deploy, endpoint_request
from sm_core.endpoints import Endpoint
from sm_core.hosting import config_of, config_of_variants, model_of, model_of_job, tags_as_sent
from sm_core.jobs import TrainingJob
from sm_core.naming import base_name, unique_name
from sm_core.requests import ContainerDefinition, Tags, to_aws
from sm_core.roles import expand_role

__all__ = ["Calls"]


class Calls(Connection):
    """A connection with methods that start jobs and bring up endpoints, and wait for them.

    Names of jobs, models and endpoints are at most 63 letters, digits and hyphens. Each method
    raises `RequestError` where the service refuses a call.
    """

    # Training jobs

    def train(
        self,
        image: str,
        input_mode: str,
        *,
        input_config: Sequence[Mapping[str, Any]] | None,
        role: str | None,
        job_name: str,
        output_config: Mapping[str, Any],
        resource_config: Mapping[str, Any],
        hyperparameters: Mapping[str, str] | None,
        stop_condition: Mapping[str, Any],
        tags: Tags = None,
    ) -> str:
        """Start a training job, of parts that have CreateTrainingJob's own form.

        Args:
            image: URI of the image.
            input_mode: ``File``, ``Pipe`` or ``FastFile``.
            input_config: ``InputDataConfig``; None for no channel.
            role: name or ARN.
            job_name: exact name.
            output_config: ``OutputDataConfig``.
            resource_config: ``ResourceConfig``.
            hyperparameters: as text, as the container gets them.
            stop_condition: ``StoppingCondition``.
            tags: a dict, or AWS's list.

        Returns:
            the job's ARN; `wait_for_job` and `logs_for_job` follow it by its name.

        Raises:
            RequestError: the service refused it.
        """
        optional = {
            "InputDataConfig": input_config,
            "HyperParameters": hyperparameters,
            "Tags": tags_as_sent(tags),
        }
        request = {
            "TrainingJobName": job_name,
            "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": input_mode},
            "RoleArn": expand_role(self, role),
            "OutputDataConfig": output_config,
            "ResourceConfig": resource_config,
            "StoppingCondition": stop_condition,
            **{name: value for name, value in optional.items() if value},
        }
        with translated_errors():
            return str(self.sagemaker_client.create_training_job(**request)["TrainingJobArn"])

    def wait_for_job(self, job: str, poll: float | None = None) -> Mapping[str, Any]:
        """Block until a training job has ended; shows nothing.

        Args:
            job: its name.
            poll: seconds between questions; None for ever longer pauses, on AWS 5 to 30 s.

        Returns:
            DescribeTrainingJob's answer.

        Raises:
            TrainingJobFailed: it failed; a job that was stopped is a warning.
        """
        return TrainingJob(job, self).wait(logs=False, poll=poll)

    def logs_for_job(self, job_name: str, wait: bool = False, *, poll: float | None = None) -> None:
        """Show the log lines of a training job, each behind its host's name.

        Args:
            job_name: its name.
            wait: follow the job to its end; else show what there is.
            poll: seconds between questions; None for ever longer pauses.

        Raises:
            TrainingJobFailed: it failed, and `wait` is set.
        """
        job = TrainingJob(job_name, self)
        if wait:
            job.wait(poll=poll)
        else:
            job.show_logs()

    # Models and endpoints

    def create_model(
        self,
        name: str,
        role: str | None,
        *,
        primary_container: str | Mapping[str, Any],
        tags: Tags = None,
    ) -> str:
        """Create a model.

        Args:
            name: its name.
            role: name or ARN of the role that its container runs under.
            primary_container: an image, or what `container_def` makes.
            tags: a dict, or AWS's list.

        Returns:
            its name.
        """
        return self._create_model(
            model_of(self, name, role=role, container=primary_container, tags=tags)
        )

    def create_model_from_job(
        self,
        training_job_name: str,
        name: str | None = None,
        *,
        role: str | None = None,
        primary_container_image: str | None = None,
        model_data_url: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Create a model of what a job trained.

        Args:
            training_job_name: the job.
            name: the model's; None for the job's.
            role: name or ARN; None for the job's.
            primary_container_image: what serves; None for the image that trained.
            model_data_url: S3 URI of a model.tar.gz; None for the job's.
            env: variables of the container.

        Returns:
            its name.
        """
        request = model_of_job(
            self,
            training_job_name,
            name=name,
            role=role,
            image=primary_container_image,
            model_data=model_data_url,
            env=env,
        )
        return self._create_model(request)

    def create_endpoint_config(
        self,
        name: str,
        model_name: str,
        *,
        initial_instance_count: int,
        instance_type: str,
        tags: Tags = None,
    ) -> str:
        """Create an endpoint configuration with one variant.

        Args:
            name: its name.
            model_name: the model that serves.
            initial_instance_count: instances to start.
            instance_type: of each.
            tags: a dict, or AWS's list.

        Returns:
            its name.
        """
        config = config_of(
            name,
            model_name,
            initial_instance_count=initial_instance_count,
            instance_type=self.backend.in_requests(instance_type),
            tags=tags,
        )
        with translated_errors():
            self.sagemaker_client.create_endpoint_config(**config)
        return name

    def create_endpoint(
        self, endpoint_name: str, config_name: str, *, wait: bool = True, tags: Tags = None
    ) -> str:
        """Create an endpoint of a configuration that there is.

        Args:
            endpoint_name: its name.
            config_name: the configuration.
            wait: block until it is in service.
            tags: a dict, or AWS's list.

        Returns:
            its name.

        Raises:
            EndpointFailed: it did not come into service.
        """
        request = endpoint_request(endpoint_name, config_name, tags=tags)
        with translated_errors():
            self.sagemaker_client.create_endpoint(**request)
        if wait:
            self.wait_for_endpoint(endpoint_name)
        return endpoint_name

    def delete_endpoint(self, endpoint_name: str) -> None:
        """Delete the endpoint `endpoint_name`, not its configuration and models.

        `Predictor.delete` deletes all three.
        """
        Endpoint(endpoint_name, self).delete_alone()

    def wait_for_endpoint(self, endpoint: str, poll: float | None = None) -> Mapping[str, Any]:
        """Block until an endpoint is in service.

        Args:
            endpoint: its name.
            poll: seconds between questions; None for ever longer pauses, on AWS 5 to 30 s.

        Returns:
            DescribeEndpoint's answer.

        Raises:
            EndpointFailed: it ended in any other status.
        """
        return Endpoint(endpoint, self).wait(poll=poll)

    def endpoint_from_job(
        self,
        job_name: str,
        initial_instance_count: int,
        *,
        instance_type: str,
        deployment_image: str | None = None,
        name: str | None = None,
        role: str | None = None,
        wait: bool = True,
    ) -> str:
        """Host what a job trained, all or nothing.

        Args:
            job_name: the job.
            initial_instance_count: instances to start.
            instance_type: of each.
            deployment_image: what serves; None for the image that trained.
            name: of model, configuration and endpoint; None for the job's.
            role: name or ARN; None for the job's.
            wait: block until the endpoint is in service.

        Returns:
            the name of model, configuration and endpoint.

        Raises:
            EndpointFailed: the endpoint did not come into service; nothing is left of it.
        """
        model = model_of_job(self, job_name, name=name, role=role, image=deployment_image)
        return self._host(model, initial_instance_count, instance_type, wait=wait)

    def endpoint_from_model_data(
        self,
        model_s3_location: str,
        deployment_image: str,
        *,
        initial_instance_count: int,
        instance_type: str,
        name: str | None = None,
        role: str | None = None,
        wait: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Host a model.tar.gz in S3, all or nothing.

        Args:
            model_s3_location: its S3 URI.
            deployment_image: what serves.
            initial_instance_count: instances to start.
            instance_type: of each.
            name: of model, configuration and endpoint; None for a new one, like the image's.
            role: name or ARN.
            wait: block until the endpoint is in service.
            env: variables of the container.

        Returns:
            the name of model, configuration and endpoint.

        Raises:
            EndpointFailed: the endpoint did not come into service; nothing is left of it.
        """
        container = ContainerDefinition(
            image=deployment_image, model_data_url=model_s3_location, environment=dict(env or {})
        )
        name = name or unique_name(base_name(deployment_image))
        model = model_of(self, name, role=role, container=to_aws(container))
        return self._host(model, initial_instance_count, instance_type, wait=wait)

    def endpoint_from_production_variants(
        self,
        name: str,
        production_variants: Sequence[Mapping[str, Any]],
        *,
        wait: bool = True,
        tags: Tags = None,
    ) -> str:
        """Host models that there are, sharing the traffic by weight, all or nothing.

        Args:
            name: of configuration and endpoint.
            production_variants: as `production_variant` makes them, each with a name of its own.
            wait: block until the endpoint is in service.
            tags: a dict, or AWS's list.

        Returns:
            `name`.

        Raises:
            EndpointFailed: the endpoint did not come into service; nothing is left of it.
        """
        variants = [
            {**variant, "InstanceType": self.backend.in_requests(variant["InstanceType"])}
            for variant in production_variants
        ]
        config = config_of_variants(name, variants, tags=tags)
        return deploy(self, config=config, wait=wait, result=str)

    def _create_model(self, request: Mapping[str, Any]) -> str:
        with translated_errors():
            self.sagemaker_client.create_model(**request)
        return str(request["ModelName"])

    def _host(self, model: Mapping[str, Any], count: int, kind: str, *, wait: bool) -> str:
        name = model["ModelName"]
        config = config_of(
            name,
            name,
            initial_instance_count=count,
            instance_type=self.backend.in_requests(kind),
        )
        return deploy(self, model=model, config=config, wait=wait, result=str)
