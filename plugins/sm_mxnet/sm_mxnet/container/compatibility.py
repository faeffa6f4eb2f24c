"""Scripts of MXNet 0.12's time on MXNet 1.9.1: all that is done for them, in one place.

Little is needed: MXNet kept its public names, but for two modules, and its file formats. What
cannot be mended is told instead: Python 2 in `sm_core.scripts`, names of Python 2 in
`sm_core.container.python2`. docs/mxnet.md tells users.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from sm_core.container.plugins import is_installed
from sm_core.errors import SourceError

__all__ = ["MOVED", "allow_old_names", "split_process_request_fn"]

#: Public modules of 0.12 that have another name today. There, ``import mxnet`` brought all of them.
MOVED = {
    "mxnet.kvstore_server": "mxnet.kvstore.kvstore_server",
    "mxnet.gluon.model_zoo.custom_layers": "mxnet.gluon.contrib.nn",
}


def allow_old_names(code_dir: Path) -> None:
    """Let the script import modules, and find them in ``mx``, by the names that they had in 0.12.

    Imports MXNet, if it is there: variables that it reads at import must be set before.

    Args:
        code_dir: folder with the user's code, from which Python imports first.

    Raises:
        SourceError: the code hides MXNet.
    """
    if not is_installed("mxnet"):
        return
    _refuse_hidden(code_dir.absolute())
    importlib.import_module("mxnet")
    for old, new in MOVED.items():
        module = sys.modules.setdefault(old, importlib.import_module(new))
        parent, _, name = old.rpartition(".")
        setattr(sys.modules[parent], name, module)


def _refuse_hidden(code_dir: Path) -> None:
    found = find_spec("mxnet")
    if found is None or found.origin is None:
        return
    origin = Path(found.origin)
    if origin.is_relative_to(code_dir):
        raise SourceError(
            f"the code has a {origin.relative_to(code_dir)}, which hides MXNet from your scripts; "
            "rename it"
        )


def split_process_request_fn(module: ModuleType | None) -> None:
    """Let a script's ``process_request_fn`` answer, where it has no newer function.

    It never was documented, but AWS's container of 2017 called ``process_request_fn(model, data,
    content_type)`` in place of input and prediction, and an example of AWS's has it.
    """
    process: Callable[..., Any] | None = getattr(module, "process_request_fn", None)
    newer = ("transform_fn", "input_fn", "predict_fn")
    if process is None or any(hasattr(module, name) for name in newer):
        return

    def input_fn(request_body: str | bytes, request_content_type: str, model: Any) -> Any:
        return process(model, request_body, request_content_type)

    def predict_fn(input_object: Any, model: Any) -> Any:
        return input_object

    vars(module).update(input_fn=input_fn, predict_fn=predict_fn)
