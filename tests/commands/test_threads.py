"""The answer does not depend on the number of threads, ours or those of NumPy's BLAS."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from spotcore._files import write_png
from spotcore.simulation.demo import plate_like
from support.plate_folder import SPOTCORE

#: The matrix products of wells this large are split among the threads of BLAS.
SIZE = 300


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grey well and one in colour, as the wells of a plate."""
    folder = tmp_path_factory.mktemp("pictures")
    grey = plate_like(60, SIZE, seed=4)[0]
    light = grey / 255.0
    write_png(folder / "A1.png", grey)
    coloured = np.stack([light**0.4, light, light], axis=2)
    write_png(folder / "A2.png", np.rint(255 * coloured).astype(np.uint8))
    return folder


def tables(out: Path) -> dict[str, bytes]:
    """The tables of all wells; the records hold times and settings."""
    return {path.name: path.read_bytes() for path in sorted(out.rglob("A?.*.csv"))}


def run(*arguments: object, blas: int | None = None) -> None:
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {key: value for key, value in os.environ.items() if key not in limits}
    if blas is not None:
        environment |= dict.fromkeys(limits, str(blas))
    done = subprocess.run(
        [*SPOTCORE, *map(str, arguments)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", ["solve", "spotnet"])
def test_detect(pictures: Path, tmp_path: Path, method: str) -> None:
    found = []
    for threads, blas in ((1, None), (2, None), (4, 1), (2, 2)):
        out = tmp_path / f"{threads}-{blas}"
        images = sorted(pictures.glob("*.png"))
        run("detect", *images, "-o", out, "--threads", threads, "--method", method, blas=blas)
        found.append(tables(out))
    assert len(found[0]) == 4
    assert all(other == found[0] for other in found[1:])


def test_plate(pictures: Path, tmp_path: Path) -> None:
    found = []
    for workers, threads in ((1, 1), (2, 1), (1, 2)):
        out = tmp_path / f"{workers}-{threads}"
        how = ("--workers", workers, "--threads", threads, "--format", 6, "--no-report")
        run("plate", pictures, "-o", out, *how)
        found.append(tables(out))
    assert all(other == found[0] for other in found[1:])
