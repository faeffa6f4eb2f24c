"""The extension points inside a container, one typed function each.

The same plugin modules that the client loads (entry-point group ``sm_core.plugins``) implement
these, with `sm_core.plugins.hookimpl`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sm_core.plugins import hookspec

if TYPE_CHECKING:
    from sm_core.container.environment import ServingEnvironment, TrainingEnvironment
    from sm_core.container.inference import InferenceHandler


@hookspec(firstresult=True)
def sm_train(environment: TrainingEnvironment) -> bool | None:
    """Train, and return True; or return None to leave the job to another plugin.

    Called once in each training container, after the user's code is in place. The core's own
    implementation, asked last, runs the entry point as a script. An exception fails the job.
    """


@hookspec(firstresult=True)
def sm_inference(environment: ServingEnvironment) -> InferenceHandler | None:
    """Return what answers requests, or None to leave it to another plugin.

    Called once in each worker of the model server, before it reports healthy.
    """
