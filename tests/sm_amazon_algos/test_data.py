"""What ``fit`` takes, as channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sm_amazon_algos import RecordSet
from sm_amazon_algos.data import gathered, is_csv
from sm_core.errors import InputError
from sm_core.inputs import TrainingInput

CHANNELS = ("train", "test")
TRAIN = RecordSet("s3://b/train.manifest", 90, 4)
TEST = RecordSet("s3://b/test.manifest", 10, 4, channel="test")


class Other:
    """Data that knows its channels, of somebody else."""

    def training_inputs(self) -> dict[str, Any]:
        return {"train": "s3://b/p"}


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        (TRAIN, {"train": TRAIN}),
        ([TEST, TRAIN], {"train": TRAIN, "test": TEST}),
        ((TRAIN,), {"train": TRAIN}),
        ({"train": TRAIN, "test": "s3://b/p"}, {"train": TRAIN, "test": "s3://b/p"}),
        ({"train": TEST}, {"train": TEST}),
        ("s3://b/p", {"train": "s3://b/p"}),
        (TrainingInput("s3://b/p"), {"train": TrainingInput("s3://b/p")}),
        (Other(), {"train": "s3://b/p"}),
    ],
)
def test_channels(inputs: Any, found: dict[str, Any]) -> None:
    assert gathered(inputs, CHANNELS).channels == found


def test_a_record_set_goes_where_the_dict_says() -> None:
    (train,) = gathered({"train": TEST}, CHANNELS).training_inputs().values()
    assert isinstance(train, TrainingInput)
    assert train.distribution == "ShardedByS3Key"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (None, "the channel 'train' is missing"),
        (TEST, "the channel 'train' is missing"),
        ([], "the channel 'train' is missing"),
        ({"train": TRAIN, "a": TEST, "b": TEST}, "no channel 'a', 'b'; the algorithm knows: train"),
        ([TRAIN, TRAIN], "two record sets are for the channel 'train'"),
        ({"train": TRAIN, "validation": TEST}, "no channel 'validation'; the algorithm knows: tr"),
        (["s3://b/p"], "a str in a list of inputs names no channel"),
        ("s3://b/rows.csv", r"TrainingInput\('s3://b/rows.csv', content_type='text/csv;label_size"),
        ({"train": TrainingInput("s3://b/x.CSV.gz")}, "channel 'train': the algorithm would take"),
    ],
)
def test_what_cannot_be_is_named(inputs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        gathered(inputs, CHANNELS)


def test_what_a_number_or_a_stranger_in_the_dict_is_told() -> None:
    for stranger in (3, object()):
        with pytest.raises(InputError, match="is no data"):
            gathered({"train": stranger}, CHANNELS)  # type: ignore[dict-item]  # that is the point
    with pytest.raises(InputError, match="is no data"):
        gathered(3, CHANNELS)  # type: ignore[arg-type]  # that is the point


def test_an_array_is_pointed_to_record_set() -> None:
    with pytest.raises(InputError, match=r"channel 'train': .* give what record_set\(array\)"):
        gathered(np.zeros((3, 2)), CHANNELS)  # type: ignore[arg-type]  # that is the point


def test_rows_of_each_instance() -> None:
    assert gathered(TRAIN, CHANNELS).rows_of_each(4) == 22
    everywhere = RecordSet("s3://b/p", 90, 4, distribution="FullyReplicated")
    assert gathered(everywhere, CHANNELS).rows_of_each(4) == 90
    assert gathered("s3://b/p", CHANNELS).rows_of_each(4) is None


def test_csv_is_known_by_its_type() -> None:
    assert is_csv(TrainingInput("s3://b/p", content_type="Text/CSV; label_size=0"))
    assert not is_csv(TrainingInput("s3://b/p"))
    assert not is_csv("s3://b/p")
