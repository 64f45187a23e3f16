"""The nearest solver of SPORCO: ADMM with mask decoupling, as shipped and brought to our problem.

``sporco.admm.cbpdn.ConvBPDNMaskDcpl`` minimises, over maps x on a periodic grid,

    1/2 ||W (sum_k g_k * x_k - s)||^2 + lambda sum |x|

As shipped it differs from ours, ``min_{a >= 0} ||A a - d||^2 + lam sum_pixels ||a||_2``, in this:

- The penalty is the l1 norm. None of SPORCO's classes has the norm over the bins of a pixel: the
  l2,1 term of ``ConvBPDNJoint`` groups the channels of one filter, of which a grey image has one,
  so there it is an l1 norm too; with several channels in image and kernels there is no coupling of
  kernels either.
- ``NonNegCoef`` clips after the shrinkage. With the l1 norm that is the exact proximal operator,
  with a group norm it is not (Theorem 2 clips first).
- The data term has a factor 1/2: so ``lambda = lam / 2``, and its objective is half of ours.
- The grid is periodic. We pad as the FFT peers do, with ``W = 0`` in the padding; an ``L1Weight``
  that is huge there keeps the maps zero outside the image, as ours are. Then this is no difference.
- One penalty parameter rho for both constraints. Scaling kernels and image by c and W by 1/c does
  not change the problem and gives ``rho c^2`` to the image's constraint: two parameters again.

`SporcoMaskDecoupling` with ``group=False`` is that. With ``group=True`` it replaces the proximal
step, and nothing else, by clipping and then SPORCO's own ``prox_l2`` over the kernels: exactly our
problem, in SPORCO's framework. Its x meets the constraints in the limit only; what it yields is the
auxiliary variable, which is non-negative, zero outside the image, and has the sparsity.

Tuned: float32, ``FastSolve`` (no objective, no residuals), ``HighMemSolve``, pyFFTW with measured
plans and numexpr (which SPORCO takes if it is there, and is then a quarter faster) on `threads`
threads, over-relaxation 1.8, fixed rho.
"""

from __future__ import annotations

from collections.abc import Iterator

import numexpr
import numpy as np
import sporco.fft
from bench.peers.scipy_fft import centred, padded_shape
from numpy.typing import NDArray
from sporco.admm.cbpdn import ConvBPDNMaskDcpl
from sporco.prox import prox_l2

#: rho of the maps, and how many times that the image's constraint has: where the schedules that a
#: NumPy prototype of this ADMM did best with end, and the best of seven pairs on a 128 x 128 image.
RHO = 2.5e-3
IMAGE_RATIO = 60.0
_FORBIDDEN = 1e30  # weight of the l1 norm where no cell can lie


class SporcoMaskDecoupling:
    """ADMM with mask decoupling; `group`: the norm over the bins in place of the l1 norm."""

    def __init__(
        self,
        image: NDArray[np.float32],
        kernels: list[NDArray[np.float64]],
        threads: int,
        group: bool = True,
        rho: float = RHO,
        image_ratio: float = IMAGE_RATIO,
    ) -> None:
        self.shape, self.threads, self.group, self.rho = image.shape, threads, group, rho
        scale = image_ratio**0.5
        padded = padded_shape(image.shape, kernels)
        self.kernels = (scale * np.stack([centred(g, padded) for g in kernels], axis=-1)).astype(
            np.float32
        )
        margins = [(0, p - n) for p, n in zip(padded, image.shape, strict=True)]
        self.image = np.pad(np.float32(scale) * image, margins)
        self.window = np.pad(np.ones_like(image), margins)
        self.mask = self.window / np.float32(scale)

    def iterates(self, lam: float, step: float = 0.0) -> Iterator[NDArray[np.float32]]:
        """Maps after each iteration; `step` belongs to the interface and is not used."""
        kind = _GroupMaskDcpl if self.group else ConvBPDNMaskDcpl
        options = {
            "MaxMainIter": 1,
            "FastSolve": True,
            "HighMemSolve": True,
            "NonNegCoef": True,
            "AutoRho": {"Enabled": False},
            "rho": self.rho,
            "RelaxParam": 1.8,
            "L1Weight": np.where(self.window > 0, 1, _FORBIDDEN)[:, :, None, None, None],
        }
        sporco.fft.pyfftw_threads = self.threads
        numexpr.set_num_threads(self.threads)
        solver = kind(
            self.kernels, self.image, lam / 2, self.mask, ConvBPDNMaskDcpl.Options(options)
        )
        return self._resume(solver)

    def _resume(self, solver: ConvBPDNMaskDcpl) -> Iterator[NDArray[np.float32]]:
        height, width = self.shape
        while True:
            solver.solve()  # goes on from where it was
            maps = solver.block_sep1(solver.Y)[:height, :width, 0, 0]
            yield np.moveaxis(maps, -1, 0)


class _GroupMaskDcpl(ConvBPDNMaskDcpl):
    """With ``lambda sum_pixels ||x||_2`` over ``x >= 0`` that vanishes where W does."""

    def ystep(self) -> None:
        target = self.AX + self.U
        y0 = self.rho * (self.block_sep0(target) - self.S) / (self.W**2 + self.rho)
        maps = np.maximum(self.block_sep1(target), 0)
        maps *= self.W > 0
        y1 = prox_l2(maps, self.lmbda / self.rho, axis=self.cri.axisM)
        self.Y = self.block_cat(y0, y1)
