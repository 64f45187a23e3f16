"""A plate as its users meet it: what it leaves, bad files, locked settings, refusals."""

from __future__ import annotations

import csv
import hashlib
import json
import os

import numpy as np
import pytest
import tifffile

import spotcore as sc
from spotcore._files import write_png
from spotcore.results.columns import WELLS
from spotcore.settings import COMPARISON, Settings
from spotcore.settings.file import lock, settings_hash
from spotcore.simulation.demo import plate_like
from support.command_line import run
from support.plate_folder import FAST, SLOW, contents, done, table, times, write_plate

HEADER = list(WELLS)


def test_what_a_plate_leaves(plate):
    folder, out, result = plate
    rows = table(out / "wells.csv")
    assert list(rows[0]) == HEADER
    assert [row["well"] for row in rows] == ["A1", "A2", "A3", "B1", "B2", "B3"]
    record = json.loads((out / "plate.json").read_text())
    assert record["settings_hash"] == settings_hash(Settings(max_iter=60, tol=0.0))
    assert (record["rows"], record["columns"], record["channels"]) == (2, 3, [])
    assert record["pattern"] == "{well}.png" and record["spotcore"] == sc.__version__
    for row, kept in zip(rows, record["wells"], strict=True):
        well = row["well"]
        one = json.loads((out / "wells" / f"{well}.run.json").read_text())
        image = folder / f"{well}.png"
        assert row["file"] == one["file"] == kept["file"] == str(image)
        assert one["sha256"] == kept["sha256"] == hashlib.sha256(image.read_bytes()).hexdigest()
        assert one["settings_hash"] == record["well_settings_hash"]
        assert record["settings"].items() - one["settings"].items() == {
            (name, getattr(Settings, name)) for name in COMPARISON
        }
        assert row["status"] == one["status"] == kept["status"] == "counted"
        assert int(row["count"]) == one["count"] == kept["count"] > 0
        # As many as the table of cells has
        assert len(table(out / "wells" / f"{well}.cells.csv")) == one["count"]
    assert "names read as '{well}.png'" in result.stdout and "6 counted" in result.stdout


def test_a_run_like_detect(plate, tmp_path):
    """The same as one well alone, through the other command."""
    folder, out, _ = plate
    alone = run("detect", folder / "B2.png", "-o", tmp_path, *SLOW[2:-1], "--threads", 1)
    assert alone.exit_code == 0
    for end in ("cells.csv", "overlay.png"):
        one = (tmp_path / f"B2.{end}").read_bytes()
        assert one == (out / "wells" / f"B2.{end}").read_bytes()


def test_nothing_is_done_twice_but_what_has_changed(tmp_path):
    folder, out = write_plate(tmp_path / "images", 3), tmp_path / "out"
    command = ["plate", folder, "-o", out, *FAST]
    assert run(*command).exit_code == 0
    before, first = times(out), contents(out)

    (out / "wells.csv").write_text("old")
    (out / "report.html").write_text("old")
    assert run(*command, "--threads", 2, "--workers", 1, "--json").exit_code == 0
    assert times(out) == before
    assert contents(out)["wells.csv"] == first["wells.csv"] and not (out / "report.html").exists()

    def redone(*options):
        assert run(*command, *options).exit_code == 0
        now = times(out)
        changed = {name.split(".")[0] for name in now if now[name] != before[name]}
        before.update(now)
        return changed

    write_png(folder / "A2.png", plate_like(9, 72, seed=50)[0])  # another picture
    assert redone() == {"A2"}
    record = json.loads((out / "wells" / "A3.run.json").read_text())
    for text in (json.dumps(record | {"spotcore": "0.0.1"}), "{", "[]", "{}"):
        (out / "wells" / "A3.run.json").write_text(text)
        assert redone() == {"A3"}
    assert redone("--lam", 0.7) == {"A1", "A2", "A3"}
    assert redone("--lam", 0.7) == set()

    moved = folder.rename(tmp_path / "moved")
    assert run("plate", moved, "-o", out, *FAST, "--lam", 0.7).exit_code == 0
    assert {row["file"] for row in table(out / "wells.csv")} == {
        str(moved / f"{well}.png") for well in ("A1", "A2", "A3")
    }
    assert json.loads((out / "wells/A1.run.json").read_text())["file"] == str(moved / "A1.png")


def test_bad_files_never_stop_a_plate(tmp_path):
    folder, out = write_plate(tmp_path / "images", 5), tmp_path / "out"
    (folder / "A1.png").write_bytes(b"")
    (folder / "A2.png").write_bytes(b"no image at all")
    (folder / "B1.png").write_bytes((folder / "B1.png").read_bytes()[:-200])
    result = run("plate", folder, "-o", out, *FAST, "--pattern", "{well}.png", "--json")
    assert result.exit_code == 0, result.output
    printed = {row["well"]: row for row in map(json.loads, result.stdout.splitlines())}
    rows = {row["well"]: row for row in table(out / "wells.csv")}
    assert list(rows) == list(printed) == ["A1", "A2", "A3", "B1", "B2"]
    for well in ("A1", "A2", "B1"):
        assert rows[well]["status"] == printed[well]["status"] == "rejected"
        assert rows[well]["count"] == "" and printed[well]["count"] is None
        assert rows[well]["reason"].startswith("expected a grey or RGB(A)")
        assert f"{folder / well}.png: {rows[well]['reason']}" in result.stderr
        assert sorted(p.name for p in (out / "wells").glob(f"{well}.*")) == [f"{well}.run.json"]
    for well in ("A3", "B2"):
        assert rows[well]["status"] == "counted"


