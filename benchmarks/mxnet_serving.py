"""Our MXNet container's serving against AWS's: one saved Module, one load, in turns.

The Module is a network of 784, 128, 64 and 10 units, saved as the default save does, and served by
the defaults of either: ours, and those of sagemaker-mxnet-inference on multi-model-server. A
request is one image of 784 numbers as JSON. Both run MXNet 1.9.1. Skipped where Java or a Python
that either needs is absent.
"""

from __future__ import annotations

import subprocess
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
#: Later toolkits pass a context where sagemaker-mxnet-inference expects the size of a batch.
PEER = ("sagemaker-mxnet-inference", "sagemaker-inference<1.7")
MXNET = ("mxnet==1.9.1", "numpy<1.24")
#: Versions of Python that MXNet 1.9.1 and our container both run on.
PYTHONS = ("3.11", "3.10")
PLUGIN = str(Path(__file__).parents[1] / "plugins" / "sm_mxnet")
SAVE = """
import sys
from pathlib import Path
import mxnet as mx
from sm_mxnet.container.saving import save_module

layer = mx.sym.Variable("data")
for index, units in enumerate((128, 64, 10)):
    layer = mx.sym.FullyConnected(layer, num_hidden=units, name=f"fc{index}")
    layer = mx.sym.Activation(layer, act_type="relu") if units > 10 else layer
module = mx.mod.Module(mx.sym.SoftmaxOutput(layer, name="softmax"))
module.bind(data_shapes=[("data", (100, 784))], label_shapes=[("softmax_label", (100,))])
mx.random.seed(7)
module.init_params(mx.init.Xavier())
for folder in sys.argv[1:]:
    save_module(module, Path(folder))
"""


def trees(scratch: Path, python: Path) -> tuple[Path, Path]:
    """Two trees of containers with the same model."""
    folders = scratch / "a", scratch / "b"
    for folder in folders:
        code = folder / "model" / "code"
        code.mkdir(parents=True)
        # AWS's server needs a script, however empty.
        (code / "inference.py").write_text("", encoding="utf-8")
    models = [str(folder / "model") for folder in folders]
    subprocess.run([python / "python", "-c", SAVE, *models], check=True)
    return folders


def measure(scratch: Path) -> Taken:
    """Values of both servers."""
    peer = install_peer(scratch, *PEER, *MXNET)
    own = install_ours(scratch, PLUGIN, *MXNET, python=PYTHONS)
    mine, others = trees(scratch, own)
    body = image_of_numbers(scratch)
    ports = {"ours": free_port(), "theirs": free_port()}
    servers = {
        "ours": our_server(mine, port=ports["ours"], workers=WORKERS, python=own),
        "theirs": peer_server(
            others,
            port=ports["theirs"],
            workers=WORKERS,
            python=peer,
            start="sagemaker_mxnet_serving_container.serving:main",
        ),
    }
    return take_turns(servers, ports, body)


if __name__ == "__main__":
    print_comparisons(measure, "MXNet Module served / by sagemaker-mxnet-inference")
