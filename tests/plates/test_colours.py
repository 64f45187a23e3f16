from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from typer.testing import CliRunner

from spotcore._files import write_csv, write_json, write_png
from spotcore.commands.app import app
from spotcore.plates.coincidence import (
    _KAPPA,
    Coincidences,
    Combination,
    coincidences,
    join,
)
from spotcore.plates.compare import write_colours
from spotcore.settings import Settings
from spotcore.simulation.demo import plate_like
from support.plate_folder import times
from support.point_sets import disc
from support.result_folder import write_result

WELL = (256.0, 256.0, 240.0)
Points = NDArray[np.float64]


def by_name(found: Coincidences) -> dict[str, Combination]:
    return {c.name: c for c in found.combinations}


def test_by_hand() -> None:
    red = [[10, 10], [30, 30], [50, 50], [90, 90]]
    green = [[10, 12], [31, 30], [70, 70]]
    blue = [[11, 11], [33, 30], [50, 52.5]]
    found = coincidences({"red": red, "green": green, "blue": blue}, (64, 64, 60), shuffles=19)
    counts = {c.name: c.count for c in found.combinations}
    # (33, 30) is 2 from green but 3 from red: within 3 of both. (50, 52.5) is 2.5 from red.
    assert counts == {
        "red": 1,
        "green": 1,
        "blue": 0,
        "red+green": 0,
        "red+blue": 1,
        "green+blue": 0,
        "red+green+blue": 2,
    }
    assert found.spots[:2].tolist() == [[0, 0, 0], [1, 1, 1]]
    assert found.yx[1] == pytest.approx([94 / 3, 30])
    closer = coincidences({"red": red, "green": green, "blue": blue}, (64, 64, 60), 2.9, shuffles=9)
    assert by_name(closer)["red+green"].count == 1  # complete linkage: blue is 3 from red
    assert by_name(closer)["blue"].count == 1


def test_the_closest_pair_stays_together() -> None:
    red, green = np.array([[0, 0.0], [0, 3.0]]), np.array([[0, 0.1], [0, -2.9]])
    assert join([red, green], 3.0).tolist() == [[0, 0], [1, -1], [-1, 1]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 4), st.integers(0, 25))
def test_cells_are_complete_disjoint_and_maximal(seed: int, n_channels: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    yx = [rng.uniform(0, 20, (rng.integers(n + 1), 2)) for _ in range(n_channels)]
    cells = join(yx, 3.0)
    for c, positions in enumerate(yx):  # every spot in one cell
        assert sorted(cells[cells[:, c] >= 0, c]) == list(range(len(positions)))

    def spots(cell: NDArray[np.int64]) -> list[Points]:
        return [yx[c][i] for c, i in enumerate(cell) if i >= 0]

    for cell in cells:
        for p, q in itertools.combinations(spots(cell), 2):
            assert np.hypot(*(p - q)) <= 3.0 + 1e-9
    for one, other in itertools.combinations(cells, 2):  # no two could be one
        if not ((one >= 0) & (other >= 0)).any():
            pairs = itertools.product(spots(one), spots(other))
            assert max(np.hypot(*(p - q)) for p, q in pairs) > 3.0
    order = rng.permutation(n_channels)  # the order of the channels does not matter
    again = join([yx[c] for c in order], 3.0)[:, np.argsort(order)]
    assert sorted(map(tuple, again)) == sorted(map(tuple, cells))


def test_pairs_are_those_of_the_optimal_assignment_where_spots_are_apart() -> None:
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(*2 * [np.arange(20, 480, 12.0)]), axis=-1).reshape(-1, 2)
    red = rng.permutation(grid)[:400]
    green = rng.permutation(red)[:250] + rng.normal(0, 1.2, (250, 2))
    pairs = join([red, green], 3.0)
    pairs = pairs[(pairs >= 0).all(axis=1)]
    distance = np.hypot(*(red[:, None] - green[None]).T).T
    cost = np.where(distance <= 3.0, distance - 1e3, 0.0)
    rows, columns = linear_sum_assignment(cost)
    best = {(i, j) for i, j in zip(rows, columns, strict=True) if distance[i, j] <= 3.0}
    assert set(map(tuple, pairs.tolist())) == best and len(best) > 200


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_independent_channels_are_not_significant(power: float) -> None:
    significant, counts, expected = [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        points = {"red": disc(rng, 250, power=power), "green": disc(rng, 200, power=power)}
        both = by_name(coincidences(points, WELL, shuffles=39, seed=seed))["red+green"]
        assert both.low <= both.expected_shuffled <= both.high
        significant.append(both.p <= 0.05)
        counts.append(both.count)
        expected.append(both.expected_shuffled)
    # p is uniform: 2 of 40 are expected, more than 7 have a probability below 1e-3.
    assert sum(significant) <= 7
    assert np.mean(counts) == pytest.approx(np.mean(expected), rel=0.1)
    density = both.expected_density  # 250 · 200 · 3² / 240²: the edge is not in it
    assert density == pytest.approx(250 * 200 * 9 / 240**2)
    if power == 0.5:
        assert np.mean(expected) == pytest.approx(density, rel=0.1)
    else:  # a crowded centre, which only the shuffles know
        assert np.mean(expected) > 1.5 * density


def test_densities_of_three_and_four_channels() -> None:
    runs, n, radius, tolerance = 60, 150, 100.0, 2.0
    sums: dict[str, list[float]] = {}
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        points = {c: disc(rng, n, radius) for c in "abcd"}
        found = coincidences(points, (256, 256, radius), tolerance, shuffles=1)
        for c in found.combinations:
            sums.setdefault(c.name, []).append(c.count)
    for c in found.combinations:
        mean, error = np.mean(sums[c.name]), np.sqrt(max(c.expected_density, 0.1) / runs)
        # n π tolerance² / A is 0.06 here, the formula of first order in it; and the edge.
        assert mean == pytest.approx(c.expected_density, rel=0.1, abs=4 * error)


def test_probability_that_four_are_all_close() -> None:
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, (3, 100_000)), np.sqrt(rng.random((3, 100_000)))
    z = radius * np.exp(1j * angle)
    for k, points in ((3, z[:2]), (4, z)):
        close = [abs(a - b) <= 1 for a, b in itertools.combinations(points, 2)]
        assert np.all(close, axis=0).mean() == pytest.approx(_KAPPA[k], abs=4 * 0.5 / 1e5**0.5)


