"""What the command line says of a well: gates, maps, status, colours and corrections."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tifffile import imwrite

import spotcore as sc
from spotcore._files import read_columns, write_png
from spotcore.results.names import output_names
from spotcore.simulation.demo import plate_like
from spotcore.wells.prepare import SIGMA_LIMITS_UM
from support.command_line import lines, run


def test_gates_move_spots_to_the_artefacts(tmp_path, well):
    (free,) = lines(run("detect", well, "-o", tmp_path / "free", "--json"))
    table = read_columns(tmp_path / "free" / "well.cells.csv", ["y", "x", "diameter"])
    limit = float(np.median(table["diameter"])) + 1e-3
    (gated,) = lines(
        run("detect", well, "-o", tmp_path / "gated", "--json", "--max-diameter", str(limit))
    )
    small = table["diameter"] <= limit
    kept = read_columns(tmp_path / "gated" / "well.cells.csv", ["y", "x"])
    np.testing.assert_array_equal(kept["y"], table["y"][small])
    rows = (tmp_path / "gated" / "well.artefacts.csv").read_text().splitlines()[1:]
    assert sum(row.split(",")[2] == "gate" for row in rows) == (~small).sum() > 0
    assert gated["count"] == small.sum()
    assert gated["artefacts"] == free["artefacts"] + (~small).sum()
    assert gated["settings"]["max_diameter"] == limit


def test_maps_are_saved_where_they_are_asked_for(tmp_path, well):
    result = run("detect", well, "-o", tmp_path / "out", "--save-maps", "--quiet")
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "out" / "well.maps.npz") as maps:
        assert set(maps) == {"signal", "score", "fit"}
        assert all(maps[name].shape == (128, 128) for name in maps)
        assert all(maps[name].dtype == np.float32 for name in maps)
        strong = maps["signal"] > maps["signal"].max() / 2
        # What the solver explains of strong spots is most of them.
        assert np.median(maps["fit"][strong] / maps["signal"][strong]) > 0.6


def test_a_well_without_a_count_says_why(tmp_path):
    image, _ = plate_like(1500, 256, seed=1)
    write_png(tmp_path / "full.png", image)
    out = tmp_path / "out"
    result = run("detect", tmp_path / "full.png", "-o", out, "--membrane", "215")
    assert result.exit_code == 0 and "too_numerous: confluent" in result.stdout
    record = json.loads((out / "full.run.json").read_text())
    assert record["status"] == "too_numerous" and "confluent" in record["reason"]
    assert record["count"] is record["interval"] is record["secretion"] is None
    assert record["well"]["confluence"] > 20


def test_colour_flat_field_and_tone_curve_are_on_record(tmp_path):
    image, cells = plate_like(20, 160, seed=5)
    white = image / 255.0
    # A dye that takes blue: its density is the picture's, in the blue channel twice as strong.
    stained = np.stack([white**0.1, white**0.9, white**2.0], axis=2)
    y, x = np.ogrid[:160, :160]
    lamp = 1 - 0.3 * (np.hypot(y - 20, x - 150) / 200)
    imwrite(
        tmp_path / "a.tif",
        np.rint(65535 * stained * lamp[..., None]).astype(np.uint16),
        photometric="rgb",
    )
    write_png(tmp_path / "flat.png", np.rint(60000 * lamp).astype(np.uint16))
    result = run(
        "detect",
        tmp_path / "a.tif",
        "-o",
        tmp_path / "out",
        "--json",
        "--flat-field",
        tmp_path / "flat.png",
        "--stain",
        "0.1,0.9,2",
        "--gamma",
        "1",
        "--pixel-size",
        "20",
    )
    assert result.exit_code == 0, result.output
    (record,) = lines(result)
    colour = record["image"]["colour"]
    assert colour["source"] == "given" and colour["vector"] == pytest.approx([0.1, 0.9, 2.0])
    assert record["settings"]["stain"] == [0.1, 0.9, 2.0] and record["settings"]["gamma"] == 1.0
    # The bins are the same in micrometres on every picture.
    assert record["well"]["sigma_limits"][0] == pytest.approx(SIGMA_LIMITS_UM[0] / 20)
    found = read_columns(tmp_path / "out" / "a.cells.csv", ("y", "x"))
    assert sc.match(np.stack([found["y"], found["x"]], 1), cells).precision > 0.8


@pytest.mark.parametrize(
    "options, code, words",
    [
        (["--dark-frame", "small.png"], 2, "--dark-frame: expected --flat-field beside it"),
        (["--flat-field", "missing.png"], 2, "--flat-field: expected a file, got "),
        (["--flat-field", "small.png"], 1, "flat_field: expected 128 x 128 pixels"),
        (["--stain", "indigo"], 2, "--stain: expected 'auto' or 'luminance' or 'aec' or a list"),
        (["--min-diameter", "9", "--max-diameter", "8"], 2, "--min-diameter: expected at most"),
        (["--min-density", "2", "--max-density", "1"], 2, "at most --max-density, 1, got 2"),
    ],
)
def test_corrections_that_do_not_fit(tmp_path, well, options, code, words):
    write_png(tmp_path / "small.png", np.full((8, 8), 100, np.uint8))
    options = [str(tmp_path / o) if o.endswith(".png") else o for o in options]
    result = run("detect", well, "-o", tmp_path / "out", *options)
    assert result.exit_code == code and words in result.stderr


def test_a_tone_curve_that_is_none_is_refused_before_the_work(tmp_path, well):
    result = run("detect", well, "-o", tmp_path / "out", "--gamma", "-2")
    assert result.exit_code == 2
    assert "--gamma: expected a number above 0, got -2" in result.stderr


def test_a_file_of_settings_stands_behind_the_options(tmp_path, well):
    study = tmp_path / "study.toml"
    study.write_text("max_iter = 7\ntol = 0.0\nlam = 0.5\nsave_maps = true\nmin_density = 1\n")
    given = ["--lam", "2", "--settings", study, "--sigma-limits", "1,2,4", "--focus-limit", "50"]
    result = run("detect", well, "-o", tmp_path / "out", "--json", *given)
    assert result.exit_code == 0, result.output
    (record,) = lines(result)
    assert record["well"]["lam"] == 2.0 and record["solve"]["iterations"] == 7
    assert record["well"]["sigma_limits"] == [1.0, 2.0, 4.0]
    assert record["settings"]["min_density"] == 1.0 and record["settings"]["focus_limit"] == 50.0
    assert (tmp_path / "out" / "well.maps.npz").exists()

    run("detect", well, "-o", tmp_path / "less", "--settings", study, "--no-save-maps")
    assert (tmp_path / "less" / "well.run.json").exists()
    assert not (tmp_path / "less" / "well.maps.npz").exists()

    missing = run("detect", well, "-o", tmp_path / "b", "--settings", tmp_path / "none.toml")
    assert missing.exit_code == 2 and "none.toml" in missing.stderr
    assert not (tmp_path / "b").exists()


def test_a_plate_takes_its_threads_from_the_file_too(tmp_path, well):
    images = tmp_path / "images"
    images.mkdir()
    well.rename(images / "A1.png")
    study = tmp_path / "study.toml"
    study.write_text("max_iter = 2\nthreads = 2\n")

    def threads(*given):
        command = ["plate", images, "-o", tmp_path / "out", "--no-report", "--settings", study]
        assert run(*command, *given).exit_code == 0
        return json.loads((tmp_path / "out" / "plate.json").read_text())["settings"]["threads"]

    assert threads() == 2 and threads("--threads", "3") == 3
    study.write_text("max_iter = 2\n")
    assert threads() == 1


def test_names_of_outputs(tmp_path):
    a, b = tmp_path / "a" / "w.tif", tmp_path / "b" / "w.tif"
    assert output_names([a, a, tmp_path / "v.png"]) == {a: "w", tmp_path / "v.png": "v"}
    for other in (b, tmp_path / "a" / "w.png", tmp_path / "W.tif"):
        with pytest.raises(ValueError, match=r"both write") as caught:
            output_names([a, other])
        assert str(a) in str(caught.value) and str(other) in str(caught.value)
    with pytest.raises(ValueError, match=r"w\.edited\.tif: its results would look like edits"):
        output_names([tmp_path / "w.edited.tif"])
