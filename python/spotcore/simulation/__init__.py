"""Pictures with a known truth: secretion, diffusion, camera."""

from __future__ import annotations

from spotcore.simulation.render import SimulatedWell, simulate_well
from spotcore.simulation.simulate import Simulation, simulate

__all__ = ["SimulatedWell", "Simulation", "simulate", "simulate_well"]
