"""The core's own plugin in a container, asked last: scripts of their own, user functions alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sm_core.plugins import hookimpl

if TYPE_CHECKING:
    from sm_core.container.environment import ServingEnvironment, TrainingEnvironment
    from sm_core.container.inference import InferenceHandler


@hookimpl
def sm_train(environment: TrainingEnvironment) -> bool:
    """Run the entry point as a script."""
    from sm_core.container.scriptmode import run_script

    run_script(environment)
    return True


@hookimpl
def sm_inference(environment: ServingEnvironment) -> InferenceHandler:
    """Answer with the user's own functions, and defaults for JSON, CSV and npy."""
    from sm_core.container.generic import GenericHandler

    return GenericHandler(environment)
