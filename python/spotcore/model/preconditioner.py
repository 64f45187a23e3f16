"""An approximate inverse of ``A A*`` for the primal-dual method.

The spectrum of ``A A* = sum_k G_k^2`` spans four decades between smooth and sharp images: that is
what makes gradient methods slow.  On an infinite image the Fourier transform would diagonalise it.
On a finite one, outside which nothing is seen, the wide kernels feel the border everywhere, and an
inverse that ignores it lets solvers diverge.

But each ``G_k = sum_r T_kr (x) T_kr`` is made of convolutions ``T_kr`` along one axis, cut off at
the border, which nearly share their eigenvectors: those of their sum, ``V``.  So

    A A* ~ M = (V (x) V) diag(Lambda) (V (x) V)^T,
    Lambda_ij = (v_i (x) v_j)^T A A* (v_i (x) v_j),

which is exact on the diagonal.  A power iteration finds by how much ``c + M`` has to be scaled up
for ``c + M >= c + A A*``.  Only vectors whose eigenvalues matter are kept.  A convolution with a
symmetric kernel commutes with the reflection of the axis, so its eigenvectors are symmetric or
antisymmetric, and halves of them are all that is computed and stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spotcore.model.kernels import SeparableKernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Smallest c that (c + M)^-1 is used with, and the eigenvalues left out, relative to the largest.
_FLOOR = 5e-5
_LEFT_OUT = 0.05 * _FLOOR
# What it may take while it is built, of which a solve's own memory is a small part.
_MOST_BYTES = 150_000_000
_MOST_BYTES_PER_PIXEL = 150


class Preconditioner(NamedTuple):
    """Basis and eigenvalues of ``M ~ A A*`` on images of one shape.

    Attributes
    ----------
    rows, columns : tuple of ndarray
        For each axis ``(even, odd)``: first halves of the symmetric vectors [n, ceil(size / 2)] and
        of the antisymmetric ones [n, floor(size / 2)].
    eigenvalues : ndarray, shape [vectors of rows, vectors of columns]
        Even vectors before odd ones.
    floor : float
        Smallest ``c`` that ``(c + M)^-1`` is good for.
    scale : float
        Factor >= 1 with which ``scale (c + M) >= c + A A*``.
    """

    rows: tuple[NDArray[np.float32], NDArray[np.float32]]
    columns: tuple[NDArray[np.float32], NDArray[np.float32]]
    eigenvalues: NDArray[np.float32]
    floor: float
    scale: float = 1.0

    def scaled(self, factor: float) -> Preconditioner:
        """Preconditioner with another scale."""
        return self._replace(scale=factor)


def fits(kernels: Sequence[SeparableKernel], shape: tuple[int, int]) -> bool:
    """Tell whether what `build` takes is in proportion to an image of this shape.

    It holds matrices of half of an axis by half: as many values as a square image has, and far more
    than a thin one.
    """
    images = sum(len(kernel.factors) for kernel in kernels)
    held = 8 * (max(shape) / 2) ** 2 * (images + 4)
    return held <= _MOST_BYTES + _MOST_BYTES_PER_PIXEL * shape[0] * shape[1]


def build(kernels: Sequence[SeparableKernel], shape: tuple[int, int]) -> Preconditioner:
    """Build the preconditioner of a model, not yet scaled up.

    Parameters
    ----------
    kernels : sequence of SeparableKernel
        Kernels of all bins.
    shape : tuple of int
        Image size (H, W).
    """
    rows = _Axis(kernels, shape[0])
    columns = rows if shape[0] == shape[1] else _Axis(kernels, shape[1])
    # (T_r (x) T_r)(T_s (x) T_s) = T_r T_s (x) T_r T_s: Rayleigh quotients multiply over the axes.
    eigenvalues = np.zeros((rows.count, columns.count))
    for mine, theirs in zip(rows.quotients, columns.quotients, strict=True):
        eigenvalues += np.einsum("rsi,rsj->ij", mine, theirs, optimize=True)
    least = _LEFT_OUT * eigenvalues.max()
    keep_rows = rows.kept(eigenvalues.max(axis=1) > least)
    keep_columns = columns.kept(eigenvalues.max(axis=0) > least)
    return Preconditioner(
        rows=rows.halves(keep_rows),
        columns=columns.halves(keep_columns),
        eigenvalues=eigenvalues[np.ix_(keep_rows, keep_columns)].astype(np.float32),
        floor=_FLOOR * float(eigenvalues.max()),
    )


class _Axis:
    """Common eigenvectors of the convolutions along an axis, and their Rayleigh quotients."""

    def __init__(self, kernels: Sequence[SeparableKernel], size: int) -> None:
        self.size = size
        self.even, even_images = _leading_vectors(kernels, size, 1)
        self.odd, odd_images = _leading_vectors(kernels, size, -1)
        self.count = self.even.shape[1] + self.odd.shape[1]
        # quotients[k][r, s, i] = v_i^T T_kr T_ks v_i
        self.quotients = [
            np.concatenate([_gram(even), _gram(odd)], axis=2)
            for even, odd in zip(even_images, odd_images, strict=True)
        ]

    def kept(self, wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Choose what to keep: at least one symmetric vector."""
        kept = np.flatnonzero(wanted)
        return kept if kept.size and kept[0] < self.even.shape[1] else np.insert(kept, 0, 0)

    def halves(self, keep: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """First halves of the vectors of norm 1 on the whole axis."""
        n_even = self.even.shape[1]
        even = self.even[:, keep[keep < n_even]].T * np.sqrt(0.5)
        if self.size % 2:
            even[:, -1] *= np.sqrt(2.0)  # the middle pixel is its own mirror image
        odd = self.odd[:, keep[keep >= n_even] - n_even].T * np.sqrt(0.5)
        return np.ascontiguousarray(even, np.float32), np.ascontiguousarray(odd, np.float32)


def _leading_vectors(
    kernels: Sequence[SeparableKernel], size: int, parity: int
) -> tuple[NDArray[np.float64], list[list[NDArray[np.float64]]]]:
    """Vectors of one parity, as columns, and what each ``T_kr`` makes of them.

    In the orthonormal basis of the pixels of the first half, each with its mirror image.
    """
    lows = {kernel.scale: _low(kernel, size, parity) for kernel in kernels}
    half = (size + 1) // 2 if parity > 0 else size // 2
    # About A A* on images that are constant along the other axis: sum T^2, T = L^T C L.
    sums = {scale: np.zeros((len(low),) * 2) for scale, low in lows.items()}
    for kernel in kernels:
        low = lows[kernel.scale]
        overlap = None if kernel.scale == 1 else low @ low.T
        for f in kernel.factors:
            c = _coarse(f, kernel, len(low), size, parity)
            sums[kernel.scale] += np.abs(f).sum() ** 2 * (
                c @ c if overlap is None else c @ overlap @ c
            )
    total = np.zeros((half, half))
    for scale, low in lows.items():
        total += sums[scale] if scale == 1 else low.T @ sums[scale] @ low
    values, vectors = np.linalg.eigh(total)
    keep = values > 0.1 * _LEFT_OUT * values.max(initial=0.0)
    keep[-1:] = True
    vectors = vectors[:, keep][:, ::-1]
    images = []
    for kernel in kernels:
        low = lows[kernel.scale]
        seen = vectors if kernel.scale == 1 else low @ vectors
        coarse = [_coarse(f, kernel, len(low), size, parity) @ seen for f in kernel.factors]
        images.append(coarse if kernel.scale == 1 else [low.T @ c for c in coarse])
    return vectors, images


def _gram(images: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.array([[np.einsum("xi,xi->i", a, b) for b in images] for a in images])


def _low(kernel: SeparableKernel, size: int, parity: int) -> NDArray[np.float64]:
    """``L``: low-pass and decimation of vectors of one parity; its length alone for scale 1."""
    half_size = (size + 1) // 2 if parity > 0 else size // 2
    if kernel.scale == 1:
        return np.zeros((half_size, 0))
    half = len(kernel.lowpass) // 2
    first = -(half // kernel.scale)  # the coarse pixels that some pixel of the axis reaches
    last = (size - 1 + half) // kernel.scale
    offsets = np.arange(size) - kernel.scale * np.arange(first, last + 1)[:, None]
    taps = kernel.lowpass.astype(np.float64)
    low = np.where(np.abs(offsets) <= half, taps[np.clip(offsets + half, 0, 2 * half)], 0.0)
    folded = (low + parity * low[:, ::-1])[:, :half_size] * np.sqrt(0.5)
    if parity > 0 and size % 2:
        folded[:, -1] *= np.sqrt(0.5)  # the middle pixel is its own mirror image
    return np.asarray(folded)


def _coarse(
    factor: NDArray[np.float32], kernel: SeparableKernel, length: int, size: int, parity: int
) -> NDArray[np.float64]:
    """``C``: the convolution on the kernel's grid; for scale 1 on vectors of one parity."""
    size = size if kernel.scale == 1 else length
    half = len(factor) // 2
    taps = np.zeros(max(size, half + 1))
    taps[: half + 1] = factor[half:]
    index = np.arange(size)
    t: NDArray[np.float64] = taps[np.abs(index[:, None] - index)]
    if kernel.scale > 1:
        return t
    folded: NDArray[np.float64] = (t + parity * t[:, ::-1])[:length, :length]
    if parity > 0 and size % 2:
        # The middle pixel is counted twice in its column, and weighs 1 instead of sqrt(2).
        folded[:, -1] /= 2.0
        folded[:-1, -1] *= np.sqrt(2.0)
        folded[-1, :-1] /= np.sqrt(2.0)
    return folded
