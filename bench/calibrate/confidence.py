"""Fit the confidence of a spot, and the distance below which two are one, on simulated wells.

    python -m bench.calibrate.confidence [--wells 16]

The wells are those of `spotcore.simulation.demo` with cells whose secretion spreads over two orders
of magnitude, as in real wells. Marks are all summits of the weaker principal curvature, noise
included; one is a spot if a true cell lies within 3 px that no better mark has. Half of the wells
are for the fit, the others for the check. Prints the constants of `spotcore.wells.measure` and
`spotcore.wells.status`, stated and found confidence, and how often the interval holds the truth.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from scipy import optimize

from spotcore.detections import Cells
from spotcore.metrics import match
from spotcore.simulation.demo import MEMBRANE
from spotcore.simulation.simulate import render, simulate
from spotcore.wells import prepare_well
from spotcore.wells.curvature import climb
from spotcore.wells.interval import RESOLUTION, count_interval, hidden_spots, resolution
from spotcore.wells.measure import measure_cells, signal_to_noise
from spotcore.wells.spots import PEAK_FACTOR

RADIUS = 3.0
NOISE = 3.0  # grey levels: above the floor that the front end gives to the noise
FAINTEST = 2.0  # signal-to-noise ratio of the marks that are looked at


def simulated_well(n_cells, seed, size=384, spread=100.0, noise=NOISE):
    """Dark spots whose strengths are spread log-uniformly, on a flat noisy membrane."""
    rng = np.random.default_rng(seed)
    shape = (size, size)
    cells = simulate(n_cells, shape, bits=None, seed=rng)
    psdr = cells.psdr * (spread ** -rng.uniform(size=n_cells))[:, None]
    # The one that secretes most has an optical density of 0.8 where it is alone.
    most = psdr[[np.argmax(psdr.sum(axis=1))]]
    alone = render([(size // 2, size // 2)], most, shape).max()
    density = 0.8 * render(cells.cells, psdr, shape).astype(np.float64) / alone
    grey = MEMBRANE * 10.0**-density + noise * rng.standard_normal(shape)
    return np.clip(np.rint(grey), 0, 255).astype(np.float32), cells.cells


def summits(well):
    """All summits of the weaker curvature as marks, the strongest first."""
    weaker, _ = well.curvature.principal
    top = np.unique(climb(weaker)[well.mask > 0])
    y, x = np.divmod(top, weaker.shape[1])
    cells = Cells(y, x, np.zeros(len(y), np.float32), None, None, 0.0)
    snr = signal_to_noise(well, cells)
    order = np.argsort(-snr)[: int((snr >= FAINTEST).sum())]
    return Cells(y[order], x[order], snr[order].astype(np.float32), None, None, FAINTEST)


def marks_of(n_cells, seed, spread, noise=NOISE):
    """Well, marks, their measures, which are spots, the true cells."""
    image, truth = simulated_well(n_cells, seed, spread=spread, noise=noise)
    well = prepare_well(image, preset="well", polarity="dark")
    cells = summits(well)
    measures = measure_cells(well, cells)
    hit = np.zeros(len(cells), bool)
    pairs = match(cells.yx, truth, RADIUS)
    hit[pairs.pairs[:, 0]] = True
    return well, cells, measures, hit, truth


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=16)
    args = parser.parse_args()
    numbers = np.resize([20, 60, 150, 300], args.wells)
    wells = [marks_of(n, seed, 100.0) for seed, n in enumerate(numbers)]
    half = len(wells) // 2

    snr = np.concatenate([w[2].snr for w in wells[:half]])
    hit = np.concatenate([w[3] for w in wells[:half]])
    log = np.log(snr)

    def loss(p):
        chance = np.clip(p[2] / (1 + np.exp(-(p[0] + p[1] * log))), 1e-9, 1 - 1e-9)
        return -float(np.mean(np.where(hit, np.log(chance), np.log(1 - chance))))

    a, b, c = optimize.minimize(loss, [-9.0, 5.0, 0.97], method="Nelder-Mead").x
    print(f"CONFIDENCE = ({a:.2f}, {b:.2f}, {c:.3f})")
    snr = np.concatenate([w[2].snr for w in wells[half:]])
    hit = np.concatenate([w[3] for w in wells[half:]])
    stated = c / (1 + np.exp(-(a + b * np.log(snr))))
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        here = (stated >= low) & (stated < high)
        if here.any():
            print(
                f"  {here.sum():5d} marks: stated {stated[here].mean():.3f}, "
                f"{hit[here].mean():.3f} are spots"
            )

    # Crowding alone: every cell is strong enough to be found where it is alone.
    wells = [marks_of(n, seed, 3.0, 1.0) for seed, n in enumerate(numbers, start=100)]
    for share in (0.9, 1.0, 1.1):
        held, ratio = [], []
        for well, cells, measures, _, truth in wells:
            sure = measures.snr >= PEAK_FACTOR
            yx, inside = cells.yx[sure], well.mask > 0
            distance = share / RESOLUTION * resolution(well, measures[sure])
            hidden = hidden_spots(yx, inside, distance)
            low, high = count_interval(measures.confidence[sure], hidden)
            held.append(low <= len(truth) <= high)
            ratio.append((len(yx) + hidden.mean) / len(truth))
        print(
            f"RESOLUTION = {share}: {np.mean(held):.0%} of the intervals hold the truth; "
            "estimate by truth",
            np.round(ratio, 2),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
