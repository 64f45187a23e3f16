"""One image file in, its table, its picture and its record out."""

from __future__ import annotations

import datetime
import math
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import spotcore
from spotcore._backends import backend_info
from spotcore._files import write_csv, write_json, write_npz, write_png
from spotcore.images.overlay import overlay_picture
from spotcore.images.read import Picture, read_image
from spotcore.model.decimation import KERNEL_TOL
from spotcore.model.observation import ObservationModel
from spotcore.networks import load_network
from spotcore.settings import Settings, well_settings
from spotcore.settings.file import well_settings_hash
from spotcore.solvers import Result, solve
from spotcore.wells import Well, find_spots
from spotcore.wells.chosen import corrected, gates, prepared
from spotcore.wells.measure import artefact_table, cell_table, measure_cells, within
from spotcore.wells.status import Status, well_status

if TYPE_CHECKING:
    from PIL.Image import Image

    from spotcore.detections import Cells

__all__ = [
    "SETTINGS",
    "Setting",
    "detect_file",
    "draw_cells",
    "failure",
    "machine_record",
    "output_names",
    "solve_well",
]


class Setting(NamedTuple):
    """How the images of a preset are solved."""

    method: str
    max_iter: int
    tol: float
    kernel_tol: float = KERNEL_TOL
    step_scale: float = 1.0


#: Real wells: where their spots are is seen in the picture. What share of the well's secretion is a
#: spot's shows after some 40 iterations of FISTA, long before the optimum: off by 4 to 7 % in the
#: median, 13 % where 250 crowd (`bench/wells/secretion.py`). The papers' dense images need the
#: optimum.
SETTINGS = {"well": Setting("fista", 40, 2e-3, 3e-4, 1.3), "paper": Setting("auto", 300, 5e-4)}


def output_names(paths: Iterable[Path]) -> dict[Path, str]:
    """Choose the NAME of each file's outputs: its stem.

    A file that is given twice is taken once.

    Raises
    ------
    ValueError
        If two files would write the same outputs; the message names both.
    """
    names: dict[Path, str] = {}
    taken: dict[str, Path] = {}
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        other = taken.setdefault(path.stem.casefold(), path)
        if other is not path:
            raise ValueError(
                f"{other} and {path} would both write {path.stem}.cells.csv; "
                "give them different names or run them into different folders"
            )
        names[path] = path.stem
    return names


def detect_file(
    path: Path,
    folder: Path,
    name: str,
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
    page: int | None = None,
) -> dict[str, Any]:
    """Find and measure the cells of one image file, and judge the well.

    Writes NAME.cells.csv, .artefacts.csv, .overlay.png and .run.json, and with the setting
    `save_maps` .maps.npz.

    Parameters
    ----------
    path : Path
        Image file.
    folder : Path
        Existing folder to write to.
    name : str
        NAME of the outputs.
    settings : Settings
        Choices of the user.
    progress : callable, optional
        Called with iteration and iteration limit as the solver goes.
    page : int, optional
        Page of a TIFF, from 0; by default the file has to have one page only.

    Returns
    -------
    dict
        The record that NAME.run.json holds. It is written last: where it is, the others are whole.

    Raises
    ------
    ImageError
        If the image cannot be read.
    OutputError
        If an output cannot be written.
    ValueError
        If an option does not fit the image.
    """
    from threadpoolctl import threadpool_limits

    # Of NumPy's own: where wells run side by side, they would wait for each other.
    with threadpool_limits(settings.threads, "blas"):
        return _detect_file(path, folder, name, settings, progress, page)


def _detect_file(
    path: Path,
    folder: Path,
    name: str,
    settings: Settings,
    progress: Callable[[int, int], None] | None,
    page: int | None,
) -> dict[str, Any]:
    seconds: dict[str, float] = {}
    started = datetime.datetime.now(datetime.UTC)
    with _timed(seconds, "read"):
        picture = read_image(path, settings.channel, page)
        seen, colour = corrected(picture, settings)
    pixel_size = picture.pixel_size if settings.pixel_size is None else settings.pixel_size
    with _timed(seconds, "prepare"):
        well = prepared(seen, picture, settings, pixel_size)
    find = _by_network if settings.method == "spotnet" else _by_solver
    found = find(well, settings, progress, seconds)
    with _timed(seconds, "measure"):
        measures = measure_cells(well, found.cells)
        kept = within(measures, gates(settings, pixel_size))
        gated = found.cells[~kept], measures[~kept]
        cells, measures = found.cells[kept], measures[kept]
        side = pixel_size or 1.0
        status = well_status(
            well,
            cells,
            measures,
            seen.pixels,
            full_scale=picture.full_scale,
            membrane=settings.membrane,
            focus_limit=None if settings.focus_limit is None else settings.focus_limit / side,
            pixel_size=pixel_size,
        )
    artefacts = artefact_table(found.artefacts, *gated)
    with _timed(seconds, "write"):
        write_csv(folder / f"{name}.cells.csv", cell_table(cells, measures, pixel_size))
        write_csv(folder / f"{name}.artefacts.csv", artefacts)
        caption = f"{path.name}   {_in_words(status)}   ({well.preset}, {well.polarity} spots)"
        write_png(folder / f"{name}.overlay.png", draw_cells(picture, well, cells, caption))
        if settings.save_maps:
            write_npz(folder / f"{name}.maps.npz", {"signal": well.signal, **found.maps()})
    record = {
        "spotcore": spotcore.__version__,
        "file": str(path),
        "page": page,
        "sha256": picture.sha256,
        "started": started.isoformat(timespec="seconds"),
        "status": status.status,
        "reason": status.reason,
        "count": status.count,
        "interval": status.interval,
        "secretion": status.secretion,
        "artefacts": len(artefacts["y"]),
        "settings": well_settings(settings),
        "settings_hash": well_settings_hash(settings),
        "image": {
            "height": picture.pixels.shape[0],
            "width": picture.pixels.shape[1],
            "full_scale": picture.full_scale,
            "channel": picture.channel,
            "pixel_size_um": pixel_size,
            "colour": None if colour is None else asdict(colour),
        },
        "well": _well_record(well)
        | {
            "confluence": status.confluence,
            **asdict(status.staining),
            "focus": status.focus,
        },
        "solve": found.how,
        "threshold": cells.threshold,
        "seconds": {step: round(spent, 4) for step, spent in seconds.items()},
        "machine": machine_record(),
    }
    write_json(folder / f"{name}.run.json", record)
    return record


