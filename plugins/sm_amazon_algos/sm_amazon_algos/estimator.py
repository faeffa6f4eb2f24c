"""``KMeans``, ``PCA``, ``LinearLearner``: the estimators."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from sm_amazon_algos.data import (
    AlgorithmData,
    AlgorithmInputs,
    check_channels,
    gathered,
    is_csv,
)
from sm_amazon_algos.hyperparameters import (
    AlgorithmHyperparameters,
    KMeansHyperparameters,
    LinearLearnerHyperparameters,
    PCAHyperparameters,
)
from sm_amazon_algos.matrices import Kind
from sm_amazon_algos.preparing import Destination, RecordData, upload_records
from sm_amazon_algos.recordset import RecordSet
from sm_core.errors import ConfigurationError
from sm_core.estimator import Estimator
from sm_core.inputs import split_s3_uri
from sm_core.requests import framework_of_calls

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from sm_amazon_algos.options import KMeansOptions, LinearLearnerOptions, PCAOptions

__all__ = ["PCA", "AmazonAlgorithm", "KMeans", "LinearLearner"]


class AmazonAlgorithm(AlgorithmHyperparameters, Estimator):
    """What the estimators of Amazon's algorithms have in common.

    Hyperparameters are arguments and attributes, by the names here or by those on the wire.
    """

    #: Channels that the algorithm knows; the first it needs.
    channels: ClassVar[tuple[str, ...]] = ("train", "test")
    #: Type of the numbers that it takes; None for any.
    numbers: ClassVar[Kind | None] = None
    #: Whether it takes CSV in Pipe mode.
    pipes_csv: ClassVar[bool] = True
    #: Whether it learns from labels.
    labelled: ClassVar[bool] = False
    #: Whether each instance needs as many rows as a step takes.
    whole_batches: ClassVar[bool] = False
    #: Rows per step that are sent where nobody says so, if there are as many; None to send nothing.
    default_mini_batch_size: ClassVar[int | None] = None

    data_location: str | None

    def __init__(self, *args: Any, **options: Any) -> None:
        """See the signature for the options.

        Raises:
            TypeError: an option is unknown, missing or given twice.
            ConfigurationError: an option or hyperparameter has a value that cannot be; all mistakes
                in hyperparameters are named at once.
        """
        super().__init__(*args, **options)
        self._complete = True

    if not TYPE_CHECKING:  # which know the attributes, and would take this as leave for all

        def __setattr__(self, name: str, value: Any) -> None:
            """Refuse a name that there is not: a misspelt hyperparameter would be lost."""
            known = name.startswith("_") or name in vars(self) or hasattr(type(self), name)
            if not known and "_complete" in vars(self):
                names = {*vars(self), *dir(type(self))}
                near = difflib.get_close_matches(name, [n for n in names if n[0] != "_"], n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{hint}")
            super().__setattr__(name, value)

    def record_set(self, train: Any, labels: Any = None, channel: str = "train") -> RecordSet:
        """Upload data as records: a shard for each training instance, in parallel.

        Args:
            train: a two-dimensional array, a list of rows, a sparse matrix of scipy (which stays
                sparse), or an iterator of such blocks, or of pairs of block and labels, of which a
                list will do, too. Memory is needed for one block and some mebibytes per instance,
                however much data there is.
            labels: one number a row; None if there are none.
            channel: what the records are for: ``train``, ``test``, ``validation``.

        Raises:
            InputError: there are fewer rows than training instances, labels are missing, or the
                algorithm does not know the channel.
            CodecError: no records can be made of the data.
            RequestError: S3 refused a call. In any case nothing is left behind.
        """
        check_channels([channel], self.channels)
        session = self.sagemaker_session
        framework = self.framework.name if self.framework else None
        with framework_of_calls(framework):
            if self.data_location is None:
                bucket, prefix = session.default_bucket(), "sagemaker-record-sets/"
            else:
                bucket, prefix = _data_location(self.data_location)
                session.ensure_bucket(bucket)
            destination = Destination(
                session=session,
                bucket=bucket,
                prefix=prefix,
                name=type(self).__name__,
                shards=self.train_instance_count,
            )
            data = RecordData(train, labels, kind=self.numbers, labelled=self.labelled)
            return upload_records(destination, data, channel=channel)

    def fit(
        self,
        inputs: AlgorithmInputs = None,
        wait: bool = True,
        *,
        logs: bool = True,
        job_name: str | None = None,
        mini_batch_size: int | None = None,
    ) -> None:
        """Train.

        Args:
            inputs: a `RecordSet`, several of different channels, or, as of any estimator, an S3
                URI or `TrainingInput`, or a dict by channel.
            wait: block until the job has ended.
            logs: while waiting, show its statuses and log lines.
            job_name: exact name of the job; None for a new one.
            mini_batch_size: rows per step of each host in this job; None for the estimator's.

        Raises:
            TrainingJobFailed: the job failed; carries reason, exit code and the last log lines.
            InputError: a channel does not name usable data.
            ConfigurationError: the request could not be made.
        """
        if not isinstance(wait, bool):
            raise TypeError(
                f"wait is {wait!r}; give mini_batch_size by name: "
                f"fit(records, mini_batch_size={wait!r})"
            )
        data = self._data(inputs, mini_batch_size)
        super().fit(data, wait, logs=logs, job_name=job_name)

    def training_request(
        self,
        inputs: AlgorithmInputs = None,
        *,
        job_name: str | None = None,
        mini_batch_size: int | None = None,
    ) -> dict[str, Any]:
        """The CreateTrainingJob request that ``fit`` would send; calls nothing.

        Args:
            inputs: as for ``fit``.
            job_name: as for ``fit``.
            mini_batch_size: as for ``fit``.

        Raises:
            ConfigurationError: only the account could tell something; says what to give in full.
        """
        data = self._data(inputs, mini_batch_size)
        return super().training_request(data, job_name=job_name)

    def _check(self) -> None:
        super()._check()
        if self.data_location is not None:
            _data_location(self.data_location)

    def _data(self, inputs: AlgorithmInputs, mini_batch_size: int | None) -> AlgorithmData:
        data = gathered(inputs, self.channels)
        size = self._mini_batch_size(mini_batch_size, data.rows_of_each(self.train_instance_count))
        implied = {"feature_dim": data.feature_dim, "mini_batch_size": size}
        implied = {name: value for name, value in implied.items() if value is not None}
        data = attrs.evolve(data, implied=implied)
        mistakes = list(self._mistakes(data))
        if mistakes:
            # What else is wrong would be found with the request; it is told together with these.
            values = {**self.hyperparameters(), **implied}
            mistakes += self.contradictions(values)
            raise ConfigurationError(f"{type(self).__name__}: {'; '.join(mistakes)}")
        return data

    def _mistakes(self, data: AlgorithmData) -> Iterator[str]:
        """What of the data contradicts what the user set, or this algorithm's ways."""
        for name, channel in data.channels.items():
            mode = getattr(channel, "input_mode", None) or self.input_mode
            if is_csv(channel) and mode != "File" and not self.pipes_csv:
                yield f"channel {name!r} is CSV, which can be read in File mode only"
        said, width = self.hyperparameters().get("feature_dim"), data.feature_dim
        if width is not None and said not in (None, "auto", width):
            yield f"feature_dim is {said}, but the records have {width} columns; leave it out"
        count = self.train_instance_count
        shared = data.objects_shared_out
        if shared is not None and shared < count:
            yield (
                f"the records lie in {shared} object(s), which cannot be shared out over {count} "
                "instances; call record_set again, now that train_instance_count is what it is"
            )
        try:
            size = self.declared()["mini_batch_size"].checked(data.implied["mini_batch_size"])
        except KeyError:
            return
        except ValueError as error:
            yield str(error)
            return
        held = data.rows_of_each(count)
        if self.whole_batches and held is not None and size > held:
            yield (
                f"mini_batch_size is {size}, but each of {count} instance(s) gets {held} rows, and "
                "fewer than a batch cannot be"
            )

    def _mini_batch_size(self, wanted: int | None, held: int | None) -> int | None:
        """What is wanted or was set, else as many as is usual or as each instance has, if less."""
        given = wanted if wanted is not None else self.hyperparameters().get("mini_batch_size")
        if given is not None or held is None or self.default_mini_batch_size is None:
            return given
        return min(self.default_mini_batch_size, max(1, held))


