from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

_F32 = NDArray[np.float32]
# Factors [R, L] on the image's grid, or (factors, scale, lowpass) as of SeparableKernel.
_Kernels = Sequence[_F32 | tuple[_F32, int, _F32]]
# (rows, columns, eigenvalues, floor, scale) as of preconditioner.Preconditioner.
_Preconditioner = tuple[tuple[_F32, _F32], tuple[_F32, _F32], _F32, float, float]

class Progress:
    @property
    def iteration(self) -> int: ...
    @property
    def data_term(self) -> float: ...
    @property
    def penalty(self) -> float: ...
    @property
    def objective(self) -> float: ...
    @property
    def gap(self) -> float: ...

class Operations:
    def __init__(
        self,
        factors: _Kernels,
        height: int,
        width: int,
        threads: int = 0,
        isa: str = "auto",
        preconditioner: _Preconditioner | None = None,
    ) -> None: ...
    def forward(self, a: _F32) -> _F32: ...
    def adjoint(self, d: _F32) -> _F32: ...
    def fista_step(
        self,
        residual: _F32,
        a: _F32,
        a_prev: _F32,
        mask: _F32 | None,
        step: float,
        alpha: float,
        gamma: float,
        xi: _F32,
    ) -> tuple[_F32, _F32, float]: ...
    def primal_dual_step(
        self,
        nu: _F32,
        e: _F32 | None,
        mask: _F32 | None,
        step: float,
        relaxation: float,
        gamma: float,
        xi: _F32,
    ) -> tuple[_F32, _F32 | None, _F32, float]: ...
    def dual_residual(
        self,
        nu: _F32,
        Az: _F32,
        d: _F32,
        w: _F32 | None,
        step_y: float,
        relaxation: float,
        e_y: _F32,
        Ae: _F32,
    ) -> tuple[_F32, _F32, _F32, float]: ...
    def normal_solve(self, r: _F32, c: float) -> _F32: ...
    def residual(
        self, Aa: _F32, Aa_prev: _F32, alpha: float, d: _F32, w: _F32 | None
    ) -> tuple[_F32, float]: ...
    def background_ratio(self, v: _F32, q: _F32, mask: _F32 | None, xi: _F32) -> float: ...
    def dual_norm(
        self, v: _F32, q: _F32 | None, rho: float, mask: _F32 | None, xi: _F32
    ) -> float: ...
    def preconditioner_ratio(self, iterations: int) -> float: ...
    def norm_squared(self, tol: float = 1e-6, max_iter: int = 1000) -> float: ...

class _SolveResult(TypedDict):
    a: _F32
    iterations: int
    data_term: float
    penalty: float
    gap: float
    stop_reason: str
    data_terms: NDArray[np.float64]
    penalties: NDArray[np.float64]

def isa_names() -> list[str]: ...
def isa_default() -> str: ...
def thread_default() -> int: ...
def norm_squared_bound(factors: _Kernels) -> float: ...
def separable_conv(x: _F32, factors: _Kernels, threads: int = 0, isa: str = "auto") -> _F32: ...
def group_shrink(x: _F32, gamma: float, xi: _F32, threads: int = 0, isa: str = "auto") -> _F32: ...
def local_maxima(score: _F32) -> tuple[NDArray[np.int64], _F32]: ...
def watershed(
    landscape: _F32, marks: NDArray[np.int64], used: NDArray[np.bool_]
) -> NDArray[np.int32]: ...
def fista(
    operations: Operations,
    image: _F32,
    w: _F32 | None,
    mask: _F32 | None,
    xi: _F32,
    lam: float,
    step: float,
    tol: float,
    gap_tol: float,
    max_iter: int,
    momentum: str,
    momentum_a: float,
    initial: _F32 | None,
    callback: Callable[[Progress], bool] | None,
) -> _SolveResult: ...
def primal_dual(
    operations: Operations,
    image: _F32,
    w: _F32 | None,
    mask: _F32 | None,
    xi: _F32,
    lam: float,
    tol: float,
    gap_tol: float,
    max_iter: int,
    initial: _F32 | None,
    callback: Callable[[Progress], bool] | None,
) -> _SolveResult: ...

class Network:
    def run(self, images: _F32, maps: bool, scores: bool) -> tuple[_F32 | None, _F32 | None]: ...

class Hourglass:
    @property
    def stride(self) -> int: ...
    def run(self, view: _F32) -> tuple[_F32, _F32]: ...

_Layer = tuple[_F32, _F32 | None]

def hourglass(
    lift: _Layer,
    down: Sequence[_Layer],
    deepen: Sequence[_Layer],
    lower: Sequence[_Layer],
    refine: Sequence[_Layer],
    cells: Sequence[_Layer],
    kinds: Sequence[_Layer],
    threads: int = 0,
    isa: str = "auto",
) -> Hourglass: ...
def spotnet(
    analysis: _F32,
    synthesis: _F32,
    bias: _F32,
    alpha: _F32,
    nonlinearity: str,
    score_weights: _F32,
    threads: int = 0,
    isa: str = "auto",
) -> Network: ...
def convnet(
    layers: Sequence[tuple[_F32, _F32]],
    score_weights: _F32,
    threads: int = 0,
    isa: str = "auto",
) -> Network: ...
