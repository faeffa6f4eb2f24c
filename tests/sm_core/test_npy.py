"""npy of others: read or refused, at no more than its own size in memory."""

from __future__ import annotations

import io

import numpy as np
import pytest

from sm_core.npy import read_npy


def header(text: str) -> bytes:
    """A body that ends with its header."""
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n"


def test_an_array_comes_back() -> None:
    body = io.BytesIO()
    np.save(body, np.arange(6).reshape(2, 3))
    assert read_npy(body.getvalue()).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }", "no array"),
        ("{'descr': '|S0', 'fortran_order': False, 'shape': (9999999999,), }", "have no size"),
        ("{'descr': '|V0', 'fortran_order': False, 'shape': (9999999999,), }", "have no size"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "Object arrays cannot"),
        ("{'descr': '<f8', 'shape': (3,", "no array"),
        ("(" * 5000, "no array"),
        ("  {\n 'a'", "no array"),
    ],
)
def test_a_header_that_asks_for_trouble_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_npy(header(text))
