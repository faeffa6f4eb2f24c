"""What every framework plugin promises, as test methods to inherit."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from typing import ClassVar

from sm_core.codecs import Codec, codec_for
from sm_core.containerspec import ContainerSpec
from sm_core.estimator import Estimator
from sm_core.frameworks import Framework, get_framework
from sm_core.images import ImageRequest, Scope, image_origin, resolve_image
from sm_core.model import Model
from sm_core.plugins import CLIENT_HOOKS, CONTAINER_HOOKS, ENTRY_POINT_GROUP, client_plugins
from sm_core.predictor import Predictor

__all__ = ["FrameworkConformance"]


class FrameworkConformance:
    """Inherit, set `plugin` and `framework`, and run: each method checks one promise.

    The plugin must be installed, so that its entry point is found.
    """

    #: The plugin's module, as its entry point names it.
    plugin: ClassVar[str]
    #: The framework's name.
    framework: ClassVar[str]
    #: Region and instance types that the images are asked for.
    region: ClassVar[str] = "us-east-1"
    instance_types: ClassVar[tuple[str, ...]] = ("ml.c5.xlarge",)
    #: Whether the plugin says how to run the framework elsewhere than on its images.
    has_container: ClassVar[bool] = True
    #: Modules that the plugin must not import until they are needed.
    heavy: ClassVar[tuple[str, ...]] = ("numpy", "boto3", "mxnet", "tensorflow", "torch")

    def described(self) -> Framework:
        """The framework as the plugin registers it."""
        return get_framework(self.framework)

    def requests(self) -> list[ImageRequest]:
        """The image requests that are tried."""
        framework = self.described()
        scopes: tuple[Scope, ...] = ("training", "inference")
        return [
            ImageRequest(
                framework=framework.name,
                region=self.region,
                instance_type=instance_type,
                scope=scope,
                default_version=framework.default_version,
            )
            for instance_type in self.instance_types
            for scope in scopes
        ]

    def test_plugin_is_found_and_works(self) -> None:
        """The entry point is found, and the plugin is not set aside."""
        points = {load.name: load for load in client_plugins().loads}
        names = [name for name, plugin in client_plugins().list_name_plugin() if plugin]
        modules = {getattr(client_plugins().get_plugin(name), "__name__", "") for name in names}
        broken = [load.describe() for load in points.values() if load.error]
        assert self.plugin in modules, f"{ENTRY_POINT_GROUP}: found {sorted(points)}; {broken}"

    def test_plugin_imports_nothing_heavy(self) -> None:
        """Importing the plugin's module imports none of `heavy`, nor prints."""
        code = (
            f"import sys, {self.plugin}\n"
            f"heavy = [name for name in {self.heavy!r} if name in sys.modules]\n"
            "sys.exit(f'imports {heavy}' if heavy else 0)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout + done.stderr == ""

    def test_hooks_exist_and_name_only_known_arguments(self) -> None:
        """Every hook implementation is one of the specifications'; pluggy checks arguments."""
        for name, value in vars(import_module(self.plugin)).items():
            if hasattr(value, "sm_core_impl"):
                assert name in CLIENT_HOOKS | CONTAINER_HOOKS

    def test_estimator_is_reached_both_ways(self) -> None:
        """``Estimator(framework=…)`` makes the framework's own class."""
        estimator_class = self.described().estimator_class()
        assert issubclass(estimator_class, Estimator)
        made = Estimator.__new__(Estimator, framework=self.framework)
        assert isinstance(made, estimator_class)

    def test_classes_have_readable_signatures(self) -> None:
        """Estimator and model show their options to ``help()``, not ``**options``."""
        framework = self.described()
        for cls in (framework.estimator_class(), framework.model_class()):
            kinds = {p.kind for p in inspect.signature(cls).parameters.values()}
            assert inspect.Parameter.VAR_KEYWORD not in kinds, cls

    def test_model_and_predictor_classes(self) -> None:
        """Model and predictor classes are the core's or derived from them."""
        assert issubclass(self.described().model_class(), Model)
        assert issubclass(self.described().predictor_class(), Predictor)

    def test_estimator_declares_the_hyperparameters(self) -> None:
        """The estimator has as attributes what the framework says is declared."""
        framework = self.described()
        declaring = framework.hyperparameters_class()
        assert declaring is None or issubclass(framework.estimator_class(), declaring)

    def test_codecs_exist(self) -> None:
        """The predictor's content types have codecs."""
        framework = self.described()
        assert isinstance(codec_for(framework.content_type), Codec)
        assert isinstance(codec_for(framework.accept), Codec)

    def test_images(self) -> None:
        """There is an image for every instance type and scope."""
        for request in self.requests():
            assert ":" in resolve_image(request).rpartition("/")[2]

    def test_images_are_known_again(self) -> None:
        """An image of the framework's tells it again, for ``attach``; a foreign one does not."""
        for request in self.requests():
            origin = image_origin(resolve_image(request))
            assert origin is not None
            assert origin.framework == self.described().name
        assert image_origin("registry.example/other:1") is None

    def test_description_fits_together(self) -> None:
        """What is said of scripts is said of a framework that trains them."""
        framework = self.described()
        about_scripts = (
            framework.functions,
            framework.function_mode_until,
            framework.unserved_functions,
        )
        assert framework.script or not any(about_scripts)
        assert framework.functions or not framework.function_mode_until

    def test_container_by_name_and_by_image(self) -> None:
        """The plugin says how to run the framework, asked by name or by any image of its own."""
        if not self.has_container:
            return
        by_name = self._container(framework=self.framework, image=None)
        assert by_name.framework == self.described().name
        for request in self.requests():
            assert self._container(framework=None, image=resolve_image(request)) == by_name

    def test_container_of_a_foreign_image_is_left_alone(self) -> None:
        """An image that is not the plugin's is not claimed."""
        assert (
            client_plugins().hook.sm_container(
                framework=None,
                version=None,
                device="cpu",
                image="registry.example/other:1",
                hosts=1,
                function_mode=None,
            )
            is None
        )

    @staticmethod
    def _container(framework: str | None, image: str | None) -> ContainerSpec:
        found = client_plugins().hook.sm_container(
            framework=framework,
            version=None,
            device="cpu",
            image=image,
            hosts=1,
            function_mode=None,
        )
        assert isinstance(found, ContainerSpec)
        return found
