"""A job's channels as batches of rows, read again for each epoch, in memory that does not grow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import attrs
import numpy as np
import numpy.typing as npt

from sm_amazon_algos.arrays import RecordArrays
from sm_amazon_algos.codec import CONTENT_TYPE as RECORDS
from sm_amazon_algos.container.csvrows import take_lines
from sm_amazon_algos.container.errors import CustomerError
from sm_amazon_algos.container.prefetch import ahead
from sm_amazon_algos.container.streams import Taken, pieces
from sm_amazon_algos.decoding import decode_part
from sm_amazon_algos.matrices import SparseRows
from sm_core.container.channels import Channel
from sm_core.container.negotiation import parse_media_type
from sm_core.container.pipes import open_epoch
from sm_core.errors import CodecError

__all__ = ["Batch", "DataChannel"]

Array = npt.NDArray[np.float32]
CSV = "text/csv"
_LABEL_SIZE = re.compile(r";\s*label_size\s*=\s*(?P<size>[^;]*)", re.IGNORECASE)
#: Labels of a row at most: more than any data has.
_MOST_LABELS = 1_000_000
#: Rows that room is made for before any have come; more is made as they come.
_FIRST_ROOM = 1024
#: Bytes that a batch may take that is larger than it has to be.
_LITTLE = 32 << 20


@attrs.frozen(eq=False, kw_only=True)
class Batch:
    """Some rows of a channel.

    Attributes:
        features: float32, (rows, feature_dim), finite, in memory of its own.
        labels: float32, (rows,), or (rows, labels of a row) where there are several; None if the
            channel has none, or nobody asked for them.
    """

    features: Array
    labels: Array | None = None

    def __len__(self) -> int:
        return len(self.features)

    def first(self, rows: int) -> Batch:
        """The first so many of the rows, or all, in the same memory."""
        labels = None if self.labels is None else self.labels[:rows]
        return Batch(features=self.features[:rows], labels=labels)


#: Rows as they were read: features, dense or sparse, and labels if there are any.
_Part = tuple[npt.NDArray[Any] | SparseRows, npt.NDArray[Any] | None]


class DataChannel:
    """The rows of one channel.

    Attributes:
        name: the channel's.
        feature_dim: width of the rows; None until it was told, or the first row was read.
    """

    def __init__(
        self, channel: Channel, *, feature_dim: int | None = None, labels: bool = False
    ) -> None:
        """
        Args:
            channel: as the job has it.
            feature_dim: width that the rows must have; None for that of the first one.
            labels: whether every row must have a label.

        Raises:
            CustomerError: its content type is none that is read.
        """
        self.name, self.feature_dim = channel.name, feature_dim
        self._channel, self._labels = channel, labels
        given = channel.content_type or RECORDS
        self._content_type = parse_media_type(given).name
        self._label_size = self._labels_told(given)
        if self._content_type not in (RECORDS, CSV):
            raise CustomerError(
                f"Content type {given!r} of channel '{self.name}' is not supported; the algorithm "
                f"reads {RECORDS} and {CSV}",
                caused_by="ValidationError",
            )
        if labels and self._content_type == CSV and not self._label_size:
            raise self._without_labels()

    def _labels_told(self, content_type: str) -> int:
        """How many labels a row has, as a parameter of the content type tells; 1 without it."""
        found = _LABEL_SIZE.search(content_type)
        if found is None:
            return 1
        size = found["size"].strip().strip('"')
        if not (size.isascii() and size.isdecimal() and int(size[:9]) <= _MOST_LABELS):
            raise CustomerError(
                f"label_size of channel '{self.name}' is {size!r}, which is no number of columns. "
                "Please fix the channel's content type and try again.",
                caused_by="ValidationError",
            )
        return int(size)

    def batches(
        self, size: int, *, epoch: int = 0, most: int = 0, read_ahead: bool = True
    ) -> Iterator[Batch]:
        """All rows, in the order of the files' names, as batches; the last one may be smaller.

        Args:
            size: rows of a batch.
            epoch: how often the channel was read before. In Pipe mode each reading has a pipe of
                its own, and each can be read once.
            most: rows up to which a batch may be several times as large, while it takes little
                memory.
            read_ahead: whether a thread gets the next batch while this one is computed with.

        Raises:
            CustomerError: the data cannot be read, or is not what the hyperparameters say.
        """
        found = self._batches(size, epoch, most)
        return ahead(found) if read_ahead else found

    def _batches(self, size: int, epoch: int, most: int) -> Iterator[Batch]:
        builder = None
        for features, labels in self._parts(epoch):
            if builder is None:
                width = self._width(features)
                room = min(most, _LITTLE // (4 * max(width, 1)))
                builder = _Builder(size * max(1, room // size), width, labels)
            start = 0
            while start < len(features):
                start += builder.add(features, labels, start)
                if builder.is_full:
                    yield self._checked(builder.take())
        if builder is not None and builder.rows:
            yield self._checked(builder.take())

    def _parts(self, epoch: int) -> Iterator[_Part]:
        read = self._of_records if self._content_type == RECORDS else self._of_lines
        for file, name in self._files(epoch):
            with file, self._explained(name):
                for part in read(file):
                    self._check_width(part[0])
                    yield part

    def _files(self, epoch: int) -> Iterator[tuple[BinaryIO, str]]:
        """The channel's data, each open once, and what to call it."""
        if self._channel.mode == "Pipe":
            yield open_epoch(self.name, epoch), f"the pipe of epoch {epoch}"
            return
        folder = self._channel.path
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            # Unbuffered: what is read goes where it is parsed.
            yield path.open("rb", buffering=0), str(path.relative_to(folder))

    def _of_records(self, file: BinaryIO) -> Iterator[_Part]:
        for arrays in pieces(file, _take_records):
            features = arrays.features.get("values")
            if features is None:
                raise CodecError("the records have no feature 'values'")
            labels = arrays.label.get("values") if self._labels else None
            if self._labels and labels is None:
                raise self._without_labels()
            yield features, labels

    def _of_lines(self, file: BinaryIO) -> Iterator[_Part]:
        size = self._label_size
        for rows in pieces(file, take_lines):
            if rows.shape[1] <= size:
                raise CodecError(
                    f"a line has {rows.shape[1]} numbers, of which label_size={size} are labels; "
                    "no features are left"
                )
            labels = (rows[:, 0] if size == 1 else rows[:, :size]) if self._labels else None
            yield rows[:, size:], labels

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except CodecError as error:
            raise CustomerError(
                f"Unable to read data channel '{self.name}'. Requested content-type is "
                f"'{self._content_type}'. Please verify the data matches the requested "
                "content-type.",
                caused_by="DataError",
                detail=f"{name}: {error}",
            ) from error

    def _width(self, features: npt.NDArray[Any] | SparseRows) -> int:
        return features.columns if isinstance(features, SparseRows) else int(features.shape[1])

    def _check_width(self, features: npt.NDArray[Any] | SparseRows) -> None:
        width = self._width(features)
        if self.feature_dim is None:
            self.feature_dim = width
        if width != self.feature_dim:
            raise CustomerError(
                f"The feature dimension of the input: {width} does not match the feature dimension "
                f"of the model: {self.feature_dim}. Please fix the input of channel '{self.name}', "
                "or the hyperparameter feature_dim, and try again."
            )

    def _without_labels(self) -> CustomerError:
        return CustomerError(
            f"Channel '{self.name}' has no labels, which the algorithm cannot do without. Records "
            "need a label 'values'; of CSV the first column is the label, unless label_size says "
            "otherwise"
        )

    def _checked(self, batch: Batch) -> Batch:
        """`batch`, if all its numbers are finite."""
        for what, values in (("features", batch.features), ("labels", batch.labels)):
            if values is None:
                continue
            flat = values.reshape(-1)
            # One pass at the speed of memory; what overflows in it is looked at again.
            with np.errstate(over="ignore", invalid="ignore"):
                if np.isfinite(np.dot(flat, flat)) or np.isfinite(flat).all():
                    continue
            row = int(np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(1))[0])
            raise CustomerError(
                f"Channel '{self.name}' has {what} that are NaN or infinite in 32-bit floating "
                f"point, in row {row} of a batch of {len(batch)}. Please remove or replace them "
                "and try again."
            )
        return batch


