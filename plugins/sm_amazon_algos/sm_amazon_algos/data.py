"""What a user hands to ``fit``, as channels and the hyperparameters that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from sm_amazon_algos.recordset import RecordSet
from sm_core.codecs import media_type
from sm_core.errors import InputError
from sm_core.inputs import TrainingData, TrainingInput

__all__ = ["AlgorithmData", "AlgorithmInputs", "check_channels", "gathered", "is_csv"]

Channel: TypeAlias = RecordSet | TrainingInput | str
AlgorithmInputs: TypeAlias = (
    Channel | Sequence[RecordSet] | Mapping[str, Channel] | TrainingData | None
)


@attrs.frozen(kw_only=True)
class AlgorithmData:
    """The channels of a job, by name.

    Attributes:
        channels: what each gets.
        implied: hyperparameters that follow from the data.
    """

    channels: Mapping[str, Channel]
    implied: Mapping[str, Any] = attrs.field(factory=dict)

    def training_inputs(self) -> Mapping[str, str | TrainingInput]:
        """The channels, as any estimator's ``fit`` takes them."""
        return {
            name: data.training_input(name) if isinstance(data, RecordSet) else data
            for name, data in self.channels.items()
        }

    def training_hyperparameters(self) -> Mapping[str, Any]:
        """What follows from the data."""
        return self.implied

    @property
    def feature_dim(self) -> int | None:
        """The width of all record sets; None if there is none.

        Raises:
            InputError: they differ.
        """
        widths = {
            name: data.feature_dim
            for name, data in self.channels.items()
            if isinstance(data, RecordSet)
        }
        if len(set(widths.values())) > 1:
            said = ", ".join(f"{name} has {width}" for name, width in widths.items())
            raise InputError(f"the channels differ in width: {said} columns")
        return next(iter(widths.values()), None)

    def rows_of_each(self, instances: int) -> int | None:
        """How many rows each of `instances` has to train with; None if nobody counted."""
        train = self.channels.get("train")
        if not isinstance(train, RecordSet) or train.num_records is None:
            return None
        return train.num_records // instances if _is_shared(train) else train.num_records

    @property
    def objects_shared_out(self) -> int | None:
        """How many objects are shared out over the instances; None for none, or nobody counted."""
        train = self.channels.get("train")
        return train.num_objects if isinstance(train, RecordSet) and _is_shared(train) else None


def gathered(inputs: AlgorithmInputs, allowed: Sequence[str]) -> AlgorithmData:
    """`inputs` by channel.

    Args:
        inputs: a record set, URI or `TrainingInput` (for the channel ``train``), several record
            sets, or a dict of any of them by channel.
        allowed: the channels that the algorithm knows; the first it needs.

    Raises:
        InputError: a channel is missing, unknown, given twice, or has data in an unknown format.
    """
    channels = _by_channel(inputs, allowed[0])
    check_channels(channels, allowed)
    if allowed[0] not in channels:
        raise InputError(f"the channel {allowed[0]!r} is missing, which the algorithm trains with")
    for name, data in channels.items():
        _check_format(name, data)
    return AlgorithmData(channels=channels)


def check_channels(names: Iterable[str], allowed: Sequence[str]) -> None:
    """Refuse channels that an algorithm does not know.

    Raises:
        InputError: names all of them, and those that it knows.
    """
    unknown = [repr(name) for name in names if name not in allowed]
    if unknown:
        raise InputError(
            f"there is no channel {', '.join(unknown)}; the algorithm knows: {', '.join(allowed)}"
        )


def _by_channel(inputs: Any, default: str) -> Mapping[str, Channel]:
    if inputs is None:
        return {}
    if isinstance(inputs, Mapping):
        return inputs
    if isinstance(inputs, RecordSet):
        return {inputs.channel: inputs}
    if isinstance(inputs, (str, TrainingInput)):
        return {default: inputs}
    if hasattr(inputs, "training_inputs"):
        known: Mapping[str, Channel] = inputs.training_inputs()
        return known
    if hasattr(inputs, "shape") or not isinstance(inputs, Iterable):
        return {default: inputs}
    found: dict[str, Channel] = {}
    for data in inputs:
        if not isinstance(data, RecordSet):
            raise InputError(
                f"a {type(data).__name__} in a list of inputs names no channel; give a dict by "
                "channel, or record sets, such as record_set(array, channel='test') makes them"
            )
        if data.channel in found:
            raise InputError(f"two record sets are for the channel {data.channel!r}")
        found[data.channel] = data
    return found


def _is_shared(train: RecordSet) -> bool:
    return train.training_input("train").distribution == "ShardedByS3Key"


def _check_format(name: str, data: Channel) -> None:
    """CSV must be said to be CSV, or it is taken for records and the job fails."""
    if isinstance(data, RecordSet):
        return
    if not isinstance(data, (str, TrainingInput)):
        raise InputError(
            f"channel {name!r}: a {type(data).__name__} is no data; give what record_set(array) "
            "returns, a URI 's3://bucket/prefix' or a TrainingInput"
        )
    uri = data if isinstance(data, str) else data.s3_data
    declared = None if isinstance(data, str) else data.content_type
    if declared is None and isinstance(uri, str) and uri.lower().endswith((".csv", ".csv.gz")):
        raise InputError(
            f"channel {name!r}: the algorithm would take {uri} for RecordIO-protobuf; give "
            f"TrainingInput({uri!r}, content_type='text/csv;label_size=0'), or label_size=1 if the "
            "first column is the label"
        )


def is_csv(data: Channel) -> bool:
    """Whether a channel's data is said to be CSV."""
    return isinstance(data, TrainingInput) and media_type(data.content_type or "") == "text/csv"
