"""Whether this machine has a GPU that containers can use."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["DEVICE", "has_gpu"]

#: Where the NVIDIA driver shows the first GPU.
DEVICE: Final = Path("/dev/nvidia0")


def has_gpu() -> bool:
    """Whether the NVIDIA driver shows a GPU."""
    return DEVICE.exists()
