"""Whether this machine has a GPU that containers can use, and which containers want one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from sm_core.containerspec import Device

__all__ = ["DEVICE", "device_for", "has_gpu", "has_gpus"]

#: Where the NVIDIA driver shows the first GPU.
DEVICE: Final = Path("/dev/nvidia0")
#: Families of instance types with GPUs.
_FAMILIES = re.compile(r"ml\.[pg]\d")


def has_gpu() -> bool:
    """Whether the NVIDIA driver shows a GPU."""
    return DEVICE.exists()


def has_gpus(instance_type: str) -> bool:
    """Whether AWS's instances of this type (``ml.p3.2xlarge``) have GPUs."""
    return _FAMILIES.match(instance_type) is not None


def device_for(image: str, instance_type: str) -> Device:
    """What a container is for: a GPU only where its image is for one and this machine has one.

    An image whose tag does not say what it is for is for both, as those of AWS's algorithms: there
    the instance type decides.

    Args:
        image: URI.
        instance_type: that it is to run on; empty where none is known yet, as of a model: then it
            runs on the CPU.
    """
    words = image.rpartition("/")[2].partition(":")[2].split("-")
    wanted = "gpu" in words or ("cpu" not in words and has_gpus(instance_type))
    return "gpu" if wanted and has_gpu() else "cpu"
