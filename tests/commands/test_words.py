"""What a user gets wrong is said in words that help: at once, by name, without a traceback."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import openpyxl
import pytest
import tifffile
import typer

import spotcore as sc
from spotcore._files import write_png
from spotcore.commands.app import app
from support.command_line import run
from support.corpus import FOLDER as CORPUS
from support.plate_folder import SPOTCORE

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a picture, a stack, a folder of pictures and some files that are none."""
    monkeypatch.chdir(tmp_path)
    grey = np.random.default_rng(0).integers(90, 110, (64, 64)).astype(np.uint8)
    for folder in ("empty", "plate"):
        (tmp_path / folder).mkdir()
    write_png(tmp_path / "a.png", grey)
    write_png(tmp_path / "plate" / "A1.png", grey)
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([grey, grey]), photometric="minisblack")
    (tmp_path / "text.txt").write_text("hello\n")
    (tmp_path / "bad.toml").write_text("x = [")
    (tmp_path / "unknown.toml").write_text("foo = 1\n")
    return tmp_path


DETECT = ("detect", "a.png", "-o", "out")
PLATE = ("plate", "plate", "-o", "out")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("detect",), 2, "Missing argument"),
        (("detect", "a.png"), 2, "--output"),
        (("detect", "plate", "-o", "out"), 2, "got a folder: spotcore plate plate -o OUT"),
        (("detect", "none.png", "-o", "out"), 1, "none.png"),
        (("detect", "text.txt", "-o", "out"), 1, "begins with b'hello"),
        (("detect", "stack.tif", "-o", "out"), 1, "--page"),
        (("detect", "a.png", "-o", "a.png"), 1, "a.png: no folder to write to"),
        (("detect", "a.png", "-o", "."), 2, "another folder than that of the images"),
        ((*DETECT, "--lam", "nan"), 2, "--lam: expected a finite number"),
        ((*DETECT, "--lam=-1"), 2, "--lam: expected a number, at least 0"),
        ((*DETECT, "--preset", "best"), 2, "--preset: expected 'auto' or 'paper' or 'well'"),
        ((*DETECT, "--channel", "7"), 1, "channel '7' of a file of 1"),
        ((*DETECT, "--page", "9"), 1, "page 9 of a file of 1"),
        ((*DETECT, "--settings", "none.toml"), 2, "none.toml: No such file"),
        ((*DETECT, "--settings", "bad.toml"), 2, "bad.toml: expected a TOML file"),
        ((*DETECT, "--settings", "unknown.toml"), 2, "unknown setting 'foo'"),
        ((*DETECT, "--threads", "0"), 2, "--threads: expected a number above 0"),
        ((*DETECT, "--max-iter", "1e99"), 2, "--max-iter: expected an integer"),
        ((*DETECT, "--method", "spotnet", "--network", "zzz"), 2, "--network: expected a path"),
        ((*DETECT, "--sigma-limits", "3"), 2, "--sigma-limits: expected a list of numbers"),
        ((*DETECT, "--pixel-size", "84.7"), 2, "--pixel-size: expected a number from 0.5 to 50"),
        ((*DETECT, "--flat-field", "none.png"), 2, "--flat-field: expected a file"),
        ((*DETECT, "--flat-field", "lamp"), 2, "--flat-field: expected a file, got 'lamp'"),
        ((*DETECT, "--network", ""), 2, "--network: expected a file, got ''"),
        ((*DETECT, "--unknown"), 2, "--unknown"),
        (("plate",), 2, "Missing argument"),
        (("plate", "empty", "-o", "out"), 2, "expected pictures"),
        (("plate", "none", "-o", "out"), 2, "none: expected a folder"),
        (("plate", "plate", "-o", "plate"), 2, "another folder than that of the images"),
        ((*PLATE, "--format", "7"), 2, "6, 12, 24, 48, 96, 384, 1536 wells, got 7"),
        ((*PLATE, "--pattern", "{foo}"), 2, "unknown field {foo}"),
        ((*PLATE, "--layout", "none.csv"), 2, "none.csv: No such file"),
        ((*PLATE, "--layout", "a.png"), 2, "a.png: expected a text"),
        ((*PLATE, "--dask", "localhost"), 2, "with a port, such as tcp://localhost:8786"),
        ((*PLATE, "--dask", "tcp://none.invalid:8786"), 2, "no scheduler at"),
        ((*PLATE, "--dask", "http://localhost:8786"), 2, "unknown address scheme 'http'"),
        ((*PLATE, "--workers", "0"), 2, "--workers"),
        ((*PLATE, "--export", "xls"), 2, "--export: expected xlsx, json"),
        ((*PLATE, "--background", "medium"), 2, "--layout, which is not given"),
        (("export", "empty"), 2, "--format"),
        (("export", "empty", "-f", "xlsx,xls"), 2, "--format: expected xlsx, json"),
        (("export", "empty", "-f", "xlsx"), 1, "empty: holds no result"),
        (("export", "none", "-f", "xlsx"), 1, "none: holds no result"),
        (("report", "empty"), 1, "empty: holds no result"),
        (("report", "a.png"), 1, "a.png: holds no result"),
        (("settings",), 2, "expected a file to check"),
        (("settings", "none.toml"), 1, "none.toml: No such file"),
        (("settings", "-o", "a.png"), 1, "a.png: is there already"),
        (("simulate", "-o", "out", "--cells", "-3"), 2, "--cells"),
        ((*DETECT, "--full-scale", "5"), 1, "(--full-scale), not 5"),
        (("simulate", "-o", "out", "--cells", "100001"), 2, "--cells"),
        (("simulate", "-o", "out", "--size", "2049"), 2, "--size"),
        (("simulate", "-o", "out", "--seed", "2147483648"), 2, "--seed"),
        (("simulate", "-o", "out", "--seed", "2147483647", "--count", "2"), 2, "--count"),
        (("demo", "-o", "out", "--cells", "20001"), 2, "--cells"),
        (("demo", "-o", "out", "--size", "2049"), 2, "--size"),
        (("score", "none.csv", "none.csv"), 1, "none.csv: No such file"),
        (("score", "text.txt", "text.txt"), 1, "text.txt: expected columns"),
        (("convert", "empty", "-o", "out"), 2, "a name ending in .safetensors"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_what_is_wrong_is_said(
    place: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    before = time.monotonic()
    result = run(*arguments)
    said = " ".join(result.stderr.split())
    assert (result.exit_code, words in said) == (code, True), said
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in said and not re.search(r"Errno|Error\(", said)
    assert time.monotonic() - before < 10


#: Runs the command line as if a package were not installed.
WITHOUT = """
import importlib.machinery, sys

class Others(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] == MISSING else super().find_spec(name, path, target)

MISSING = sys.argv.pop(1)
sys.meta_path = [Others if f is importlib.machinery.PathFinder else f for f in sys.meta_path]
from spotcore.commands import main

main()
"""


@pytest.mark.parametrize(
    ("missing", "extra", "arguments"),
    [
        ("typer", "cli", DETECT),
        ("python_calamine", "cli", (*PLATE, "--layout", "layout.xlsx")),
        ("czifile", "formats", ("detect", str(CORPUS / "grey.czi"), "-o", "out")),
        ("nd2", "formats", ("plate", "nikon", "-o", "out")),
        ("zarr", "formats", ("plate", "zarr", "-o", "out")),
        ("distributed", "dask", (*PLATE, "--dask", "tcp://localhost:8786")),
        ("xlsxwriter", "export", ("export", "plate", "-f", "xlsx")),
        ("xlsxwriter", "export", (*PLATE, "--export", "xlsx")),
        ("flowio", "export", ("export", "plate", "-f", "fcs")),
        ("pyarrow", "parquet", ("export", "plate", "-f", "parquet")),
        ("torch", "train", ("train", "-o", "out")),
        ("matplotlib", "train", ("train", "-o", "out")),
        ("matplotlib", "train", ("reproduce", "isbi2019", "-o", "out", "--network", "spotnet")),
    ],
)
def test_an_extra_that_is_missing_is_named(
    place: Path, missing: str, extra: str, arguments: tuple[str, ...]
) -> None:
    openpyxl.Workbook().save(place / "layout.xlsx")
    (place / "nikon").mkdir()
    shutil.copy(CORPUS / "grey.nd2", place / "nikon" / "A1.nd2")
    (place / "zarr").mkdir()
    (place / "zarr" / ".zattrs").write_text('{"plate": {"wells": []}}')
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, missing, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0 and f"pip install 'spotcore[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
    # A file that cannot be read stops no other: its command goes on.
    assert arguments[0] == "detect" or not (place / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [("plate", "", "-o", "out"), ("detect", "a.png", "-o", ""), ("export", "", "-f", "x")],
)
def test_an_empty_argument_is_not_the_current_folder(
    place: Path, arguments: tuple[str, ...]
) -> None:
    before = set(place.iterdir())
    done = subprocess.run([*SPOTCORE, *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and "is a variable not set?" in done.stderr
    assert set(place.iterdir()) == before


@pytest.mark.parametrize("arguments", [("info",), DETECT])
def test_a_standard_output_that_is_full_is_named(place: Path, arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*SPOTCORE, *arguments], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "spotcore: standard output: No space left on device\n"


def test_ctrl_c_while_it_is_loaded(place: Path) -> None:
    """As if it were pressed at the first package that is looked for."""
    pressed = """
import signal, spotcore.commands
spotcore.commands.find_spec = lambda name: signal.raise_signal(signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
spotcore.commands.main()
"""
    done = subprocess.run([sys.executable, "-c", pressed], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_at_80_columns_shows_whole_names(command: str) -> None:
    """And what stands in brackets, as extras do."""
    shown = subprocess.run(
        [sys.executable, "-c", "from spotcore.commands import main; main()", command, "-h"],
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0 and max(map(len, shown.stdout.splitlines())) <= 80
    words = set(re.split(r"[\s,/]+", shown.stdout))
    held = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    for parameter in held.params:
        if isinstance(parameter, click.Option):
            assert set(parameter.opts) <= words
    text = " ".join(shown.stdout.split())
    for extra in re.findall(r"spotcore\[\w+\]", " ".join((held.help or "").split())):
        assert extra in text
    assert command != "export" or "spotcore[export]" in text


def test_completion_is_there() -> None:
    shown = run("--help").stdout
    assert "--install-completion" in shown and "--show-completion" in shown


def test_cells_are_one_line() -> None:
    simulated = sc.simulate(30, (96, 96), seed=1)
    model = sc.ObservationModel.gaussian([1, 2, 4])
    cells: Any = sc.detect(sc.solve(simulated.image, model, max_iter=60))
    assert repr(cells).startswith(f"Cells({len(cells)} cells, threshold ")
    assert "\n" not in repr(cells) and len(repr(cells)) < 90


def test_a_summary_does_not_end_in_how_the_solver_did(place: Path) -> None:
    shown = run("detect", "a.png", "-o", "out").stdout
    assert "max_iter" not in shown and "iterations" in shown
