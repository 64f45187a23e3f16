"""Use an installed spotcore in an environment with nothing but NumPy, as a stranger would.

Run by ``make install-check``; not collected by pytest, which lives in another environment.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
from checking import check

import spotcore as sc

HEAVY = ("scipy", "numba", "typer", "tifffile", "PIL", "matplotlib")

DATA = (
    "report/page.html",
    "report/page.css",
    "report/page.js",
    "export/result.schema.json",
    "napari_plugin/napari.yaml",
)


def main() -> None:
    check("site-packages" in sc.__file__, "the installed package is the one imported")
    present = [name for name in HEAVY if importlib.util.find_spec(name)]
    check(not present, f"the environment is bare (found {present or 'nothing'})")

    sim = sc.simulate(n_cells=20, shape=(96, 80), seed=1)
    model = sc.ObservationModel.gaussian([2.3, 5, 9, 13, 23], rank=1)
    result = sc.solve(sim.image, model, max_iter=200)
    check(result.a.shape == (4, 96, 80), "simulate and solve run on NumPy alone")
    cells = sc.detect(result)
    found = sc.match(cells, sim.cells)
    check(found.f1 > 0.5, f"cells are found (F1 {found.f1:.2f})")
    found = sc.match(sc.SpotNet.load("spotnet").detect(sim.image), sim.cells)
    check(found.f1 > 0.5, f"the weights are installed and find cells too (F1 {found.f1:.2f})")
    package = Path(sc.__file__).parent
    check((package / "py.typed").exists(), "type information is installed")
    for name in DATA:
        check((package / name).is_file(), f"{name} is installed")

    run = subprocess.run(
        [str(Path(sys.executable).parent / "spotcore"), "info"], capture_output=True, text=True
    )
    check(run.returncode != 0 and "spotcore[cli]" in run.stderr, "the command says what it lacks")
    check("Traceback" not in run.stderr, "and says so without a traceback")
    picture = Path("bare.png")
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    for call in (lambda: sc.read_image(picture), lambda: sc.analyse(np.eye(64))):
        try:
            call()
        except ImportError as error:
            check("pip install 'spotcore[cli]'" in str(error), f"a program is told, too: {error}")
        else:
            check(False, "what is not installed is missed")
    check(np.isfinite(result.gap), "the answer carries its duality gap")


if __name__ == "__main__":
    main()
