from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from support.exported import EVIL
from support.result_folder import write_result


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A plate in two colours; a donor's name is a formula, another's a number that is none."""
    out = write_result(tmp_path_factory.mktemp("plate") / "OUT", 2, 6, channels=("green", "red"))
    plate = json.loads((out / "plate.json").read_text())
    for row in plate["layout"]:
        row["sample"] = {"donor 1": EVIL, "donor 2": "007"}[row["sample"]]
    (out / "plate.json").write_text(json.dumps(plate))
    for name in ("replicates.csv", "responses.csv"):
        text = (out / name).read_text().replace("donor 2", "007")
        evil = '"' + EVIL.replace('"', '""') + '"'
        (out / name).write_text(text.replace("donor 1", evil))
    # A lone spot has no neighbour.
    lone = out / "wells" / "A1.red.cells.csv"
    table = pd.read_csv(lone).head(1)
    table[["nearest", "nearest_um"]] = None
    table.to_csv(lone, index=False)
    return out


@pytest.fixture
def plate(made, tmp_path):
    return shutil.copytree(made, tmp_path / "OUT")
