"""SpotNet and ConvNet: learned iterations, their parameters and their files."""

from __future__ import annotations

from spotcore.networks.inference import ConvNet, SpotNet, load_network

__all__ = ["ConvNet", "SpotNet", "load_network"]
