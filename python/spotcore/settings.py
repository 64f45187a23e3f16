"""What a user can choose about the analysis of a well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """What the user can choose; None stands for the preset's own value.

    A file of settings explains each one in the words that stand here (`spotcore.settings_file`).

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