def test_all_bad(tmp_path):
    (tmp_path / "A1.png").write_bytes(b"no image")
    result = run("plate", tmp_path, "-o", tmp_path / "out", *FAST)
    assert result.exit_code == 1 and "no image could be analysed" in result.stderr
    assert table(tmp_path / "out" / "wells.csv")[0]["status"] == "rejected"


def test_a_locked_study(tmp_path):
    folder, out = write_plate(tmp_path / "images", 2), tmp_path / "out"
    study = tmp_path / "study.toml"
    study.write_text("max_iter = 5\nlam = 0.4\n")
    digest = lock(study)
    command = ["plate", folder, "-o", out, "--format", "6", "--settings", study, "--no-report"]
    refused = run(*command, "--lam", "0.5")
    assert refused.exit_code == 2 and not out.exists()
    assert str(study) in refused.stderr and "--lam 0.5 would change it" in refused.stderr
    assert run(*command, "--lam", "0.4", "--threads", "1", "--quiet").stdout == ""
    record, well = (
        json.loads((out / name).read_text()) for name in ("plate.json", "wells/A1.run.json")
    )
    assert record["settings_hash"] == digest
    assert record["well_settings_hash"] == well["settings_hash"]
    assert record["settings"]["lam"] == well["settings"]["lam"] == 0.4
    refused = run(*command, "--response-alpha", "0.01")
    assert refused.exit_code == 2 and "--response-alpha 0.01 would change it" in refused.stderr
    study.write_text(study.read_text().replace("0.4", "0.5"))
    refused = run(*command)
    assert refused.exit_code == 2 and "not those it was locked with" in refused.stderr


def test_wells_are_compared_anew_without_being_analysed_again(tmp_path):
    folder, out, study = tmp_path / "images", tmp_path / "out", tmp_path / "study.toml"
    write_plate(folder)
    layout = tmp_path / "layout.csv"
    layout.write_text("well,stimulus\nA1,medium\nA2,medium\nA3,medium\nB1,CEF\nB2,CEF\nB3,CEF\n")
    command = ["plate", folder, "-o", out, *FAST, "--layout", layout]

    def compared(*options):
        """Files that changed, the limits in responses.csv, and plate.json."""
        before, records = contents(out), times(out)
        assert run(*command, *options).exit_code == 0
        assert not records or times(out) == records
        now = contents(out)
        limits = [row["limit"] for row in table(out / "responses.csv")]
        changed = {name for name in now if now[name] != before.get(name)}
        return changed, limits, now["plate.json"]

    _, limits, first = compared()
    fold = ">= 4 x control and >= 55 per 1e6 cells"
    assert limits == ["p <= 0.05", "p <= 0.05", fold]
    changed, limits, record = compared("--response-alpha", "0.01")
    assert changed == {"responses.csv", "plate.json"} and limits == ["p <= 0.01"] * 2 + [fold]
    assert record["settings"] == first["settings"] | {"response_alpha": 0.01}
    assert record["settings_hash"] != first["settings_hash"]
    assert record["well_settings_hash"] == first["well_settings_hash"]
    study.write_text("response_fold = 2\nresponse_threshold = 30\n")
    changed, limits, record = compared("--settings", study, "--response-threshold", "20")
    assert limits == ["p <= 0.05", "p <= 0.05", ">= 2 x control and >= 20 per 1e6 cells"]
    assert (record["settings"]["response_fold"], record["settings"]["response_threshold"]) == (
        2,
        20,
    )
    assert compared()[2] == first


def test_pages_and_channels(tmp_path):
    pages = np.stack([plate_like(8, 72, seed=k)[0] for k in range(2)])
    tifffile.imwrite(tmp_path / "plate.tif", pages, photometric="minisblack")
    out = tmp_path / "out"
    assert run("plate", tmp_path / "plate.tif", "-o", out, *FAST).exit_code == 0
    assert [path.name for path in done(out)] == ["A1.run.json", "A2.run.json"]
    for seed, well in enumerate(("A1", "A2")):
        write_png(tmp_path / f"{well}.png", pages[seed])
        alone = run("detect", tmp_path / f"{well}.png", "-o", tmp_path / "alone", "--max-iter", 5)
        assert alone.exit_code == 0
        cells = (tmp_path / "alone" / f"{well}.cells.csv").read_bytes()
        assert cells == (out / "wells" / f"{well}.cells.csv").read_bytes()

    folder = tmp_path / "colours"
    folder.mkdir()
    for well in ("A1", "B3"):
        for seed, channel in enumerate(("red", "green")):
            write_png(folder / f"{well}_{channel}.png", plate_like(8, 72, seed, dark=False)[0])
    result = run("plate", folder, "-o", tmp_path / "both", *FAST)
    assert result.exit_code == 0 and "channels: green, red" in result.stdout
    rows = [(row["well"], row["channel"]) for row in table(tmp_path / "both" / "wells.csv")]
    assert rows == [("A1", "green"), ("A1", "red"), ("B3", "green"), ("B3", "red")]
    assert (tmp_path / "both" / "wells" / "B3.green.cells.csv").exists()
    assert json.loads((tmp_path / "both/plate.json").read_text())["channels"] == ["green", "red"]


