"""The functions that a script defines, and how each of them is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import attrs

from sm_core.container.environment import TrainingEnvironment
from sm_core.errors import ConfigurationError, SourceError
from sm_tensorflow.functions import INPUT_FUNCTIONS, MODEL_FUNCTIONS, missing_functions

__all__ = ["UserFunctions", "training_dir"]

_Parameter = inspect.Parameter
#: What input functions may ask for by name, and by which names.
_NAMES = {
    "training_dir": ("training_dir", "dir"),
    "hyperparameters": ("hyperparameters", "params"),
    "channels": ("input_channels", "channels"),
}
#: What positions get that have other names, in this order.
_POSITIONS = ("training_dir", "hyperparameters")


@attrs.frozen
class UserFunctions:
    """A script's functions.

    Attributes:
        module: the imported script.
        environment: of the job.
    """

    module: ModuleType
    environment: TrainingEnvironment

    @classmethod
    def of(cls, module: ModuleType, environment: TrainingEnvironment) -> UserFunctions:
        """Those of an imported script.

        Raises:
            SourceError: some that a script must define are missing; names all of them.
        """
        functions = cls(module, environment)
        names = (*MODEL_FUNCTIONS, *INPUT_FUNCTIONS)
        missing = missing_functions([name for name in names if functions.has(name)])
        if missing:
            raise SourceError(missing_text(environment.program or module.__name__, missing))
        return functions

    def has(self, name: str) -> bool:
        """Whether the script defines a function of that name."""
        return callable(getattr(self.module, name, None))

    def named(self, name: str) -> Callable[..., Any]:
        """The script's function of that name, which it has."""
        function: Callable[..., Any] = getattr(self.module, name)
        return function

    @property
    def model_function(self) -> str:
        """Which function makes the model: the first of those that there are."""
        return next(name for name in MODEL_FUNCTIONS if self.has(name))

    def call_with_inputs(self, name: str) -> Any:
        """Call one of the input functions; what it returns is called too, if that can be.

        It may name ``training_dir``, ``hyperparameters`` and ``input_channels`` (a dict of all
        channels' folders), or have other names at the first two positions.

        Raises:
            SourceError: it requires something else, or returns nothing usable; names it.
            ConfigurationError: it asks for ``training_dir`` and no channel can be meant.
        """
        value = resolved(_call(self.named(name), self._values()))
        several = isinstance(value, (list, tuple)) and len(value) != 2
        if value is None or several:
            found = f"{len(value)} values" if several else "nothing"
            raise SourceError(
                f"{name} returned {found}; it must return features and labels, a tf.data.Dataset "
                "of them, or a function that does"
            )
        return value

    def call_with_hyperparameters(self, name: str) -> Any:
        """Call a function with the hyperparameters only, if it takes them."""
        function = self.named(name)
        parameters = _positional(function)
        return function(dict(self.environment.hyperparameters)) if parameters else function()

    def _values(self) -> Mapping[str, Callable[[], Any]]:
        return {
            "training_dir": lambda: training_dir(self.environment),
            "hyperparameters": lambda: dict(self.environment.hyperparameters),
            "channels": lambda: dict(self.environment.channel_input_dirs),
        }


def missing_text(program: str, missing: list[str]) -> str:
    """What to say of a script that lacks functions."""
    return (
        f"{program} does not define {', '.join(missing)}. A script whose functions are called "
        "defines model_fn, estimator_fn or keras_model_fn, and train_input_fn, eval_input_fn and "
        "serving_input_fn"
    )


def training_dir(environment: TrainingEnvironment) -> str:
    """The folder of channel ``training``, else of the only channel.

    Raises:
        ConfigurationError: there is no channel, or several with other names; names them.
    """
    folders = environment.channel_input_dirs
    if "training" in folders:
        return folders["training"]
    if len(folders) == 1:
        return next(iter(folders.values()))
    if not folders:
        raise ConfigurationError(
            "the job has no input channel, and the script's function asks for training_dir: give "
            "fit the S3 URI of the data"
        )
    raise ConfigurationError(
        "no channel is called 'training', and training_dir can only be one of several: "
        f"{', '.join(folders)}. Call one of them 'training', or let the script's function ask for "
        "input_channels, a dict of all folders"
    )


def resolved(value: Any) -> Any:
    """`value`, or what it returns if it is a function of no arguments, as in TensorFlow 1.4."""
    return value() if callable(value) and not hasattr(value, "element_spec") else value


def _positional(function: Callable[..., Any]) -> list[_Parameter]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        name = getattr(function, "__name__", "the function")
        raise SourceError(f"{name} cannot be called: {error}") from error
    return [entry for entry in parameters if entry.kind is not _Parameter.VAR_KEYWORD]


def _call(function: Callable[..., Any], values: Mapping[str, Callable[[], Any]]) -> Any:
    known = {name: key for key, names in _NAMES.items() for name in names}
    parameters = inspect.signature(function).parameters.values()
    left = [
        name
        for name in _POSITIONS
        if not any(known.get(entry.name) == name for entry in parameters)
    ]
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for entry in parameters:
        if entry.kind is _Parameter.VAR_POSITIONAL:
            positional += [values[name]() for name in left]
            left = []
        elif entry.kind is _Parameter.VAR_KEYWORD:
            keywords |= {name: values[name]() for name in left}
        elif entry.name in known or (left and entry.kind is not _Parameter.KEYWORD_ONLY):
            value = values[known.get(entry.name) or left.pop(0)]()
            if entry.kind is _Parameter.KEYWORD_ONLY:
                keywords[entry.name] = value
            else:
                positional.append(value)
        elif entry.default is _Parameter.empty:
            raise SourceError(
                f"{function.__name__}() requires an argument that is not passed: {entry.name}. It "
                "may ask for training_dir, hyperparameters and input_channels"
            )
        elif entry.kind is not _Parameter.KEYWORD_ONLY:
            positional.append(entry.default)
    return function(*positional, **keywords)