class KMeans(KMeansHyperparameters, AmazonAlgorithm):
    """Finds clusters: ``KMeans(role, train_instance_count, train_instance_type, k)``."""

    framework_name = "kmeans"
    positional = ("role", "train_instance_count", "train_instance_type", "k")
    pipes_csv = False

    if TYPE_CHECKING:

        def __init__(self, *args: Any, **options: Unpack[KMeansOptions]) -> None: ...


class PCA(PCAHyperparameters, AmazonAlgorithm):
    """Finds principal components.

    ``PCA(role, train_instance_count, train_instance_type, num_components)``.
    """

    framework_name = "pca"
    positional = ("role", "train_instance_count", "train_instance_type", "num_components")
    default_mini_batch_size = 500

    if TYPE_CHECKING:

        def __init__(self, *args: Any, **options: Unpack[PCAOptions]) -> None: ...


class LinearLearner(LinearLearnerHyperparameters, AmazonAlgorithm):
    """Classifies or regresses by a linear function.

    ``LinearLearner(role, train_instance_count, train_instance_type, predictor_type)``. Labels are 0
    and 1, or 0 to ``num_classes`` - 1, or any numbers for a regressor. Numbers are sent as float32,
    the one type that the algorithm takes.
    """

    framework_name = "linear-learner"
    positional = ("role", "train_instance_count", "train_instance_type", "predictor_type")
    channels = ("train", "validation", "test")
    numbers = "float32"
    labelled = True
    whole_batches = True
    default_mini_batch_size = 1000

    if TYPE_CHECKING:

        def __init__(self, *args: Any, **options: Unpack[LinearLearnerOptions]) -> None: ...


def _data_location(uri: str) -> tuple[str, str]:
    """Bucket and prefix of ``data_location``."""
    place = split_s3_uri(uri) if isinstance(uri, str) else None
    if place is None:
        raise ConfigurationError(f"data_location {uri!r} is not of the form 's3://bucket/prefix'")
    bucket, prefix = place
    return bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
