"""How well any simple detector can agree with the reader on the low-resolution plate.

    python -m bench.wells.ceiling [--detectors 20000] [--seed 0]

Draws detectors at random - scale, measure, threshold, a threshold relative to the local texture and
to the well's strongest spots, largest elongation, margin to the rim, smallest distance - runs each
on all countable wells, and ranks them by Spearman's correlation with the reader's own counts. The
best of them is tuned on its own test: an upper bound of what its family can do, not a method. What
`spotcore plate` reaches with the settings of every other picture stands below
(`bench/wells/reproduce.py`).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import numpy as np
from bench.wells.agreement import DATA, read_reader
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.stats import rankdata

from spotcore.images.read import read_image
from spotcore.wells import Well, prepare_well
from spotcore.wells.curvature import Curvature, climb, summits
from spotcore.wells.gaussian import gaussian

SCALES = (0.8, 1.0, 1.3, 1.6, 2.0)  # px; a well is 141 px wide


@dataclass
class Peaks:
    """All peaks of a well at one scale: what a detector can choose from."""

    measures: dict[str, NDArray[np.float32]]  # each [n], in grey levels
    elongation: NDArray[np.float32]
    texture: NDArray[np.float32]
    depth: NDArray[np.float32]
    yx: NDArray[np.int64]

    @classmethod
    def of(cls, well: Well, scale: float) -> Peaks:
        weaker, stronger = Curvature.of(well.continued, scale).principal
        top = summits(climb(weaker), (well.mask > 0) & (weaker > 0))
        smooth = gaussian(well.continued, scale)

        def at(image: NDArray[np.float32]) -> NDArray[np.float32]:
            return image.reshape(-1)[top]

        return cls(
            {
                "weaker curvature": at(weaker),
                "mean curvature": at((weaker + stronger) / 2),
                "height": at(smooth - ndimage.median_filter(smooth, 15)),
            },
            at(stronger / np.maximum(weaker, 1e-6)),
            at(ndimage.median_filter(np.abs(weaker), 25)),
            at(well.depth),
            np.stack(np.divmod(top, well.mask.shape[1]), axis=1),
        )


@dataclass
class Detector:
    """A rule for which peaks count."""

    scale: float
    measure: str
    threshold: float
    per_texture: float
    per_strongest: float
    elongation: float
    margin: float
    distance: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Detector:
        return cls(
            scale=float(rng.choice(SCALES)),
            measure=str(rng.choice(["weaker curvature", "mean curvature", "height"])),
            threshold=float(np.exp(rng.uniform(0, np.log(12)))),
            per_texture=float(rng.choice([0, 1, 2, 4])),
            per_strongest=float(rng.choice([0, 0, 0.1, 0.2, 0.3])),
            elongation=float(rng.choice([1.5, 2, 3, 5, np.inf])),
            margin=float(rng.choice([0, 2, 3, 5, 8])),
            distance=float(rng.choice([0, 0, 3, 5, 8])),
        )

    def count(self, peaks: Peaks) -> int:
        values = peaks.measures[self.measure]
        kept = values > self.threshold + self.per_texture * peaks.texture
        kept &= (peaks.elongation < self.elongation) & (peaks.depth > self.margin)
        if self.per_strongest and len(values):
            kept &= values > self.per_strongest * np.quantile(values, 0.99)
        if not self.distance or kept.sum() < 2:
            return int(kept.sum())
        order = np.argsort(-values[kept])
        alone = np.ones(len(order), bool)
        pairs = cKDTree(peaks.yx[kept][order]).query_pairs(self.distance, output_type="ndarray")
        alone[pairs.max(axis=1)] = False
        return int(alone.sum())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detectors", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    reader = read_reader()
    wells = [prepare_well(read_image(DATA / f"plate-a-to-d/{name}.png").pixels) for name in reader]
    peaks = {scale: [Peaks.of(well, scale) for well in wells] for scale in SCALES}
    ranks = rankdata(list(reader.values()))
    rng = np.random.default_rng(args.seed)
    found = []
    for _ in range(args.detectors):
        detector = Detector.drawn(rng)
        counts = [detector.count(well) for well in peaks[detector.scale]]
        if len(set(counts)) > 1:
            rho = float(np.corrcoef(rankdata(counts), ranks)[0, 1])
            found.append((rho, sum(counts), detector))
    found.sort(key=lambda each: -each[0])
    print(
        f"{len(found)} detectors, {len(reader)} wells, {sum(reader.values())} spots by the reader"
    )
    for rho, total, detector in found[:5]:
        print(f"rank correlation {rho:.3f}, {total} spots: {detector}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
