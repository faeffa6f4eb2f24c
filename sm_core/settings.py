"""What a job, model or endpoint may need beside the everyday options, as values that are checked.

``Network``, ``Spot`` and ``Checkpoints`` are the arguments of those names; metrics, environment and
tags are plain dicts.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from sm_core.errors import ConfigurationError
from sm_core.inputs import split_s3_uri
from sm_core.requests import CheckpointConfig, MetricDefinition, VpcConfig

__all__ = [
    "JOB_ENVIRONMENT",
    "MODEL_ENVIRONMENT",
    "Checkpoints",
    "Network",
    "Spot",
    "check_kind",
    "check_text",
    "environment_of",
    "metrics_of",
    "s3_place",
    "whole_number",
]

Value = TypeVar("Value")

#: Limits of AWS: subnets and security groups of a VPC; metrics, with their names and expressions.
MAX_SUBNETS, MAX_SECURITY_GROUPS = 16, 5
MAX_METRICS, MAX_METRIC_NAME, MAX_REGEX = 40, 255, 500
#: Of an environment: entries, and characters of a name or value in a job's and in a model's.
MAX_ENVIRONMENT = 100
JOB_ENVIRONMENT, MODEL_ENVIRONMENT = 512, 1024
_VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_VPC_ID = re.compile(r"[-0-9a-zA-Z]{1,32}")


def _words(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@attrs.frozen(kw_only=True)
class Network:
    """Where the containers of a job or model are in the network, and what they may reach.

    Attributes:
        subnets: ids of the VPC's subnets, up to 16; a single one may be given as it is.
        security_groups: ids of its security groups, up to 5; needed with `subnets`.
        isolation: cut the containers off from every network, AWS's services included. Data, code
            and model are brought and fetched by SageMaker itself.
        encrypt_traffic: encrypt what the instances of a training job send each other.

    Raises:
        ConfigurationError: an id is none, there are too many, or one kind is given without the
            other.
    """

    subnets: tuple[str, ...] = attrs.field(default=(), converter=_words)
    security_groups: tuple[str, ...] = attrs.field(default=(), converter=_words)
    isolation: bool = False
    encrypt_traffic: bool = False

    def __attrs_post_init__(self) -> None:
        if bool(self.subnets) != bool(self.security_groups):
            raise ConfigurationError(
                "Network: subnets and security_groups belong together; give both or neither"
            )
        limits = {"subnets": MAX_SUBNETS, "security_groups": MAX_SECURITY_GROUPS}
        for name, limit in limits.items():
            ids = getattr(self, name)
            if len(ids) > limit:
                raise ConfigurationError(f"Network: {len(ids)} {name}; AWS takes {limit}")
            for each in ids:
                if not isinstance(each, str) or not _VPC_ID.fullmatch(each):
                    raise ConfigurationError(
                        f"Network: {name} has {each!r} in it, which is no id of one; "
                        "one looks like 'subnet-0a1b2c3d' or 'sg-0a1b2c3d'"
                    )

    def vpc_config(self) -> VpcConfig | None:
        """The VPC as requests name it; None for none."""
        if not self.subnets:
            return None
        return VpcConfig(security_group_ids=self.security_groups, subnets=self.subnets)


@attrs.frozen(kw_only=True)
class Spot:
    """Train on spare machines at a lower price; they may be taken away and given back.

    Attributes:
        max_wait: seconds after which the job is stopped, the waiting for machines included; at
            least ``train_max_run``.

    Raises:
        ConfigurationError: `max_wait` is no whole number of at least 1.
    """

    max_wait: int = attrs.field()

    @max_wait.validator
    def _check_max_wait(self, attribute: attrs.Attribute[int], value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigurationError(
                f"Spot: max_wait is {value!r}; give a whole number of seconds of at least 1"
            )


@attrs.frozen
class Checkpoints:
    """Keep a folder of a training job's in S3 while it runs, and bring it back when it goes on.

    Attributes:
        s3_uri: ``s3://bucket/prefix``; None for ``<output_path>/<job name>/checkpoints``. Give the
            same to a later job, and it goes on where the earlier one ended.
        local_path: the folder in the container; None for ``/opt/ml/checkpoints``.

    Raises:
        ConfigurationError: a value has not that form.
    """

    s3_uri: str | None = None
    local_path: str | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.s3_uri is not None and split_s3_uri(self.s3_uri) is None:
            raise ConfigurationError(
                f"Checkpoints: s3_uri is {self.s3_uri!r}; it has the form 's3://bucket/prefix'"
            )
        if self.local_path is not None and not self.local_path.startswith("/"):
            raise ConfigurationError(
                f"Checkpoints: local_path is {self.local_path!r}; give a path in the container "
                "that begins with '/'"
            )

    def config(self, *, output_path: str, job_name: str) -> CheckpointConfig:
        """The checkpoints as a request names them.

        Args:
            output_path: where the job's results go.
            job_name: the job.
        """
        uri = self.s3_uri or f"{output_path.rstrip('/')}/{job_name}/checkpoints"
        return CheckpointConfig(s3_uri=uri, local_path=self.local_path)


def check_kind(name: str, value: Value, kind: type) -> Value:
    """`value` of the option `name`, if it is None or a `kind`.

    Raises:
        ConfigurationError: it is anything else.
    """
    if value is None or isinstance(value, kind):
        return value
    raise ConfigurationError(
        f"{name} is {value!r}; give sm_core.{kind.__name__}(…), as in "
        f"{name}={_EXAMPLES[kind.__name__]}"
    )


def check_text(name: str, value: str | None) -> None:
    """See that the option `name` is None or text, as versions are: 1.10 would be another number.

    Raises:
        ConfigurationError: it is anything else.
    """
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{name} is {value!r}; give it as text: {name}={str(value)!r}")


_EXAMPLES = {
    "Network": "Network(subnets=['subnet-…'], security_groups=['sg-…'])",
    "Spot": "Spot(max_wait=172_800)",
    "Checkpoints": "Checkpoints('s3://bucket/prefix')",
}


def whole_number(name: str, value: Any) -> int:
    """`value`, of any type of whole numbers, as int.

    Args:
        name: the argument's, for messages.
        value: what it was given.

    Raises:
        ConfigurationError: it is none, or less than 1.
    """
    whole = hasattr(value, "__index__") and not isinstance(value, bool)
    number = operator.index(value) if whole else 0
    if number < 1:
        raise ConfigurationError(f"{name} is {value!r}; give a whole number of at least 1")
    return number


def s3_place(name: str, uri: str) -> tuple[str, str]:
    """Bucket and prefix of `uri`.

    Args:
        name: the argument's, for messages.
        uri: what it was given.

    Raises:
        ConfigurationError: it names no bucket.
    """
    bucket, prefix = (split_s3_uri(uri) if isinstance(uri, str) else None) or ("", "")
    if not bucket:
        raise ConfigurationError(f"{name} {uri!r} is not of the form 's3://bucket/prefix'")
    return bucket, prefix


def metrics_of(metrics: Mapping[str, str] | None) -> tuple[MetricDefinition, ...] | None:
    """A user's metrics: the name of each, and the expression that finds its number in log lines.

    Raises:
        ConfigurationError: an expression is none, or has no group that holds the number; a limit of
            AWS's is exceeded. All mistakes are named at once.
    """
    if not metrics:
        return None
    if not isinstance(metrics, Mapping):
        raise ConfigurationError(
            f"metrics is a {type(metrics).__name__}; give a dict from each metric's name to the "
            "regular expression that finds its number"
        )
    mistakes = [wrong for name, regex in metrics.items() for wrong in _metric(name, regex)]
    if len(metrics) > MAX_METRICS:
        mistakes.append(f"{len(metrics)} are given, AWS takes {MAX_METRICS}")
    if mistakes:
        raise ConfigurationError("metrics: " + "; ".join(mistakes))
    return tuple(MetricDefinition(name=name, regex=regex) for name, regex in metrics.items())


def _metric(name: Any, regex: Any) -> Iterator[str]:
    """What is wrong with one metric."""
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_METRIC_NAME:
        yield f"the name {name!r} is no text of 1 to {MAX_METRIC_NAME} characters"
    if not isinstance(regex, str) or not 1 <= len(regex) <= MAX_REGEX:
        yield f"{name}: {regex!r} is no regular expression of 1 to {MAX_REGEX} characters"
        return
    try:
        groups = re.compile(regex).groups
    except re.error as error:
        yield f"{name}: {regex!r} is no regular expression: {error}"
        return
    if groups == 0:
        yield f"{name}: {regex!r} has no group in parentheses, which is to hold the number"


def environment_of(
    option: str, environment: Mapping[str, str] | None, *, longest: int
) -> dict[str, str] | None:
    """A user's variables for a container; None for none.

    Args:
        option: the argument's name, for messages.
        environment: variable → value.
        longest: characters that AWS allows in a name or value.

    Raises:
        ConfigurationError: a name or value cannot be; all mistakes are named at once. Values are
            not shown, as they may be secret.
    """
    if not environment:
        return None
    if not isinstance(environment, Mapping):
        raise ConfigurationError(
            f"{option} is a {type(environment).__name__}; give a dict from variables to values"
        )
    mistakes = [
        wrong for name, value in environment.items() for wrong in _variable(name, value, longest)
    ]
    if len(environment) > MAX_ENVIRONMENT:
        mistakes.append(f"{len(environment)} variables are given, AWS takes {MAX_ENVIRONMENT}")
    if mistakes:
        raise ConfigurationError(f"{option}: " + "; ".join(mistakes))
    return dict(environment)


def _variable(name: Any, value: Any, longest: int) -> Iterator[str]:
    """What is wrong with one variable."""
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name) or len(name) > longest:
        yield f"{name!r} is no name of a variable: letters, digits and underscores, up to {longest}"
    elif not isinstance(value, str):
        yield f"{name} is a {type(value).__name__}; give text"
    elif len(value) > longest:
        yield f"{name} has {len(value)} characters, AWS allows {longest}"
