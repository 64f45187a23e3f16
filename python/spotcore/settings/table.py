"""What a user can choose about the analysis of wells and their comparison."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["COMPARISON", "Settings", "well_settings"]

#: Settings of the comparison of wells that have been analysed: no well depends on them.
COMPARISON = frozenset(
    (
        "response_alpha",
        "response_fold",
        "response_threshold",
        "colour_tolerance",
        "colour_reach",
        "colour_shuffles",
    )
)


@dataclass(frozen=True)
class Settings:
    """What the user can choose; None stands for the preset's own value.

    A file of settings explains each one in the words that stand here (`spotcore.settings.file`).

    Attributes
    ----------
    preset : str
        "well" for real wells, "paper" for the papers' simulated images; "auto" takes "well" where
        the image shows the edge of a round well.
    polarity : str
        Spots "dark" on bright or "bright" on dark; "auto" finds out.
    channel : str or None
        "red", "green", "blue" or a number from 0 (as a text); by default the luminance.
    pixel_size : float or None
        Pixel side [µm]; by default the file's.
    lam : float or None
        Weight of the group sparsity (λ).
    threshold : float or None
        Smallest score of a cell.
    max_iter : int or None
        Iteration limit.
    tol : float or None
        Stop when ten iterations change the objective by less than this share.
    threads : int or None
        Threads per image; by default one per processor, and one for the wells of a plate.
    method : str
        "solve" for inverse diffusion, "spotnet" for a learned network.
    network : str
        With the method "spotnet": name of shipped weights, or a path.
    gamma : str or float
        Tone curve of the camera: "none" where grey levels are proportional to light, "srgb", or a
        number (stored levels are light to the power 1/gamma).
    flat_field : str or None
        Image of the lamp's pattern, to be divided out: same size as the wells, no well in it.
    dark_frame : str or None
        Image without light, taken off the picture and the flat field.
    stain : str or list of three numbers
        Colour of the spots in a colour picture: "auto" finds it, "luminance" uses none, "aec" is
        that dye; or the strengths of optical density (dark spots) or light in red, green, blue.
    sigma_limits : list of numbers or None
        Limits of the σ bins in µm where the pixel size is known, else in pixels; by default from
        the pixel size where it is known, else from the well's radius.
    membrane : float or None
        Grey level of a bare membrane; tells a confluent well from an empty one. By default 10 % of
        full scale for bright spots, and half of it for dark ones; on a plate, what its least
        stained wells show, too.
    focus_limit : float or None
        A well is out of focus if its sharpest spots are wider than this standard deviation [µm, or
        pixels where the pixel size is not known].
    min_diameter, max_diameter : float or None
        Spots beyond are not counted [µm, or pixels where the pixel size is not known].
    min_density, max_density : float or None
        Spots whose integrated density is beyond are not counted.
    save_maps : bool
        Save the signal, the score and the fit of each well in NAME.maps.npz.
    response_alpha : float
        Of a plate with a layout: largest adjusted p-value of a response by DFR(eq) or DFR(2x).
    response_fold : float
        Fold and threshold: smallest ratio of a response to the negative control.
    response_threshold : float
        Fold and threshold: fewest spots per 10⁶ cells [SFU] of a response, the control not
        subtracted.
    colour_tolerance : float
        Of a plate with several channels: largest distance of two spots of one cell [pixels].
    colour_reach : float
        Largest shift between channels [pixels]; more than twice the tolerance.
    colour_shuffles : int
        Shuffles per well and channel for the number of cells of several colours by chance; their
        p-value is at least 1 / (shuffles + 1).
    """

    preset: Literal["auto", "paper", "well"] = "auto"
    polarity: Literal["auto", "dark", "bright"] = "auto"
    channel: str | None = None
    pixel_size: float | None = None
    lam: float | None = None
    threshold: float | None = None
    max_iter: int | None = None
    tol: float | None = None
    threads: int | None = None
    method: Literal["solve", "spotnet"] = "solve"
    network: str = "spotnet"
    gamma: Literal["none", "srgb"] | float = "none"
    flat_field: str | None = None
    dark_frame: str | None = None
    stain: str | tuple[float, float, float] = "auto"
    sigma_limits: tuple[float, ...] | None = None
    membrane: float | None = None
    focus_limit: float | None = None
    min_diameter: float | None = None
    max_diameter: float | None = None
    min_density: float | None = None
    max_density: float | None = None
    save_maps: bool = False
    response_alpha: float = 0.05
    response_fold: float = 4.0
    response_threshold: float = 55.0
    colour_tolerance: float = 3.0
    colour_reach: float = 20.0
    colour_shuffles: int = 199


def well_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that a well's own result depends on, by name: all but `COMPARISON`."""
    return {name: value for name, value in asdict(settings).items() if name not in COMPARISON}