def test_common_cells_are_found_and_significant() -> None:
    rng = np.random.default_rng(2)
    red = disc(rng, 200)
    common = red[:40] + rng.normal(0, 0.7, (40, 2))
    both = by_name(coincidences({"red": red, "green": [*common, *disc(rng, 160)]}, WELL))[
        "red+green"
    ]
    assert both.p == 1 / 200
    assert both.count - both.expected_shuffled == pytest.approx(40, abs=8)
    assert both.high < both.count


def test_doubles_and_an_accidental_third_are_no_triples() -> None:
    verdicts = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        red = disc(rng, 250)
        points = {"red": red, "green": red + rng.normal(0, 0.5, red.shape), "blue": disc(rng, 300)}
        found = by_name(coincidences(points, WELL, shuffles=19, seed=seed))
        assert found["red+green"].p <= 0.05
        verdicts.append(found["red+green+blue"].p <= 0.05)
    assert sum(verdicts) <= 3  # more than 3 of 12 have a probability below 0.003


def test_masks_empty_channels_and_seeds() -> None:
    rng = np.random.default_rng(0)
    points = {"red": disc(rng, 80), "green": disc(rng, 90)}
    mask = np.hypot(*(np.indices((512, 512)) - 256)) < 240
    one, two = coincidences(points, mask), coincidences(points, mask)
    assert one.combinations == two.combinations
    circle = by_name(coincidences(points, WELL))["red+green"]
    assert by_name(one)["red+green"].expected_density == pytest.approx(
        circle.expected_density, rel=0.01
    )
    nothing = by_name(coincidences({"red": points["red"], "green": []}, WELL))
    assert (nothing["red"].count, nothing["red+green"].count) == (80, 0)
    assert (nothing["red+green"].p, nothing["red+green"].expected_density) == (1.0, 0.0)


def test_bad_input_is_named() -> None:
    points = {"red": [[1.0, 2.0]], "green": [[1.0, 2.0]]}
    with pytest.raises(ValueError, match="points: expected 2 to 4 channels, got 1"):
        coincidences({"red": [[1.0, 2.0]]}, WELL)
    with pytest.raises(ValueError, match=r"points\['green'\]"):
        coincidences({"red": [[1.0, 2.0]], "green": [[1.0]]}, WELL)
    with pytest.raises(ValueError, match="area: expected a circle"):
        coincidences(points, [1.0, 2.0])
    with pytest.raises(ValueError, match="area: the mask holds no pixel"):
        coincidences(points, np.zeros((3, 3), dtype=bool))
    with pytest.raises(ValueError, match="tolerance: expected a finite number > 0"):
        coincidences(points, WELL, 0.0)


