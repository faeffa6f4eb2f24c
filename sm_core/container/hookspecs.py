"""The extension points inside a container, one typed function each.

The same plugin modules that the client loads (entry-point group ``sm_core.plugins``) implement
these, with `sm_core.plugins.hookimpl`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from sm_core.plugins import hookspec

if TYPE_CHECKING:
    from sm_core.container.environment import ServingEnvironment, TrainingEnvironment
    from sm_core.container.inference import Codec, InferenceHandler


@hookspec
def sm_cluster(environment: TrainingEnvironment) -> AbstractContextManager[object] | None:
    """Return what must run on this host while a job of several hosts trains, or None.

    Called once in each training container of a job with more than one host, after the user's code
    is in place and all hosts are known by name. The context manager is entered before `sm_train`
    and left after it, whatever way that ends; it gets the exception, if there is one, and cannot
    change the outcome: what it raises on its way out is logged. Hosts are reached by
    ``environment.address_of(host, port)``. An exception on the way in fails the job.
    """


@hookspec
def sm_codecs() -> Iterable[Codec]:  # type: ignore[empty-body]  # a specification
    """Return the codecs that the plugin brings; the client has a hook of the same name.

    Called once in each worker of the model server. A model of no framework is then asked and
    answers in these content types too, beside JSON, CSV and npy.
    """


@hookspec(firstresult=True)
def sm_train(environment: TrainingEnvironment) -> bool | None:
    """Train in `environment` and return True, or return None to leave the job to another plugin.

    Called once in each training container, after the user's code is in place. The core's own
    implementation, asked last, runs the entry point as a script. An exception fails the job.
    """


@hookspec(firstresult=True)
def sm_inference(environment: ServingEnvironment) -> InferenceHandler | None:
    """Return what answers requests in `environment`, or None to leave it to another plugin.

    Called once in each worker of the model server, before it reports healthy.
    """
