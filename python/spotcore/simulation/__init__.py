"""Pictures with a known truth: secretion, diffusion, camera."""

from __future__ import annotations

from spotcore.simulation.simulate import Simulation, simulate

__all__ = ["Simulation", "simulate"]
