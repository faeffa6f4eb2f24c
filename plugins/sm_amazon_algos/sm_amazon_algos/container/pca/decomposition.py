"""Moments to components: exactly, or from a sketch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["exact", "from_sketch", "random_directions"]

Array = npt.NDArray[Any]


def exact(gram: Array, components: int) -> tuple[Array, Array]:
    """The strongest components of data X, from G = XᵀX.

    The eigenvectors of G are the right singular vectors of X, its eigenvalues the squares of the
    singular values: G. Golub and C. Van Loan, "Matrix Computations", 4th edition, section 8.6.

    Args:
        gram: float64, (width, width).
        components: how many.

    Returns:
        singular values, float64, (components,), ascending; and their vectors, float64,
        (width, components), each with its largest number positive.
    """
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    return _strongest(values, vectors, components)


def random_directions(width: int, columns: int, rng: np.random.Generator) -> Array:
    """Ω: float64, (width, columns), orthonormal columns in random directions."""
    found, _ = np.linalg.qr(rng.standard_normal((width, min(columns, width))))
    directions: Array = found
    return directions


def from_sketch(sketch: Array, directions: Array, components: int) -> tuple[Array, Array]:
    """The strongest components of data X, from Y = (XᵀX)Ω.

    Source: J. Tropp, A. Yurtsever, M. Udell, V. Cevher, "Fixed-rank approximation of a positive-
    semidefinite matrix from streaming data", NIPS 2017, algorithm 3: the Nyström approximation
    XᵀX ≈ Y(ΩᵀY)⁺Yᵀ, made stable by a small multiple of Ω that is taken off again, cut to a rank.

    Args:
        sketch: Y, float64, (width, columns).
        directions: Ω, float64, (width, columns), orthonormal.
        components: how many, at most as many as there are columns.

    Returns:
        as `exact`.
    """
    size = float(np.linalg.norm(sketch))
    shift = np.finfo(np.float64).eps * np.sqrt(len(sketch)) * (size or 1.0)
    shifted = sketch + shift * directions
    core = directions.T @ shifted
    values, vectors = np.linalg.eigh((core + core.T) / 2)
    kept = values > shift / 2
    root = shifted @ (vectors[:, kept] / np.sqrt(values[kept]))
    left, singular, _ = np.linalg.svd(root, full_matrices=False)
    squares = np.maximum(singular**2 - shift, 0)
    return _strongest(squares[::-1], left[:, ::-1], components)


def _strongest(squares: Array, vectors: Array, components: int) -> tuple[Array, Array]:
    """The last columns of `vectors`, with signs that do not depend on how they were found."""
    if len(squares) < components:
        # Fewer directions than components have any variance: any others will do.
        vectors, _ = np.linalg.qr(vectors)
        more = components - len(squares)
        basis, _ = np.linalg.qr(np.concatenate([vectors, np.eye(len(vectors))], axis=1))
        vectors = np.concatenate([basis[:, vectors.shape[1] :][:, :more], vectors], axis=1)
        squares = np.concatenate([np.zeros(more), squares])
    values = np.sqrt(np.maximum(squares[-components:], 0))
    chosen = vectors[:, -components:]
    largest = np.take_along_axis(chosen, np.abs(chosen).argmax(axis=0)[np.newaxis], axis=0)
    return values, chosen * np.where(largest < 0, -1.0, 1.0)
