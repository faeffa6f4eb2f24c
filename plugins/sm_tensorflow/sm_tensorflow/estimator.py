"""``TensorFlow``: the estimator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sm_core.attaching import DescribedJob
from sm_core.declarations import EstimatorOptions
from sm_core.errors import ConfigurationError, SourceError
from sm_core.estimator import Estimator
from sm_core.hyperparameters import AsSent
from sm_core.inputs import Inputs, split_s3_uri
from sm_core.model import Model
from sm_core.scripts import defined_functions, only_defined, parse_script
from sm_core.session import Session
from sm_tensorflow.functions import (
    INPUT_FUNCTIONS,
    MODEL_FUNCTIONS,
    ONE_HOST_ONLY,
    missing_functions,
)
from sm_tensorflow.hyperparameters import mistakes_in
from sm_tensorflow.images import is_legacy, version_of_image

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from sm_core.declarations import ModelOptions
    from sm_core.training import Training

__all__ = ["TensorFlow", "TensorFlowOptions"]

_STEPS = {"training_steps": 1000, "evaluation_steps": 100}
#: What AWS's newer serving images call in a script that goes along with a model.
_HANDLERS = frozenset({"handler", "input_handler", "output_handler"})


class TensorFlowOptions(EstimatorOptions, total=False):
    """Keyword arguments of `TensorFlow`; meanings stand beside `sm_tensorflow.options.OPTIONS`."""

    training_steps: int | None
    evaluation_steps: int | None
    checkpoint_path: str | None
    model_dir: str | bool | None


class TensorFlow(Estimator):
    """Trains TensorFlow scripts: ``TensorFlow(entry_point, role, train_instance_count, …)``.

    The script defines a model function and the input functions, or runs by itself.
    """

    framework_name = "tensorflow"
    positional = (
        "entry_point",
        "role",
        "train_instance_count",
        "train_instance_type",
        "training_steps",
        "evaluation_steps",
    )

    training_steps: int | None
    evaluation_steps: int | None
    checkpoint_path: str | None
    model_dir: str | bool | None

    if TYPE_CHECKING:

        def __init__(self, *args: Any, **options: Unpack[TensorFlowOptions]) -> None: ...

    @classmethod
    def options_of_job(cls, job: DescribedJob, session: Session) -> dict[str, Any]:
        """The constructor's options for a job, those that travel as hyperparameters among them."""
        options = super().options_of_job(job, session)
        told: dict[str, Any] = options["hyperparameters"]
        own = ("training_steps", "evaluation_steps", "checkpoint_path", "model_dir")
        found = {name: told[name] for name in own if name in told}
        rest = {name: value for name, value in told.items() if name not in found}
        # A job's own folders are not the next one's.
        for name in ("checkpoint_path", "model_dir"):
            if f"/{job.name}/" in str(found.get(name)):
                del found[name]
        # The script is in S3, where it cannot be read: what the job was told tells what it does.
        if options.get("script_mode") is None and options.get("entry_point"):
            options["script_mode"] = not told.keys() & _STEPS.keys()
        return {**options, **found, "hyperparameters": AsSent(rest)}

    def fit(
        self,
        inputs: Inputs = None,
        wait: bool = True,
        *,
        logs: bool = True,
        job_name: str | None = None,
        run_tensorboard_locally: bool = False,
    ) -> None:
        """Train.

        Args:
            inputs: an S3 or file URI, or a `TrainingInput`, for the channel ``training``; or a dict
                of them by channel name.
            wait: block until the job has ended.
            logs: while waiting, show its statuses and log lines.
            job_name: exact name of the job; None for a new one.
            run_tensorboard_locally: show the job's checkpoints in a TensorBoard on this machine
                until it has ended; needs the extra ``sm-tensorflow[tensorboard]``.

        Raises:
            TrainingJobFailed: the job failed; carries reason, exit code and the last log lines.
            InputError: a channel does not name usable data.
            ConfigurationError: the request could not be made.
        """
        if not run_tensorboard_locally:
            super().fit(inputs, wait, logs=logs, job_name=job_name)
            return
        from sm_tensorflow.tensorboard import TensorBoard, require

        if not wait:
            raise ConfigurationError(
                "run_tensorboard_locally=True shows a job while fit waits for it: leave wait=False "
                "out"
            )
        require()
        super().fit(inputs, wait=False, job_name=job_name)
        assert self.latest_training_job is not None
        with TensorBoard.of_job(self.latest_training_job, self.sagemaker_session):
            self.latest_training_job.wait(logs=logs)

    def job_hyperparameters(self, job_name: str, output_path: str) -> Mapping[str, Any]:
        """What AWS's SDK sends too: steps and checkpoints, or the ``model_dir`` of a script."""
        folder = f"{output_path.rstrip('/')}/{job_name}"
        mode = self.function_mode()
        ours = self.sagemaker_session.backend.runs_own_containers or self.image_name is not None
        if mode is False or (mode is None and not ours):
            place = f"{folder}/model" if self.model_dir is None else self.model_dir
            return {} if place is False else {"model_dir": place}
        return {
            "checkpoint_path": self.checkpoint_path or f"{folder}/checkpoints",
            "training_steps": self.training_steps,
            "evaluation_steps": self.evaluation_steps,
        }

    def create_model(self, **options: Unpack[ModelOptions]) -> Model:
        """The trained model, ready to be deployed; options and errors as of any estimator.

        AWS's serving images from 1.11 call other functions than training does: a script that
        defines none of those stays behind.
        """
        code = ("entry_point", "source_dir", "dependencies")
        if not any(name in options for name in code) and self._stays_behind():
            options["entry_point"] = None
        return super().create_model(**options)

    def _stays_behind(self) -> bool:
        if self.image_name or self.sagemaker_session.backend.runs_own_containers:
            return False
        script = self._script()
        unserved = self.framework.unserved_functions if self.framework else frozenset()
        defined = set() if script is None else _defined(script)
        version = self.framework_version
        legacy = version is not None and is_legacy(version)
        return not legacy and not defined & (_HANDLERS | unserved)

    def _check(self) -> None:
        super()._check()
        mistakes = list(self._mistakes())
        if mistakes:
            raise ConfigurationError(f"{type(self).__name__}: {'; '.join(mistakes)}")

    def _training(self, inputs: Inputs, job_name: str | None) -> Training:
        mistakes = [*self._mistakes(), *self._mistakes_of_script(), *self._mistakes_of_hosts()]
        if mistakes:
            raise ConfigurationError(f"{type(self).__name__}: {'; '.join(mistakes)}")
        return super()._training(inputs, job_name)

    def _mistakes(self) -> Iterator[str]:
        """What is wrong with options and hyperparameters."""
        for name in _STEPS:
            value = getattr(self, name)
            # Numbers of numpy are whole ones too; True is none.
            is_whole = type(value) is not bool and isinstance(value, Integral)
            if value is not None and not is_whole:
                yield f"{name} is {value!r}; it must be a whole number, or None"
            elif value is not None and value < 1:
                yield f"{name} is {value!r}; it must be positive, or None"
        if self.checkpoint_path is not None and not _is_place(self.checkpoint_path):
            yield f"checkpoint_path {self.checkpoint_path!r} is not of the form 's3://bucket/prefix'"
        if self.model_dir is True:
            yield "model_dir is True; give an S3 URI or a folder, or False for none"
        mode, script = self.function_mode(), self._script()
        if mode is False:
            given = [name for name, default in _STEPS.items() if getattr(self, name) != default]
            given += ["checkpoint_path"] if self.checkpoint_path is not None else []
            if given:
                yield (
                    f"{', '.join(given)}: these are for scripts whose functions are called, and "
                    "this one is run; give them in hyperparameters"
                )
        else:
            defined = None if script is None else _defined(script)
            yield from mistakes_in(self.hyperparameters(), defined=defined)

    def _mistakes_of_script(self) -> Iterator[str]:
        """What is missing in a script whose functions are to be called."""
        script, mode = self._script(), self.function_mode()
        if script is None or script.suffix != ".py":
            return
        try:
            tree, defined = parse_script(script), defined_functions(script)
        except SourceError:
            return  # Python 2, which only an image can read
        known = {*MODEL_FUNCTIONS, *INPUT_FUNCTIONS}
        meant = mode is True or (self.script_mode is None and bool(only_defined(tree)))
        missing = missing_functions(defined)
        if meant and missing and defined & known:
            yield (
                f"{script.name} does not define {', '.join(missing)}; a script whose functions are "
                "called must"
            )
        makes = next((name for name in MODEL_FUNCTIONS if name in defined), None)
        if mode and makes == "keras_model_fn" and self.train_instance_count > 1:
            yield (
                f"{script.name} defines keras_model_fn, and Keras models train on one host only: "
                "set train_instance_count to 1, or define estimator_fn or model_fn"
            )

    def _mistakes_of_hosts(self) -> Iterator[str]:
        """Why several hosts would not train together; AWS's own legacy images write to S3."""
        one_folder = self.sagemaker_session.backend.runs_own_containers
        if self.train_instance_count == 1 or one_folder or self.image_name is None:
            return
        version = self.framework_version or version_of_image(self.image_name)
        if self.function_mode() and not (version and is_legacy(version)):
            yield ONE_HOST_ONLY

    def _script(self) -> Path | None:
        return self._source.script if self._source else None


def _is_place(uri: Any) -> bool:
    return isinstance(uri, str) and split_s3_uri(uri) is not None


def _defined(script: Path) -> set[str]:
    try:
        return defined_functions(script) if script.suffix == ".py" else set()
    except SourceError:
        return set()
