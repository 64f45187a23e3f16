"""Count the cells of real wells with `spotcore detect` and compare a plate with its reader.

    python bench/reproduce_wells.py [-o out/wells]

Reads ``../shared/data/wells/*.tif`` (no truth: look at the overlays) and
``../shared/data/plate-a-to-d/`` (48 wells with the counts of a commercial reader, three of them
confluent). Prints the counts, their rank correlation and total over the countable wells.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from pathlib import Path

from scipy.stats import spearmanr

DATA = Path(__file__).resolve().parents[2] / "shared/data"
CONFLUENT = {"D3", "D6", "D9"}  # the reader printed 2, 0 and 0 for them


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("out/wells"))
    args = parser.parse_args()
    if not DATA.is_dir():
        print("this figure needs ../shared/data beside the repository")
        return 2

    plate = DATA / "plate-a-to-d"
    images = sorted(DATA.glob("wells/*.tif")) + sorted(plate.glob("*.png"))
    command = [str(Path(sys.executable).parent / "spotcore"), "detect", *map(str, images)]
    start = time.perf_counter()
    run = subprocess.run(
        [*command, "-o", str(args.output), "--json"], stdout=subprocess.PIPE, text=True, check=True
    )
    seconds = time.perf_counter() - start
    counts = {
        Path(record["file"]).stem: record["count"]
        for record in map(json.loads, run.stdout.splitlines())
    }

    for image in images:
        if image.suffix == ".tif":
            print(f"{image.name}: {counts[image.stem]}")
    with (plate / "reader_counts.csv").open() as file:
        rows = list(csv.DictReader(file))
    reader = {row["well"]: int(row["aid_count"]) for row in rows}
    ours = {row["well"]: counts[f"image1_Well_{row['cmvision_index']}"] for row in rows}
    print("well: ours/reader")
    for row in "ABCD":
        print("  ".join(f"{w}: {ours[w]}/{reader[w]}" for w in reader if w[0] == row))
    countable = [well for well in reader if well not in CONFLUENT]
    ours_list, reader_list = [ours[w] for w in countable], [reader[w] for w in countable]
    rho = spearmanr(ours_list, reader_list).statistic
    print(f"{len(countable)} countable wells: rank correlation {rho:.3f}, ", end="")
    print(f"total {sum(ours_list)} for the reader's {sum(reader_list)}")
    print(f"{len(images)} images in {seconds:.1f} s; overlays in {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