def test_the_layout_the_report_and_exports(tmp_path):
    folder, out = write_plate(tmp_path / "images", 2), tmp_path / "out"
    with open(tmp_path / "layout.csv", "w", newline="") as file:
        csv.writer(file).writerows([["well", "stimulus"], ["B3", "CEF"], ["A1", "medium"]])
    result = run(
        "plate",
        folder,
        "-o",
        out,
        *FAST[:-1],
        "--layout",
        tmp_path / "layout.csv",
        "--export",
        "json, XLSX",
    )
    assert result.exit_code == 0, result.output
    assert (out / "report.html").exists() and (out / "replicates.csv").exists()
    assert sorted(os.listdir(out / "export")) == ["result.json", "result.xlsx"]
    layout = json.loads((out / "plate.json").read_text())["layout"]
    assert [(row["well"], row["stimulus"]) for row in layout] == [("A1", "medium"), ("B3", "CEF")]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--format", "97"], "format: expected one of 6, 12"),
        (["--pattern", "{col}.png"], "unknown field {col}"),
        (["--format", "6", "--pattern", "{well}.png"], "B4.png: expected a well from A1 to B3"),
        (["--layout", "layout.csv"], "layout.csv, line 2, well: "),
        (["--layout", "none.csv"], "none.csv"),
        (["--settings", "study.toml"], "study.toml: unknown setting 'lamda'"),
        (["--settings", "none.toml"], "none.toml"),
        (["-o", "."], "another folder than that of the images"),
        (["--workers", "0"], "workers"),
        (["--background", "medium"], "--background names a stimulus of the --layout"),
        (["--export", "xlsx,docx"], "--export: expected xlsx, json, parquet, fcs, ctl"),
        (["--method", "spotnet", "--network", "none"], "'none'"),
        (["--lam", "-1"], "lam"),
        (["--response-alpha", "1"], "--response-alpha: expected a number between 0 and 1, got 1.0"),
        (["--response-fold", "nan"], "--response-fold: expected a finite number, got nan"),
        (
            ["--colour-tolerance", "12"],
            "--colour-reach: expected more than twice --colour-tolerance",
        ),
        (["--colour-shuffles", "0"], "--colour-shuffles: expected a number above 0, got 0"),
    ],
)
def test_what_is_refused_before_any_work(tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    write_plate(tmp_path, 1)
    (tmp_path / "B4.png").write_bytes((tmp_path / "A1.png").read_bytes())
    (tmp_path / "layout.csv").write_text("well\nI1\n")
    (tmp_path / "study.toml").write_text("lamda = 1\n")
    before = sorted(os.listdir(tmp_path))
    result = run("plate", ".", "-o", "out", *options)
    assert result.exit_code == 2 and says in result.stderr
    assert sorted(os.listdir(tmp_path)) == before


def test_a_well_s_row_has_what_lies_in_it_and_its_spots_as_a_whole(tmp_path):
    """Each number is that of the well's own table of spots."""
    folder, out = write_plate(tmp_path / "images", 2), tmp_path / "out"
    rows = [["well", "sample", "stimulus", "replicate"], ["A1", "d;1", "CEF", "2"]]
    with open(tmp_path / "layout.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    layout = ("--layout", tmp_path / "layout.csv", "--pixel-size", 10)
    assert run("plate", folder, "-o", out, *FAST, *layout).exit_code == 0
    first, second = table(out / "wells.csv")
    assert [first[name] for name in rows[0]] == rows[1]
    assert second["sample"] == second["stimulus"] == second["replicate"] == ""
    spots = table(out / "wells" / "A1.cells.csv")
    area = np.array([float(spot["area"]) for spot in spots])
    secretion = np.array([float(spot["secretion"]) for spot in spots])
    assert float(first["mean_area"]) == pytest.approx(area.mean(), rel=1e-5)
    assert float(first["mean_area_mm2"]) == pytest.approx(area.mean() * 1e-4, rel=1e-5)
    assert float(first["mean_secretion"]) == pytest.approx(np.nanmean(secretion), rel=1e-5)
    assert float(first["secretion"]) == pytest.approx(np.nansum(secretion), rel=1e-4)
    found = sc.analyse(folder / "A1.png", sc.Settings(max_iter=5, pixel_size=10))
    used = found.well.membrane.sum()
    assert float(first["covered"]) == pytest.approx(area.sum() / used, rel=1e-5)
