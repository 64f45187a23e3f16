"""What a user can choose about the analysis of a well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """What the user can choose; None stands for the preset's own value."""

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
    network: str = "spotnet"  # name of shipped weights, or a path
