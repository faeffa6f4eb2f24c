"""Our model server against the public toolkit's: one handler, one load, in turns.

The handler multiplies 784 numbers, which come as JSON, by a matrix of 784 by 10. Skipped where Java
or an old enough Python is absent.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.support.servers import (
    free_port,
    install_ours,
    install_peer,
    our_server,
    peer_server,
)
from benchmarks.support.turns import Taken, image_of_numbers, print_comparisons, take_turns

WORKERS = 2
HANDLER = """
import numpy as np

def model_fn(model_dir):
    return np.random.default_rng(7).random((784, 10))

def predict_fn(data, model):
    return np.asarray(data) @ model
"""


def model(folder: Path) -> Path:
    """The tree of a container with the handler."""
    code = folder / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(HANDLER, encoding="utf-8")
    return folder


def measure(scratch: Path) -> Taken:
    """Values of both servers."""
    peer, own = install_peer(scratch), install_ours(scratch)
    body = image_of_numbers(scratch)
    ports = {"ours": free_port(), "theirs": free_port()}
    servers = {
        "ours": our_server(model(scratch / "a"), port=ports["ours"], workers=WORKERS, python=own),
        "theirs": peer_server(
            model(scratch / "b"), port=ports["theirs"], workers=WORKERS, python=peer
        ),
    }
    return take_turns(servers, ports, body)


if __name__ == "__main__":
    print_comparisons(measure, "model server / multi-model-server")