def _take_records(
    piece: npt.NDArray[np.uint8], base: int, first: int, final: bool
) -> Taken[RecordArrays]:
    return Taken(*decode_part(piece, base=base, first=first, final=final))


class _Builder:
    """Gathers rows until a batch is full."""

    def __init__(self, size: int, width: int, labels: npt.NDArray[Any] | None) -> None:
        self.rows = 0
        self._size, self._width = size, width
        self._label_shape = None if labels is None else labels.shape[1:]
        self._room(min(size, _FIRST_ROOM))

    @property
    def is_full(self) -> bool:
        """Whether the batch has all its rows."""
        return self.rows == self._size

    def add(
        self, features: npt.NDArray[Any] | SparseRows, labels: npt.NDArray[Any] | None, start: int
    ) -> int:
        """Take rows from `start` on, as many as there is need of; how many."""
        count = min(len(features) - start, self._size - self.rows)
        self._make_room(self.rows + count)
        target = self._features[self.rows : self.rows + count]
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
            if isinstance(features, SparseRows):
                _densify(features.between(start, start + count), target)
            else:
                target[:] = features[start : start + count]
            if self._labels is not None and labels is not None:
                self._labels[self.rows : self.rows + count] = labels[start : start + count]
        self.rows += count
        return count

    def take(self) -> Batch:
        """The rows that were added, as a batch; then nothing is there."""
        labels = None if self._labels is None else self._labels[: self.rows]
        batch = Batch(features=self._features[: self.rows], labels=labels)
        self.rows = 0
        self._room(len(self._features))
        return batch

    def _room(self, rows: int) -> None:
        self._features = np.empty((rows, self._width), dtype=np.float32)
        self._labels = (
            None
            if self._label_shape is None
            else np.empty((rows, *self._label_shape), dtype=np.float32)
        )

    def _make_room(self, rows: int) -> None:
        if rows <= len(self._features):
            return
        features, labels = self._features, self._labels
        self._room(min(self._size, max(rows, 2 * len(features))))
        self._features[: self.rows] = features[: self.rows]
        if labels is not None and self._labels is not None:
            self._labels[: self.rows] = labels[: self.rows]


def _densify(rows: SparseRows, target: Array) -> None:
    """Put sparse `rows` into `target`; values of one place are added up."""
    target[:] = 0
    counts = np.diff(rows.indptr)
    places = np.repeat(np.arange(len(rows), dtype=np.int64) * rows.columns, counts)
    places += rows.indices
    np.add.at(target.reshape(-1), places, rows.data.astype(np.float32))
