"""A picture in, its cells and what their number is worth out; no file is written.

picture -> light -> the spots' colour -> well -> solver or network -> spots -> measures -> status
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spotcore._backends import needs, one_blas_thread
from spotcore.images.picture import Picture
from spotcore.model.decimation import KERNEL_TOL
from spotcore.model.observation import ObservationModel
from spotcore.networks import load_network
from spotcore.settings import Settings, valid
from spotcore.solvers import Result, solve
from spotcore.wells.dye import Colour
from spotcore.wells.from_picture import at_full_scale, prepare_picture, read_picture
from spotcore.wells.measure import Limits, Measures, measure_cells, within
from spotcore.wells.prepare import Well
from spotcore.wells.spots import Artefacts, find_artefacts, find_marked, find_spots
from spotcore.wells.status import Status, well_status

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from spotcore.detections import Cells

__all__ = [
    "SOLVES",
    "Network",
    "Progress",
    "Solve",
    "Solved",
    "WellAnalysis",
    "analyse",
    "solve_well",
    "timed",
]

#: Called with iteration and iteration limit as a solver goes.
Progress = Callable[[int, int], None]


class Solve(NamedTuple):
    """How the images of a preset are solved."""

    method: str
    max_iter: int
    tol: float
    kernel_tol: float = KERNEL_TOL
    step_scale: float = 1.0


#: Real wells: where their spots are is seen in the picture. What share of the well's secretion is a
#: spot's shows after some 40 iterations of FISTA, long before the optimum: off by 4 to 7 % in the
#: median, 15 % where 250 crowd (`bench/wells/secretion.py`). The papers' dense images need the
#: optimum.
SOLVES = {"well": Solve("fista", 40, 2e-3, 3e-4, 1.3), "paper": Solve("auto", 300, 5e-4)}


@dataclass(frozen=True)
class Solved:
    """How a solver was run and how it ended; terms and gap as `spotcore.Result` has them."""

    method: str
    step: float | None
    max_iter: int
    tol: float
    iterations: int
    stop_reason: str
    objective: float
    data_term: float
    penalty: float
    gap: float | None

    @classmethod
    def of(cls, result: Result, how: Solve) -> Solved:
        """Collect it."""
        return cls(
            method=result.method,
            step=result.step,
            max_iter=how.max_iter,
            tol=how.tol,
            iterations=result.iterations,
            stop_reason=result.stop_reason,
            objective=result.objective,
            data_term=result.data_term,
            penalty=result.penalty,
            gap=result.gap if math.isfinite(result.gap) else None,
        )


@dataclass(frozen=True)
class Network:
    """Which learned network found the cells: its architecture, its name, where it comes from."""

    method: str
    network: str
    source: str


@dataclass(frozen=True, eq=False)
class WellAnalysis:
    """What was found in the picture of a well.

    Attributes
    ----------
    picture : Picture
        As it was read.
    settings : Settings
        Choices of the user.
    pixel_size : float or None
        Pixel side in µm: the user's, else the file's.
    colour : Colour or None
        How a colour picture became a grey one.
    well : Well
        What was solved.
    cells : Cells
        What counts, strongest first.
    measures : Measures
        Of the cells.
    artefacts : Artefacts
        What was seen and does not count; last the spots beyond the user's limits, ``"gate"``.
    status : Status
        What the count is worth.
    how : Solved or Network
        What found the cells.
    maps : dict
        With the setting `save_maps`: signal, score and (of a solver) fit, float32 ``[H, W]`` each.
    seconds : dict
        Time spent by step.
    """

    picture: Picture
    settings: Settings
    pixel_size: float | None
    colour: Colour | None
    well: Well
    cells: Cells
    measures: Measures
    artefacts: Artefacts
    status: Status
    how: Solved | Network
    maps: dict[str, NDArray[np.float32]]
    seconds: dict[str, float]

    @property
    def count(self) -> int | None:
        """Number of cells, None where the status says that it would mean nothing."""
        return self.status.count


class _Found(NamedTuple):
    """What a method found, and how."""

    cells: Cells
    artefacts: Artefacts
    how: Solved | Network
    maps: dict[str, NDArray[np.float32]]


@needs("cli", "the analysis of a well")
@one_blas_thread()
def analyse(
    picture: str | PathLike[str] | Picture | ArrayLike,
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
) -> WellAnalysis:
    """Find and measure the cells in the picture of a well, and judge the well.

    Nothing is written, and nothing read but what the settings name (flat field, dark frame,
    weights).

    Parameters
    ----------
    picture : path-like, Picture or array_like
        A file, as `spotcore.read_image` takes it; what that returned; or ``[H, W]`` or
        ``[H, W, 3]``, as `Picture.of` takes it.
    settings : Settings, optional
        Choices of the user; by default all are found out.
    progress : callable, optional
        Called with iteration and iteration limit as a solver goes.

    Returns
    -------
    WellAnalysis

    Raises
    ------
    ImageError
        If the picture, or one that the settings name, cannot be read.
    ValueError
        If a setting is out of range or does not fit the picture.
    TypeError
        If an array is of another type.
    """
    settings = valid(Settings() if settings is None else settings)
    if isinstance(picture, str | PathLike):
        picture = read_picture(picture, settings)
    elif not isinstance(picture, Picture):
        picture = Picture.of(picture, settings.full_scale, channel=settings.channel)
    elif settings.full_scale is not None:
        picture = at_full_scale(picture, settings.full_scale)
    seconds: dict[str, float] = {}
    with timed(seconds, "prepare"):
        seen, colour, well = prepare_picture(picture, settings)
    find = _by_network if settings.method == "spotnet" else _by_solver
    found = find(well, settings, progress, seconds)
    with timed(seconds, "measure"):
        side = seen.pixel_size or 1.0
        measures = measure_cells(well, found.cells)
        kept = within(measures, _limits(settings, side))
        artefacts = found.artefacts.and_gated(found.cells[~kept], measures[~kept])
        cells, measures = found.cells[kept], measures[kept]
        status = well_status(
            well,
            cells,
            measures,
            seen.pixels,
            full_scale=picture.full_scale,
            membrane=settings.membrane,
            focus_limit=None if settings.focus_limit is None else settings.focus_limit / side,
            pixel_size=seen.pixel_size,
        )
    return WellAnalysis(
        picture=picture,
        settings=settings,
        pixel_size=seen.pixel_size,
        colour=colour,
        well=well,
        cells=cells,
        measures=measures,
        artefacts=artefacts,
        status=status,
        how=found.how,
        maps=found.maps,
        seconds=seconds,
    )


def _limits(settings: Settings, side: float) -> Limits:
    """Return the user's limits on spots, in pixels of this side."""

    def pixels(length: float | None) -> float | None:
        return None if length is None else length / side

    return Limits(
        (pixels(settings.min_diameter), pixels(settings.max_diameter)),
        (settings.min_density, settings.max_density),
    )


