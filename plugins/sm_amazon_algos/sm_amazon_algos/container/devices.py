"""Where numbers are computed: NumPy on CPUs, PyTorch on a GPU, by the one array API.

https://data-apis.org/array-api/ is the standard; array-api-compat makes both keep to it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

__all__ = ["CPU", "Device", "device_for", "torch_device"]


@attrs.frozen(kw_only=True)
class Device:
    """One device and the functions that compute on it.

    Attributes:
        xp: namespace of the array API.
        name: of the device, as `xp` knows it; None where there is one only.
    """

    xp: Any
    name: Any = None

    @property
    def is_numpy(self) -> bool:
        """Whether arrays on this device are numpy's own."""
        return self.name is None

    def put(self, array: npt.NDArray[Any]) -> Any:
        """`array` on this device; not copied where it is there already."""
        if self.is_numpy:
            return array
        return self.xp.asarray(array, device=self.name)

    def get(self, array: Any) -> npt.NDArray[Any]:
        """An array of this device as one of numpy."""
        return np.asarray(array) if self.is_numpy else np.asarray(array.cpu())


def _numpy() -> Device:
    import array_api_compat.numpy

    return Device(xp=array_api_compat.numpy)


#: NumPy.
CPU = _numpy()


def device_for(num_gpus: int) -> Device:
    """The first GPU, if there is one and PyTorch can use it; else the CPUs.

    Args:
        num_gpus: GPUs that this container may use.
    """
    if num_gpus < 1:
        return CPU
    try:
        torch = import_module("array_api_compat.torch")
    except ImportError:
        return CPU
    if not torch.cuda.is_available():
        return CPU
    return Device(xp=torch, name=torch.device("cuda:0"))


def torch_device(name: str = "cpu") -> Device:
    """PyTorch on the device `name`.

    Raises:
        ImportError: PyTorch is not installed.
    """
    torch = import_module("array_api_compat.torch")
    return Device(xp=torch, name=torch.device(name))
