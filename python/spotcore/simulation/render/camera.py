"""From light to the picture that a reader saves."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from spotcore.simulation.render.look import WellLook

__all__ = ["resized", "saved", "sensed"]

Levels = NDArray[np.float32]


def sensed(rng: np.random.Generator, light: Levels, look: WellLook) -> Levels:
    """Return what the sensor makes of light [C, H, W], with its noise and its bad pixels."""
    variance = look.noise**2 + np.maximum(light, 0.0) / look.electrons
    noisy = light + np.sqrt(variance) * rng.standard_normal(light.shape, dtype=np.float32)
    if look.bad_pixels:
        bad = rng.random(light.shape[1:]) < look.bad_pixels
        noisy[:, bad] = rng.choice([0.0, 1.0], int(bad.sum()))
    return np.asarray(np.clip(noisy, 0.0, 1.0), np.float32)


def resized(levels: Levels, shape: tuple[int, int]) -> Levels:
    """Return levels [C, H, W] at another size, by cubic interpolation."""
    from PIL import Image

    if levels.shape[1:] == shape:
        return levels
    return np.stack(
        [
            np.asarray(Image.fromarray(plane).resize(shape[::-1], Image.Resampling.BICUBIC))
            for plane in levels
        ]
    )


def saved(levels: Levels, look: WellLook) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], float]:
    """Return the picture [H, W] or [H, W, 3] of levels [C, H, W] as a file holds it, and its error.

    Twelve bits lie in sixteen. A JPEG has eight. The error is what rounding and compression change,
    as a share of full scale of the light: two thirds of all pixels are changed by less.
    """
    # What interpolation makes of an edge can be below 0.
    shown = np.clip(look.offset + look.gain * np.maximum(levels, 0.0) ** look.gamma, 0.0, 1.0)
    picture = shown[0] if len(shown) == 1 else np.moveaxis(shown, 0, -1)
    if look.bits > 8 and look.quality is None:
        deep = np.asarray(np.rint(picture * (2**look.bits - 1)), np.uint16)
        return deep, 1.0 / (2**look.bits - 1) / np.sqrt(12.0) / look.gain
    eight = np.asarray(np.rint(picture * 255.0), np.uint8)
    if look.quality is None:
        return eight, 1.0 / 255.0 / np.sqrt(12.0) / look.gain
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(eight).save(file, "JPEG", quality=look.quality)
    with Image.open(file) as image:
        packed = np.asarray(image)
    changed = np.abs(packed.astype(np.float32) / 255.0 - picture)
    return packed, float(np.quantile(changed, 0.68)) / look.gain
