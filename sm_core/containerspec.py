"""What it takes to build and start a container for a framework, whoever does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

__all__ = ["ContainerSpec", "Device"]

#: What computes: CPUs alone, or GPUs too.
Device = Literal["cpu", "gpu"]


@attrs.frozen(kw_only=True)
class ContainerSpec:
    """How to build and start the container of one framework version on one device.

    The code of sm-core and of the plugin itself is no part of it: whoever builds the container adds
    the very distributions that are installed beside the client.

    Attributes:
        framework: the framework's name (``mxnet``).
        version: the framework's version that will run (``1.9.1``).
        device: ``cpu`` or ``gpu``.
        distributions: names of the installed distributions whose code the container must hold
            beside sm-core's (``sm-mxnet``).
        python: range of Python versions, as in ``Requires-Python`` (``>=3.10,<3.12``).
        requirements: what the package index must supply (PEP 508).
        avoid: names of packages that it does without if the package index has builds of the
            requirements that need none of them (``triton``, which PyTorch needs for GPUs alone).
        platforms: ``sysconfig``-like prefixes the framework has builds for (``linux-x86_64``);
            empty means any.
        system_packages: Debian packages an image needs.
        base_image: image to start from where a container engine builds it.
        train: arguments after the environment's ``python`` that train.
        serve: arguments after the environment's ``python`` that serve.
        environment: variables to set for both.
    """

    framework: str
    version: str
    device: Device = "cpu"
    distributions: tuple[str, ...] = ()
    python: str = ">=3.10"
    requirements: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    system_packages: tuple[str, ...] = ()
    base_image: str = ""
    train: tuple[str, ...] = ("-m", "sm_core.container", "train")
    serve: tuple[str, ...] = ("-m", "sm_core.container", "serve")
    environment: Mapping[str, str] = attrs.field(factory=dict)
