"""The default ``save``: a Module in the form that MXNet's serving containers load.

A script that runs by itself may call it, too::

    from sm_mxnet.container.saving import save

    save(module, os.environ["SM_MODEL_DIR"])
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from sm_core.errors import SourceError

__all__ = ["save", "save_module"]


def save(module: Any, model_dir: str | os.PathLike[str]) -> None:
    """Save a trained Module as the default ``save`` does; on the first of ``SM_HOSTS`` only.

    Without ``SM_CURRENT_HOST`` this is the only process, which saves.

    Args:
        module: what MXNet's Module API made.
        model_dir: ``SM_MODEL_DIR``.

    Raises:
        SourceError: `module` is nothing that MXNet's Module API made.
    """
    hosts = json.loads(os.environ.get("SM_HOSTS") or "[]")
    if not hosts or os.environ.get("SM_CURRENT_HOST", hosts[0]) == hosts[0]:
        save_module(module, Path(model_dir))


def save_module(module: Any, model_dir: Path) -> None:
    """Save a Module as MXNet's serving containers load it.

    ``model-symbol.json`` holds the network, ``model-0000.params`` the parameters, under
    ``model.params`` too, and ``model-shapes.json`` the shapes of the data inputs.

    Raises:
        SourceError: `module` is nothing that MXNet's Module API made, or has no parameters yet.
    """
    # An unbound Module has these attributes and raises AssertionError for some of them.
    if not (getattr(module, "binded", True) and getattr(module, "params_initialized", True)):
        raise SourceError(
            f"train returned a {type(module).__name__} without parameters, which cannot be saved "
            "by default: call fit, or bind and init_params, before it is returned"
        )
    missing = [
        name for name in ("symbol", "save_params", "data_shapes") if not hasattr(module, name)
    ]
    if missing:
        raise SourceError(
            f"train returned a {type(module).__name__}, which cannot be saved by default: it has "
            f"no {' nor '.join(missing)}. Return a Module, or define save(model, model_dir) in the "
            "script"
        )
    module.symbol.save(str(model_dir / "model-symbol.json"))
    parameters = model_dir / "model-0000.params"
    module.save_params(str(parameters))
    _second_name(parameters, model_dir / "model.params")
    shapes = [{"name": entry.name, "shape": list(entry.shape)} for entry in module.data_shapes]
    (model_dir / "model-shapes.json").write_text(json.dumps(shapes), encoding="utf-8")


def _second_name(path: Path, other: Path) -> None:
    other.unlink(missing_ok=True)
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)  # a file system without hard links