def colour_plate(folder: Path) -> Path:
    """A result with two channels whose second is shifted by (6, -4) px and has 20 common cells."""
    write_result(folder, 2, 3, size=32, channels=("red", "green"), statuses={"B2": "rejected"})
    rng = np.random.default_rng(7)
    for path in sorted((folder / "wells").glob("*.red.run.json")):
        well = path.name.split(".")[0]
        if well == "B2":
            continue
        record = json.loads(path.read_text())
        record["well"]["circle"] = {"y": 256.0, "x": 256.0, "radius": 220.0, "rim": 4.0}
        write_json(path, record)
        red = disc(rng, 60, 200)
        green = np.array([*(red[:20] + rng.normal(0, 0.4, (20, 2))), *disc(rng, 40, 200)])
        green += (6.0, -4.0)
        for channel, yx in (("red", red), ("green", green)):
            table = {"y": yx[:, 0], "x": yx[:, 1], "secretion": np.arange(len(yx)) + 0.5}
            write_csv(folder / "wells" / f"{well}.{channel}.cells.csv", table)
    return folder


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_plate_s_folder(tmp_path: Path) -> None:
    folder = colour_plate(tmp_path / "out")
    assert write_colours(folder, Settings(colour_shuffles=39)) == folder / "colours.csv"
    rows = read(folder / "colours.csv")
    assert list(rows[0]) == [
        "well",
        "combination",
        "count",
        "expected_density",
        "expected_shuffled",
        "low",
        "high",
        "p",
        "note",
    ]
    both = {row["well"]: row for row in rows if row["combination"] == "red+green"}
    assert (both["B2"]["count"], both["B2"]["note"]) == ("", "red: rejected, green: rejected")
    for well in ("A1", "A2", "A3", "B1", "B3"):
        assert 20 <= int(both[well]["count"]) <= 25 and float(both[well]["p"]) <= 0.05
        cells = read(folder / "wells" / f"{well}.colours.csv")
        double = [cell for cell in cells if cell["channels"] == "red+green"]
        assert len(double) == int(both[well]["count"])
        same = [cell for cell in double if cell["row_red"] == cell["row_green"]]
        assert len(same) >= 19  # the common cells have the same row in both tables
        assert all(c["secretion_red"] == f"{int(c['row_red']) + 0.5:g}" for c in double)
        assert len(cells) == 120 - len(double)
    assert not (folder / "wells" / "B2.colours.csv").exists()
    for row in read(folder / "registration.csv"):
        assert (row["channel"], row["from"]) == ("green", "well")
        shift = float(row["shift_y"]), float(row["shift_x"])
        assert shift == pytest.approx((-6.0, 4.0), abs=0.4)


def test_settings_of_a_plate(tmp_path: Path) -> None:
    """A file of settings and options reach the tables."""
    folder, out = tmp_path / "images", tmp_path / "out"
    folder.mkdir()
    red = plate_like(30, 128, 0, dark=False)[0]
    for channel, pixels in (("green", red), ("red", np.roll(red, 4, axis=1))):
        write_png(folder / f"A1_{channel}.png", pixels)
    command = [
        "plate",
        str(folder),
        "-o",
        str(out),
        "--no-report",
        "--max-iter",
        "20",
        "--pattern",
        "{well}_{channel}.png",
    ]

    def tables(*options: str) -> tuple[str, dict[str, dict[str, str]]]:
        result = CliRunner().invoke(app, [*command, *options])
        assert result.exit_code == 0, result.output
        (shift,) = read(out / "registration.csv")
        return shift["shift_x"], {row["combination"]: row for row in read(out / "colours.csv")}

    shift, rows = tables()
    assert float(shift) == pytest.approx(-4, abs=0.5) and float(rows["green+red"]["p"]) == 1 / 200
    records = times(out)
    study = tmp_path / "study.toml"
    study.write_text("colour_shuffles = 19\ncolour_tolerance = 1.2\n")
    shift, rows = tables("--settings", str(study), "--colour-reach", "3")
    assert float(shift) == 0  # out of reach
    assert int(rows["green+red"]["count"]) < int(rows["green"]["count"])
    assert float(rows["green+red"]["p"]) >= 1 / 20
    assert times(out) == records


def test_one_channel_has_no_colours(tmp_path: Path) -> None:
    write_result(tmp_path / "out", 1, 2, size=48)
    assert write_colours(tmp_path / "out") is None
    assert not (tmp_path / "out" / "colours.csv").exists()


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "plate.json").write_text("{")
    with pytest.raises(ValueError, match=r"plate\.json: expected JSON"):
        write_colours(tmp_path)
    (tmp_path / "plate.json").write_text('{"channels": ["a", "b"]}')
    with pytest.raises(ValueError, match=r"plate\.json: no record of a plate"):
        write_colours(tmp_path)
