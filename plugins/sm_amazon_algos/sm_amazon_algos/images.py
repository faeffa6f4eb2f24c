"""AWS's images of the algorithms: one each for training and serving, CPU and GPU."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from sm_core.imagetables import ImageTable

__all__ = ["image_table"]


@cache
def image_table() -> ImageTable:
    """The table of the algorithms' images."""
    return ImageTable.from_json(files("sm_amazon_algos").joinpath("images.json").read_bytes())
