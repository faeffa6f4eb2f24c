"""The client's extension points: every hook that a plugin may implement, one typed function each.

A plugin is a module named by an entry point of the group ``sm_core.plugins``; it implements any of
these with `sm_core.plugins.hookimpl`. Hooks are called with keyword arguments; an implementation
names only those it wants. The hooks that run inside a container stand in
`sm_core.container.hookspecs`; one plugin module may implement both kinds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sm_core.plugins import hookspec

if TYPE_CHECKING:
    import click

    from sm_core.backends import Backend
    from sm_core.codecs import Codec
    from sm_core.containerspec import ContainerSpec, Device
    from sm_core.frameworks import Framework
    from sm_core.images import ImageOrigin, ImageRequest
    from sm_core.requests import RequestContext


@hookspec
def sm_frameworks() -> Iterable[Framework]:  # type: ignore[empty-body]  # a specification
    """Return the frameworks that the plugin brings.

    Called once, by the registry, on the first look-up of a framework.
    """


@hookspec(firstresult=True)
def sm_image(request: ImageRequest) -> str | None:
    """Return the URI of the image for `request`, or None to leave it to other plugins.

    Called before a request needs an image, unless the user gave ``image_name``, which always wins.
    The first result that is not None is used. Raise `ImageError` for a framework that is yours and
    a version, region or instance type that is not.
    """


@hookspec(firstresult=True)
def sm_image_origin(image: str) -> ImageOrigin | None:
    """Return what `image` is, if it is one of the plugin's, of any generation; else None.

    Called when an estimator attaches to a job, whose image is all that tells the framework and its
    version. The first result that is not None is used.
    """


@hookspec
def sm_hyperparameters(
    framework: str | None, hyperparameters: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return `hyperparameters` amended, or None to leave them as they are; raise to refuse them.

    Called before a training request is made, shown ones included, with the user's values by the
    names that the container knows, not yet encoded. The plugin that registers `framework` (None
    for a container of the user's own) comes first; each sees what the one before returned. Do not
    change `hyperparameters` in place.
    """


@hookspec
def sm_codecs() -> Iterable[Codec]:  # type: ignore[empty-body]  # a specification
    """Return codecs: how payloads of a content type are encoded and decoded.

    Called once, by the codec registry, on first use. A codec of a plugin wins over the core's own
    for the same content type.
    """


@hookspec
def sm_request(context: RequestContext, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `request` amended, or None to leave it as it is.

    Called before every AWS call that creates or changes something, uploads included, and by
    ``training_request()``, with ``context.sending`` False. Each plugin sees what the one before
    returned, in the order of the distributions' names; ``tryfirst`` and ``trylast`` move one to
    either end. Do not change `request` in place. Raise anything to refuse the call.

    The requests for which something is uploaded first are shown once before that, too, with
    ``context.sending`` False.
    """


@hookspec
def sm_check_request(context: RequestContext, request: Mapping[str, Any]) -> None:
    """Return None; raise anything to refuse `request`, which is as it will be sent.

    Called after every plugin's ``sm_request``, for the same calls, of which `context` tells as it
    does there. Do not change `request`.
    """


@hookspec
def sm_backends() -> Iterable[Backend]:  # type: ignore[empty-body]  # a specification
    """Return the back ends that the plugin brings.

    Called once, when the first Session is made.
    """


@hookspec(firstresult=True)
def sm_container(
    framework: str | None,
    version: str | None,
    device: Device,
    image: str | None,
    hosts: int,
    function_mode: bool | None,
) -> ContainerSpec | None:
    """Return how to build and start the container for a framework or an image, or None.

    Called by whatever must build or start one. Either `framework` (and perhaps `version`) is
    given, or `image`, a URI of any generation that the plugin's own ``sm_image`` has ever
    returned; `device` says whether it has a GPU, `hosts` how many of them train together, which
    is 1 where none trains; `function_mode` whether the framework is to call a training script's
    functions, None where none trains or nobody knows yet. The first result that is not None is
    used.
    """


@hookspec
def sm_commands(group: click.Group) -> None:
    """Add sub-commands to `group`, the ``sm`` command.

    Called each time that ``sm`` starts; import what a command needs inside the command.
    """
