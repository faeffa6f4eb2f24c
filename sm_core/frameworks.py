"""``Framework``, what a plugin registers, and the registry that finds one by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import attrs

from sm_core.errors import PluginError, UnknownFrameworkError
from sm_core.options import Option
from sm_core.scripts import ScriptFunctions

if TYPE_CHECKING:
    from sm_core.estimator import Estimator
    from sm_core.hyperparameters import Hyperparameters
    from sm_core.model import Model
    from sm_core.plugins import PluginManager
    from sm_core.predictor import Predictor

__all__ = ["CodeInModel", "Framework", "get_framework", "list_frameworks", "plugin_of"]

#: Frameworks of this project's own plugins and the distributions that bring them, so that a missing
#: one can be named with the command that installs it. A third party's plugin needs no row here.
_KNOWN_DISTRIBUTIONS = {
    "mxnet": "sm-mxnet",
    "tensorflow": "sm-tensorflow",
    "kmeans": "sm-amazon-algos",
    "pca": "sm-amazon-algos",
    "linear-learner": "sm-amazon-algos",
}


@attrs.frozen(kw_only=True)
class CodeInModel:
    """Serving images of AWS that read the user's code from the model's archive.

    All others fetch it from the place in S3 that a variable names. Where the code goes into the
    archive, a copy of that with the code in it is made; what the user named stays as it is.

    Attributes:
        since: the first version whose images do, and all later ones.
        program: the name under which they look for the entry point; None if they are told its own.
    """

    since: str
    program: str | None = None


@attrs.frozen(kw_only=True)
class Framework:
    """One framework, as a plugin describes it to the core.

    Classes are given as ``"package.module:Name"`` and imported on first use, so that describing a
    framework costs nothing.

    Attributes:
        name: what users write in ``Estimator(framework=…)``, lower case.
        aliases: other accepted names.
        estimator: reference to the ``Estimator`` subclass.
        model: reference to the ``Model`` subclass.
        predictor: reference to the ``Predictor`` subclass.
        options: constructor options beyond the core's own.
        script: whether it trains and serves with a script of the user's; an algorithm does not,
            and has no options about one.
        functions: those by which an image may call a training script; None if none ever did.
        function_mode_until: the newest version whose images of AWS call them; later ones only run
            scripts. None if all do.
        unserved_functions: functions of a script that AWS's serving images of those later versions
            do not call.
        code_in_model: which of AWS's serving images read the code from the model's archive; None if
            none does.
        hyperparameters: reference to the `Hyperparameters` subclass that declares them, from which
            the estimator class derives, too; None if they are free-form.
        default_version: framework version when the user names none.
        hyperparameter_encoding: ``json`` encodes every value as JSON, as script containers expect;
            ``text`` passes ``str(value)``, as algorithms expect.
        default_channel: channel that a plain ``fit("s3://…")`` feeds.
        content_type: content type of a predictor's requests.
        accept: content type that a predictor asks for.
    """

    name: str
    aliases: tuple[str, ...] = ()
    estimator: str
    model: str
    predictor: str
    options: tuple[Option, ...] = ()
    script: bool = True
    functions: ScriptFunctions | None = None
    function_mode_until: str | None = None
    unserved_functions: frozenset[str] = frozenset()
    code_in_model: CodeInModel | None = None
    hyperparameters: str | None = None
    default_version: str | None = None
    hyperparameter_encoding: Literal["json", "text"] = "json"
    default_channel: str = "training"
    content_type: str = "application/json"
    accept: str = "application/json"

    def estimator_class(self) -> type[Estimator]:
        """The estimator class, imported now."""
        found: type[Estimator] = _load(self, self.estimator)
        return found

    def hyperparameters_class(self) -> type[Hyperparameters] | None:
        """The class that declares the hyperparameters, imported now; None if they are free-form."""
        if self.hyperparameters is None:
            return None
        found: type[Hyperparameters] = _load(self, self.hyperparameters)
        return found

    def model_class(self) -> type[Model]:
        """The model class, imported now."""
        found: type[Model] = _load(self, self.model)
        return found

    def predictor_class(self) -> type[Predictor]:
        """The predictor class, imported now."""
        found: type[Predictor] = _load(self, self.predictor)
        return found


def _load(framework: Framework, reference: str) -> Any:
    module, _, name = reference.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"framework {framework.name!r} names {reference!r}, which cannot be imported: {error}"
        ) from error


def list_frameworks() -> list[str]:
    """Names of the frameworks that the installed plugins register, sorted."""
    registered = (each for brought in _registry().values() for each in brought.values())
    return sorted({framework.name for framework in registered})


def get_framework(name: str) -> Framework:
    """The framework called `name`, or known by it as an alias.

    Raises:
        UnknownFrameworkError: nothing installed registers it; names the nearest known framework,
            or the pip command that would install it.
        PluginError: several plugins register the name.
    """
    if not isinstance(name, str):
        raise TypeError(f"framework is a {type(name).__name__}; give its name, such as 'mxnet'")
    brought = _registry().get(name.lower())
    if brought is None:
        raise UnknownFrameworkError(_unknown(name))
    (framework, *others) = brought.values()
    if others:
        raise PluginError(
            f"several plugins register the framework name {name!r}: {', '.join(brought)}; "
            "uninstall all but one of them"
        )
    return framework


def plugin_of(framework: Framework) -> str:
    """Name of the plugin that registers `framework`."""
    brought = _registry()[framework.name.lower()]
    return next(plugin for plugin, registered in brought.items() if registered is framework)


def _unknown(name: str) -> str:
    from sm_core.plugins import client_plugins

    registry = _registry()
    text = f"no installed plugin registers the framework {name!r}"
    distribution = _KNOWN_DISTRIBUTIONS.get(name.lower())
    broken = [
        load
        for load in client_plugins().broken()
        if load.distribution == distribution or load.name == name.lower()
    ]
    if broken:
        return f"{text}: {broken[0].describe()}"
    if distribution is not None:
        return f"{text}; install it with: pip install {distribution}"
    names: Iterable[str] = {*registry, *_KNOWN_DISTRIBUTIONS}
    near = difflib.get_close_matches(name.lower(), sorted(names), n=1)
    if near and near[0] in registry:
        return f"{text}; did you mean {near[0]!r}?"
    if near:
        return (
            f"{text}; did you mean {near[0]!r}? "
            f"Install it with: pip install {_KNOWN_DISTRIBUTIONS[near[0]]}"
        )
    installed = ", ".join(list_frameworks()) or "none"
    return (
        f"{text}; installed: {installed}. A plugin brings a framework: pip install its "
        "distribution, or pass image_name= to bring your own container"
    )


def _registry() -> dict[str, dict[str, Framework]]:
    from sm_core.plugins import client_plugins

    return _collected(client_plugins())


@cache
def _collected(plugins: PluginManager) -> dict[str, dict[str, Framework]]:
    """Frameworks by name and alias, and of each name by the plugin that brings it."""
    registry: dict[str, dict[str, Framework]] = {}
    for plugin, framework in plugins.collect("sm_frameworks", Framework):
        for name in (framework.name, *framework.aliases):
            registry.setdefault(name.lower(), {})[plugin] = framework
    return registry