def _in_words(status: Status) -> str:
    """Say in a few words what came out."""
    if status.count is None:
        return f"{status.status.replace('_', ' ')} ({status.reason})"
    return f"{status.count} cells"


class _Found(NamedTuple):
    """What a method found, how, and (where they are asked for) its maps."""

    cells: Cells
    artefacts: Mapping[str, Any] | None
    how: dict[str, Any]
    maps: Callable[[], dict[str, Any]]


def machine_record() -> dict[str, Any]:
    """Return what a result was computed with and on."""
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        **backend_info(),
    }


def failure(path: Path, error: Exception) -> str:
    """Say what went wrong, without the path (it stands before); unexpected errors by name."""
    text = str(error).removeprefix(f"{path}: ")
    known = isinstance(error, ValueError | TypeError | OSError) and text
    return text if known else f"{type(error).__name__}: {text}"


@lru_cache(maxsize=4)
def _model(sigma_limits: tuple[float, ...], tol: float) -> ObservationModel:
    """Wells of one plate share a model, and what it has to prepare for images of their size."""
    return ObservationModel.gaussian(sigma_limits, tol=tol)


def solve_well(well: Well, setting: Setting, **options: Any) -> Result:
    """Solve a prepared well as its preset has it; `options` go to `spotcore.solve`."""
    return solve(
        well.signal,
        _model(tuple(well.sigma_limits.tolist()), setting.kernel_tol),
        lam=well.lam,
        method=setting.method,
        w=well.w,
        mask=well.mask,
        max_iter=setting.max_iter,
        tol=setting.tol,
        step_scale=setting.step_scale,
        **options,
    )


def _by_solver(
    well: Well,
    settings: Settings,
    progress: Callable[[int, int], None] | None,
    seconds: dict[str, float],
) -> _Found:
    """Find cells by inverse diffusion; how it went is for the record."""
    setting = SETTINGS[well.preset]
    if settings.max_iter is not None:
        setting = setting._replace(max_iter=settings.max_iter)
    if settings.tol is not None:
        setting = setting._replace(tol=settings.tol)
    with _timed(seconds, "solve"):
        result = solve_well(
            well,
            setting,
            threads=settings.threads,
            callback=None
            if progress is None
            else lambda now: progress(now.iteration, setting.max_iter),
        )
    with _timed(seconds, "detect"):
        spots = find_spots(well, result, settings.threshold)
    return _Found(
        spots.cells,
        spots.artefacts.columns(),
        _solve_record(result, setting),
        lambda: {"score": result.score, "fit": result.model.forward(result.a)},
    )


def _by_network(
    well: Well,
    settings: Settings,
    _: Callable[[int, int], None] | None,
    seconds: dict[str, float],
) -> _Found:
    """Find cells by a learned network, which has no iterations to report."""
    with _timed(seconds, "load"):
        network = load_network(settings.network)
    with _timed(seconds, "detect"):
        # What the solver would give no weight is not seen; the background is at 0.
        signal = np.where(well.w > 0, well.signal, np.float32(0))
        cells = network.detect(signal, settings.threshold, mask=well.mask, threads=settings.threads)
    parameters = network.parameters
    how = {
        "method": type(network).__name__.lower(),
        "network": parameters.metadata.name,
        "source": parameters.metadata.source,
    }
    return _Found(cells, None, how, lambda: {"score": network.score(signal)})


def draw_cells(picture: Picture, well: Well, cells: Cells, caption: str) -> Image:
    """Draw the cells on the picture they were found in, with the border of the used pixels."""
    circle = well.circle
    return overlay_picture(
        picture.pixels,
        cells.yx,
        max(2.0 * well.spot_scale, 3.0),
        dark_spots=well.polarity == "dark",
        well=None if circle is None else (circle.y, circle.x, circle.radius - circle.rim),
        caption=caption,
    )


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Note how long a step took."""
    start = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - start


def _well_record(well: Well) -> dict[str, Any]:
    """Collect what the front end found and chose, without its images."""
    return {
        "preset": well.preset,
        "polarity": well.polarity,
        "circle": None if well.circle is None else asdict(well.circle),
        "noise": well.noise,
        "spot_scale": well.spot_scale,
        "clipped": well.clipped,
        "lam": well.lam,
        "sigma_limits": well.sigma_limits.tolist(),
    }


def _solve_record(result: Result, setting: Setting) -> dict[str, Any]:
    """Collect how the solver was run and how it ended."""
    return {
        "method": result.method,
        "step": result.step,
        "max_iter": setting.max_iter,
        "tol": setting.tol,
        "iterations": result.iterations,
        "stop_reason": result.stop_reason,
        "objective": result.objective,
        "data_term": result.data_term,
        "penalty": result.penalty,
        "gap": result.gap if math.isfinite(result.gap) else None,
    }
