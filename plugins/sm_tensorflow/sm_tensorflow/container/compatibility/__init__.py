"""Scripts of TensorFlow 1 on TensorFlow 2: all that makes them run unchanged lives here.

Three things stand between such a script and TensorFlow 2.14 or 2.15, the last ones with
``tf.estimator``:

- ``import tensorflow`` must give the API of version 1, in graph mode: `alias`;
- ``tf.contrib`` and the old places of modules are gone: `contrib`, `places`;
- what version 1, or the numpy of its time, let pass is an error today: `leniency`.

`install` does it all, for a whole process, before the script is imported. The container's own code
says ``tensorflow.compat.v1``, which means the same before and after. Syntax of Python 2 is not
translated.
"""

from __future__ import annotations

import importlib.util
import os
import sys

from sm_core.container.errors import ContainerError
from sm_tensorflow.container.versions import installed_version

__all__ = ["install"]

#: Of TensorFlow's messages in C++, warnings and errors: which instructions the CPU has is no news.
_NATIVE_LOG_LEVEL = "1"


def install() -> None:
    """Let this process's scripts use TensorFlow as they did in version 1.

    Calling it again changes nothing.

    Raises:
        ContainerError: this container's TensorFlow has no ``tf.estimator``.
    """
    from sm_tensorflow.container.compatibility import leniency

    leniency.restore_numpy_names()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _NATIVE_LOG_LEVEL)
    _require_estimators()
    from sm_tensorflow.container.compatibility import alias, contrib, places

    if isinstance(sys.modules.get("tensorflow"), alias.Alias):
        return
    leniency.silence_deprecations()
    leniency.accept_mixed_floats_in_metrics()
    leniency.accept_metric_of_keras()
    places.install()
    alias.install(contrib.make())


def _require_estimators() -> None:
    name = "tensorflow_estimator"
    if name not in sys.modules and importlib.util.find_spec(name) is None:
        raise ContainerError(
            "the functions of a script are called with TensorFlow 2.14.1 or 2.15.1, the last ones "
            f"with tf.estimator; this container has TensorFlow {installed_version()}. Choose "
            "framework_version='2.14.1', or script_mode=True for a script that runs by itself"
        )
