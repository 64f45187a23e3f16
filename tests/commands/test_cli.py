"""The command line as its users meet it: files out, exit status, one bad file among good ones."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import spotcore as sc
from spotcore import analysis, commands
from spotcore._files import read_columns, write_csv, write_png
from spotcore.commands import options
from spotcore.commands.simulate import SimulationPreset
from spotcore.images.read import read_image
from spotcore.networks.parameters import Metadata, ThresholdRule
from spotcore.simulation.simulate import PRESETS
from support.command_line import lines, run
from support.network_cases import smoother

SPOTCORE = [sys.executable, "-c", "from spotcore.commands import main; main()"]


WELL_FILES = [f"well.{end}" for end in ("artefacts.csv", "cells.csv", "overlay.png", "run.json")]


def files(folder):
    return sorted(os.listdir(folder))


def test_detect_writes_table_picture_and_record(tmp_path, well):
    out = tmp_path / "new" / "out"
    result = run("detect", well, "-o", out, "--pixel-size", "6.5", "--threads", "1")
    assert result.exit_code == 0, result.output
    assert files(out) == WELL_FILES

    record = json.loads((out / "well.run.json").read_text())
    assert record["spotcore"] == sc.__version__
    assert record["sha256"] == hashlib.sha256(well.read_bytes()).hexdigest()
    assert record["settings"]["pixel_size"] == 6.5 and record["settings"]["preset"] == "auto"
    assert record["well"]["preset"] == "well" and record["well"]["polarity"] == "dark"
    assert abs(record["well"]["circle"]["y"] - 63.5) < 2
    solve = record["solve"]
    assert solve["stop_reason"] in ("tol", "max_iter") and solve["iterations"] <= solve["max_iter"]
    assert 0 <= solve["gap"] < 1
    assert solve["objective"] == pytest.approx(solve["data_term"] + solve["penalty"])
    assert set(record["seconds"]) == {
        "read",
        "prepare",
        "solve",
        "detect",
        "measure",
        "write",
    }
    assert min(record["seconds"].values()) >= 0

    shares = [f"share_{k}" for k in range(1, len(record["well"]["sigma_limits"]))]
    names = [
        "y",
        "x",
        "y_um",
        "x_um",
        "score",
        "secretion",
        "area",
        "area_mm2",
        "diameter",
        "diameter_um",
        "peak",
        "density",
        "sharpness",
        "confidence",
        "nearest",
        "nearest_um",
        *shares,
    ]
    assert (out / "well.cells.csv").read_text().split("\n")[0].split(",") == names
    table = read_columns(out / "well.cells.csv", names)
    assert len(table["y"]) == record["count"] > 0
    np.testing.assert_allclose(table["x_um"], 6.5 * table["x"], rtol=1e-6)
    # Seven digits each
    explained = table["secretion"] > 0  # a spot that the solver explains otherwise has none
    total = sum(table[share] for share in shares)
    assert explained.sum() > len(explained) / 2
    np.testing.assert_allclose(total, explained, atol=1e-5)
    assert (np.diff(table["score"]) <= 0).all()

    picture = read_image(out / "well.overlay.png", "red").pixels
    assert picture.shape[1] == 128 * 7 and picture.shape[0] > 128 * 7
    assert "well.png" in result.stdout and f"{record['count']} cells" in result.stdout

    low, high = record["interval"]
    assert (record["status"], record["reason"]) == ("counted", None)
    assert low <= record["count"] <= high and record["artefacts"] >= 0
    assert record["secretion"] == pytest.approx(table["secretion"].sum(), rel=1e-5)
    np.testing.assert_allclose(table["area_mm2"], table["area"] * 6.5e-3**2, rtol=1e-5)
    header = (out / "well.artefacts.csv").read_text().split("\n")[0]
    assert header == "y,x,reason,length,area"


def test_options_reach_the_solver(tmp_path, well):
    result = run(
        "detect",
        well,
        "-o",
        tmp_path / "out",
        "--json",
        "--preset",
        "paper",
        "--polarity",
        "bright",
        "--lam",
        "2.5",
        "--threshold",
        "7",
        "--max-iter",
        "12",
        "--tol",
        "0",
        "--channel",
        "0",
    )
    assert result.exit_code == 0, result.output
    (record,) = lines(result)
    assert record["status"] == "counted" and record["file"] == str(well)
    assert (record["well"]["preset"], record["well"]["polarity"]) == ("paper", "bright")
    assert record["well"]["lam"] == 2.5 and record["threshold"] == 7
    assert (record["solve"]["iterations"], record["solve"]["stop_reason"]) == (12, "max_iter")
    assert record["settings"]["channel"] == "0" and record["image"]["channel"] == "grey"  # has one
    assert record["image"]["pixel_size_um"] is None
    scores = read_columns(tmp_path / "out" / "well.cells.csv", ["score"])["score"]
    assert (scores >= 7).all()


def test_one_bad_file_does_not_stop_the_others(tmp_path, well):
    bad = tmp_path / "bad.tif"
    bad.write_bytes(well.read_bytes()[:300])
    missing = tmp_path / "missing.tif"
    out = tmp_path / "out"
    result = run("detect", bad, well, missing, "-o", out, "--json")
    assert result.exit_code == 1
    assert [entry["status"] for entry in lines(result)] == ["failed", "counted", "failed"]
    assert "No such file" in lines(result)[2]["error"]
    assert str(bad) in result.stderr and str(missing) in result.stderr
    assert "2 of 3 images failed" in result.stderr
    assert files(out) == WELL_FILES
    quiet = run("detect", well, "-o", out, "--quiet")
    assert quiet.exit_code == 0 and quiet.stdout == "" and quiet.stderr == ""


def test_a_failure_in_the_middle_leaves_nothing_half_written(tmp_path, well, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no ink")

    monkeypatch.setattr("spotcore.results.write.overlay_picture", broken)
    result = run("detect", well, "-o", tmp_path / "out")
    assert result.exit_code == 1 and "RuntimeError: no ink" in result.stderr
    # What is there is whole; the record, which says so, is not there.
    assert files(tmp_path / "out") == WELL_FILES[:2]


def test_outputs_must_not_overwrite_one_another(tmp_path, well):
    (tmp_path / "b").mkdir()
    other = tmp_path / "b" / "well.tif"
    other.write_bytes(well.read_bytes())
    result = run("detect", well, other, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert str(well) in result.stderr and str(other) in result.stderr
    assert not (tmp_path / "out").exists()
    assert run("detect", well, well, "-o", tmp_path / "out", "--max-iter", "1").exit_code == 0


@pytest.mark.parametrize("command", ["detect", "simulate", "demo"])
def test_an_unwritable_folder_is_named_before_any_work(tmp_path, well, command, monkeypatch):
    def never(*_, **__):
        raise AssertionError("work was done")

    for name in ("detect.analyse_file", "simulate.analyse_file", "simulate.plate_like"):
        monkeypatch.setattr(f"spotcore.commands.{name}", never)
    monkeypatch.setattr(sc, "simulate", never)
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    arguments = [command, "-o", blocked] + ([well] if command == "detect" else [])
    result = run(*arguments)
    assert result.exit_code == 1 and result.stdout == ""
    assert str(blocked) in result.stderr and "no folder to write to" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["detect"],
        ["detect", "a.png"],
        ["detect", "a.png", "-o", "out", "--polarity", "grey"],
        ["detect", "a.png", "-o", "out", "--preset", "best"],
        ["detect", "a.png", "-o", "out", "--lam", "-1"],
        ["detect", "a.png", "-o", "out", "--tol", "nan"],
        ["detect", "a.png", "-o", "out", "--pixel-size", "0"],
        ["detect", "a.png", "-o", "out", "--max-iter", "0"],
        ["detect", "a.png", "-o", "out", "--threads", "0"],
        ["simulate", "-o", "out", "--preset", "2020"],
        ["simulate", "-o", "out", "--cells", "-1"],
        ["simulate", "-o", "out", "--size", "0"],
        ["demo", "-o", "out", "--size", "10"],
        ["paint"],
    ],
)
def test_usage_errors(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments).exit_code == 2
    assert files(tmp_path) == []


def test_simulate_then_detect_then_score(tmp_path):
    made = run(
        "simulate",
        "-o",
        tmp_path,
        "--cells",
        30,
        "--size",
        96,
        "--bits",
        8,
        "--seed",
        4,
        "--count",
        2,
    )
    assert made.exit_code == 0, made.output
    names = ["isbi2019_30_seed4", "isbi2019_30_seed5"]
    assert files(tmp_path) == [f"{n}.{end}" for n in names for end in ("png", "truth.csv")]
    for seed, name in zip((4, 5), names, strict=True):
        expected = sc.simulate(30, (96, 96), "isbi2019", bits=8, seed=seed)
        picture = read_image(tmp_path / f"{name}.png")
        assert picture.full_scale == 65535
        # Rounded to 1/257 of a grey level
        np.testing.assert_allclose(picture.pixels / 257, expected.image, atol=0.51 / 257)
        truth = read_columns(tmp_path / f"{name}.truth.csv", ["y", "x", "secretion", "start_s"])
        np.testing.assert_array_equal(np.stack([truth["y"], truth["x"]], 1), expected.cells)
        np.testing.assert_allclose(truth["secretion"], expected.secretion, rtol=1e-6)

    image = tmp_path / "isbi2019_30_seed4.png"
    found = run(
        "detect", image, "-o", tmp_path / "out", "--preset", "paper", "--max-iter", 200, "--json"
    )
    assert found.exit_code == 0 and lines(found)[0]["well"]["preset"] == "paper"
    cells, truth = tmp_path / "out" / f"{names[0]}.cells.csv", tmp_path / f"{names[0]}.truth.csv"
    scored = run("score", cells, truth, "--json")
    assert scored.exit_code == 0
    (figures,) = lines(scored)
    assert figures["truth"] == 30 and figures["detections"] == lines(found)[0]["count"]
    assert figures["f1"] > 0.75
    assert f"f1 {figures['f1']:.4f}" in run("score", cells, truth).stdout
    perfect = run("score", cells, cells, "--radius", 0, "--json")
    assert lines(perfect)[0]["f1"] == 1.0


def test_simulation_presets_are_those_of_the_library():
    assert {preset.value for preset in SimulationPreset} == {*PRESETS, "well"}


def test_simulated_wells_are_pictures_of_a_reader(tmp_path):
    result = run("simulate", "-o", tmp_path, "--preset", "well", "--count", 2, "--size", 96)
    assert result.exit_code == 0, result.stderr
    for seed in (0, 1):
        well = sc.simulate_well(None, (96, 96), seed=seed)
        with Image.open(tmp_path / f"well_seed{seed}.png") as image:
            np.testing.assert_array_equal(np.asarray(image), well.image)
        truth = read_columns(tmp_path / f"well_seed{seed}.truth.csv", ("y", "x", "hidden_by"))
        np.testing.assert_allclose(
            np.stack([truth["y"], truth["x"]], axis=1), well.cells, rtol=1e-6
        )
        np.testing.assert_array_equal(truth["hidden_by"], well.hidden_by)
        assert (tmp_path / f"well_seed{seed}.artefacts.csv").exists()
    result = run("simulate", "-o", tmp_path, "--preset", "well", "--size", 20)
    assert result.exit_code == 1 and "at least 32 x 32" in result.stderr


def test_score_refuses_bad_tables(tmp_path):
    write_csv(tmp_path / "a.csv", {"y": [1.0], "x": [2.0]})
    for cells in (tmp_path / "a.csv", tmp_path / "missing.csv"):
        result = run("score", cells, tmp_path / "a.csv")
        assert result.exit_code == 1 and str(cells) in result.stderr


def test_demo(tmp_path):
    result = run("demo", "-o", tmp_path, "--cells", 40, "--size", 192, "--seed", 2)
    assert result.exit_code == 0, result.output
    ends = (
        "artefacts.csv",
        "cells.csv",
        "figure.png",
        "overlay.png",
        "png",
        "run.json",
        "truth.csv",
    )
    assert files(tmp_path) == [f"demo.{end}" for end in ends]
    f1 = float(result.stdout.split("F1")[1].split()[0])
    scored = run("score", tmp_path / "demo.cells.csv", tmp_path / "demo.truth.csv", "--json")
    assert lines(scored)[0]["f1"] == pytest.approx(f1, abs=0.0006)
    assert " s" in result.stdout


def test_info(tmp_path):
    (record,) = lines(run("info", "--json"))
    assert record["spotcore"] == sc.__version__
    assert record["isa"] in record["isa_available"] and record["threads"] >= 1
    assert record["packages"]["typer"]
    assert sc.__version__ in run("info").stdout
    assert run("--version").stdout.strip() == sc.__version__


def test_missing_packages_are_named(monkeypatch, capsys):
    monkeypatch.setattr(commands, "find_spec", lambda name: None if name == "typer" else object())
    with pytest.raises(SystemExit) as caught:
        commands.main()
    assert caught.value.code == 1
    message = capsys.readouterr().err
    assert "typer" in message and "pip install 'spotcore[cli]'" in message
    assert "tqdm" not in message and message.count("\n") == 1


def test_as_a_process(tmp_path, well):
    done = subprocess.run(
        [*SPOTCORE, "detect", str(well), "-o", str(tmp_path / "out"), "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == ""
    assert json.loads(done.stdout)["count"] > 0


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_interrupt_ends_cleanly(tmp_path):
    image = sc.simulate(50, (256, 256), seed=0).image
    write_png(tmp_path / "long.png", image.astype(np.uint8))
    out = tmp_path / "out"
    command = [*SPOTCORE, "detect", str(tmp_path / "long.png"), "-o", str(out)]
    endless = ["--max-iter", "1000000", "--tol", "0"]
    with subprocess.Popen([*command, *endless], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not out.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.0)  # into the solver
        process.send_signal(signal.SIGINT)
        try:
            _, error = process.communicate(timeout=30)
        finally:
            process.kill()  # does nothing to one that has ended
    assert process.returncode == 130
    assert "interrupted" in error and "Traceback" not in error
    assert files(out) == []


def test_detect_with_a_network(tmp_path, well, monkeypatch):
    asked = []

    def load(name):
        asked.append(name)
        return sc.SpotNet(
            smoother(
                Metadata(
                    name="smoother",
                    sigma_limits=np.array([1.0, 2.0]),
                    threshold=ThresholdRule("relative", 0.5),
                    calibration=(1.0, 0.0),
                    source="here",
                )
            )
        )

    monkeypatch.setattr(analysis, "load_network", load)
    monkeypatch.setattr(options, "load_network", load)
    out, mine = tmp_path / "out", tmp_path / "mine.safetensors"
    mine.touch()
    result = run("detect", well, "-o", out, "--method", "spotnet", "--network", mine)
    assert result.exit_code == 0, result.output
    assert asked == [str(mine)] * 2  # before the work, and for it
    assert "smoother" in result.output
    assert files(out) == WELL_FILES
    record = json.loads((out / "well.run.json").read_text())
    assert record["solve"] == {"method": "spotnet", "network": "smoother", "source": "here"}
    assert record["settings"]["method"] == "spotnet"
    assert record["count"] > 0
    found = read_columns(out / "well.cells.csv", ("y", "x", "score", "confidence"))
    assert len(found["y"]) == record["count"]
    circle = record["well"]["circle"]  # nothing is found outside the well
    away = np.hypot(found["y"] - circle["y"], found["x"] - circle["x"])
    assert away.max() < circle["radius"]


def test_a_network_that_is_not_there_is_said_before_the_work(tmp_path, well):
    result = run("detect", well, "-o", tmp_path / "out", "--method", "spotnet", "--network", "none")
    assert result.exit_code == 2
    assert "--network: expected" in result.output and "'none'" in result.output
