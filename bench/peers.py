"""The same FISTA iteration written with the FFT of SciPy, as a peer to compare with.

float32, all K maps in one batched transform, padded to 720 x 720 for 512 x 512 (a fast length that
holds the widest kernel's reach), kernels transformed beforehand, pixelwise steps in place.
"""

from __future__ import annotations

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
        reach = max(len(g) for g in kernels) // 2
        self.padded = tuple(scipy.fft.next_fast_len(n + reach, real=True) for n in image.shape)
        spectra = []
        for g in kernels:
            half = len(g) // 2
            padded = np.zeros(self.padded)
            padded[: len(g), : len(g)] = g
            centred = np.roll(padded, (-half, -half), (0, 1))
            # A symmetric kernel has a real spectrum.
            spectra.append(scipy.fft.rfft2(centred).real.astype(np.float32))
        self.spectra = np.stack(spectra)

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

    def solve(self, lam: float, step: float, iterations: int) -> NDArray[np.float32]:
        a = np.zeros((len(self.spectra), *self.image.shape), np.float32)
        b = a.copy()
        gamma, t = np.float32(step * lam / 2), 1.0
        for _ in range(iterations):
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
        return a

    def _crop(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return x[..., : self.image.shape[0], : self.image.shape[1]]
