"""The same FISTA iteration written with the FFT of SciPy, as a peer to compare with.

float32, all K maps in one batched transform, padded to 720 x 720 for 512 x 512 (a fast length that
holds the widest kernel's reach), kernels transformed beforehand, pixelwise steps in place.

A peer has one method, ``iterates(lam, step)``: it yields the [K, H, W] answer after each iteration,
as a view that the next iteration overwrites. `peers.torch` and `peers.sporco` hold those that need
the extra ``bench``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import scipy.fft
from numpy.typing import NDArray


class ScipyFftFista:
    """Algorithm 3 with ``w = mask = xi = 1``; `kernels` are the 2-D ``g_k``."""

    def __init__(
        self, image: NDArray[np.float32], kernels: list[NDArray[np.float64]], workers: int
    ) -> None:
        self.image = image
        self.workers = workers
        self.padded = padded_shape(image.shape, kernels)
        self.spectra = kernel_spectra(kernels, self.padded)

    def forward(self, a: NDArray[np.float32]) -> NDArray[np.float32]:
        spectrum = scipy.fft.rfft2(a, s=self.padded, workers=self.workers)
        total = np.einsum("khw,khw->hw", spectrum, self.spectra)
        return self._crop(scipy.fft.irfft2(total, s=self.padded, workers=self.workers))

    def adjoint(self, d: NDArray[np.float32]) -> NDArray[np.float32]:
        spectrum = scipy.fft.rfft2(d, s=self.padded, workers=self.workers)
        return self._crop(
            scipy.fft.irfft2(
                self.spectra * spectrum, s=self.padded, workers=self.workers, overwrite_x=True
            )
        )

    def iterates(self, lam: float, step: float) -> Iterator[NDArray[np.float32]]:
        a = np.zeros((len(self.spectra), *self.image.shape), np.float32)
        b = a.copy()
        gamma, t = np.float32(step * lam / 2), 1.0
        while True:
            gradient = self.adjoint(self.forward(b) - self.image)
            gradient *= np.float32(step)
            np.subtract(b, gradient, out=gradient)
            new = np.maximum(gradient, 0, out=gradient)
            norm = np.sqrt(np.einsum("khw,khw->hw", new, new))
            new *= np.maximum(0, 1 - gamma / np.maximum(norm, np.float32(1e-30)))
            t_new = 0.5 + (0.25 + t * t) ** 0.5
            np.subtract(new, a, out=b)
            b *= np.float32((t - 1) / t_new)
            b += new
            a, t = new.copy(), t_new
            yield a

    def _crop(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return x[..., : self.image.shape[0], : self.image.shape[1]]


def run(peer, lam: float, step: float, iterations: int) -> NDArray[np.float32]:
    """Answer of a peer after a number of iterations."""
    return next(islice(peer.iterates(lam, step), iterations - 1, None))


def padded_shape(shape: tuple[int, ...], kernels: list[NDArray[np.float64]]) -> tuple[int, ...]:
    """Shape of fast transforms in which what wraps around does not reach the image."""
    reach = max(len(g) for g in kernels) // 2
    return tuple(scipy.fft.next_fast_len(n + min(reach, n - 1), real=True) for n in shape)


def centred(kernel: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Zero-padded kernel with its centre at the origin, so that its spectrum is real."""
    # What of it is wider than the padding reaches from no pixel of the image to another.
    half = min(len(kernel) // 2, (min(shape) - 1) // 2)
    cut = len(kernel) // 2 - half
    side = 2 * half + 1
    padded = np.zeros(shape)
    padded[:side, :side] = kernel[cut : cut + side, cut : cut + side]
    return np.roll(padded, (-half, -half), (0, 1))


def kernel_spectra(
    kernels: list[NDArray[np.float64]], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Half spectra [K, P, Q // 2 + 1] of symmetric kernels."""
    return np.stack([scipy.fft.rfft2(centred(g, shape)).real.astype(np.float32) for g in kernels])