@lru_cache(maxsize=4)
def _model(sigma_limits: tuple[float, ...], tol: float) -> ObservationModel:
    """Wells of one plate share a model, and what it has to prepare for images of their size."""
    return ObservationModel.gaussian(sigma_limits, tol=tol)


def solve_well(well: Well, how: Solve, **options: Any) -> Result:
    """Solve a prepared well as its preset has it; `options` go to `spotcore.solve`."""
    return solve(
        well.signal,
        _model(tuple(well.sigma_limits.tolist()), how.kernel_tol),
        lam=well.lam,
        method=how.method,
        w=well.w,
        mask=well.mask,
        max_iter=how.max_iter,
        tol=how.tol,
        step_scale=how.step_scale,
        **options,
    )


def _by_solver(
    well: Well, settings: Settings, progress: Progress | None, seconds: dict[str, float]
) -> _Found:
    """Find cells by inverse diffusion."""
    how = SOLVES[well.preset]
    if settings.max_iter is not None:
        how = how._replace(max_iter=settings.max_iter)
    if settings.tol is not None:
        how = how._replace(tol=settings.tol)
    with timed(seconds, "solve"):
        result = solve_well(
            well,
            how,
            threads=settings.threads,
            callback=None
            if progress is None
            else lambda now: progress(now.iteration, how.max_iter),
        )
    with timed(seconds, "detect"):
        spots = find_spots(well, result, settings.threshold)
    maps = {}
    if settings.save_maps:
        fit = result.model.forward(result.a)
        maps = {"signal": well.signal, "score": result.score, "fit": fit}
    return _Found(spots.cells, spots.artefacts, Solved.of(result, how), maps)


def _by_network(
    well: Well, settings: Settings, progress: Progress | None, seconds: dict[str, float]
) -> _Found:
    """Find cells by a learned network, which has no iterations to report."""
    with timed(seconds, "load"):
        network = load_network(settings.network)
    with timed(seconds, "detect"):
        # What the solver would give no weight is not seen; the background is at 0.
        signal = np.where(well.w > 0, well.signal, np.float32(0))
        if well.preset == "paper":
            cells = network.detect(
                signal, settings.threshold, mask=well.mask, threads=settings.threads
            )
            artefacts = Artefacts.none()
        else:  # where cells are the wells' network says, what they secreted this one
            amounts = network(signal, threads=settings.threads)
            widths = np.diff(network.parameters.metadata.sigma_limits)
            cells = find_marked(well, amounts, widths, settings.threshold)
            artefacts = find_artefacts(well)
    metadata = network.parameters.metadata
    how = Network(type(network).__name__.lower(), metadata.name, metadata.source)
    maps = {}
    if settings.save_maps:
        maps = {"signal": well.signal, "score": network.score(signal)}
    return _Found(cells, artefacts, how, maps)


@contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Note how long a step took."""
    start = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - start
