"""Pictures of wells as readers save them, with their truth.

look (how it looks) -> ground, spots, artefacts -> camera -> well
"""

from __future__ import annotations

from spotcore.simulation.render.look import ARTEFACTS, DYES, WellLook
from spotcore.simulation.render.well import SimulatedWell, simulate_well

__all__ = ["ARTEFACTS", "DYES", "SimulatedWell", "WellLook", "simulate_well"]
