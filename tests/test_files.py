"""Files written whole or not at all, and tables read with suspicion."""

from __future__ import annotations

import json
import os

import imagecodecs
import numpy as np
import pytest

from spotcore._files import (
    OutputError,
    atomic_file,
    read_columns,
    remove_files,
    require_folder,
    write_csv,
    write_json,
    write_png,
)


def test_atomic_file_keeps_the_old_file_on_failure(tmp_path):
    path = tmp_path / "out.txt"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as file:
        file.write(b"half of the n")
        file.flush()
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["out.txt"]
    with atomic_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["out.txt"]


def test_atomic_file_has_ordinary_permissions(tmp_path):
    with atomic_file(tmp_path / "a"):
        pass
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_csv(path, {"a": [1, 2], "b": [1]}),
        lambda path: write_json(path, {"a": float("nan")}),
        lambda path: write_json(path, {"a": object()}),
        lambda path: write_png(path, np.zeros((0, 0), np.uint8)),
        lambda path: write_png(path, np.zeros((4, 4))),
    ],
)
def test_failed_writers_leave_nothing(tmp_path, write):
    with pytest.raises((ValueError, TypeError, SystemError)):
        write(tmp_path / "out")
    assert os.listdir(tmp_path) == []


def test_unwritable_places_are_named(tmp_path):
    # A file in place of a folder fails for root too, unlike permissions.
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    for folder in (blocked, blocked / "below"):
        with pytest.raises(OutputError, match="no folder to write to") as caught:
            require_folder(folder)
        assert str(folder) in str(caught.value)
    with pytest.raises(OutputError, match="cannot be written"), atomic_file(blocked / "a"):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="cannot be replaced"), atomic_file(tmp_path / "folder"):
        pass
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_require_folder_makes_parents_and_leaves_no_probe(tmp_path):
    folder = require_folder(tmp_path / "a" / "b")
    assert folder.is_dir() and os.listdir(folder) == []
    assert require_folder(folder) == folder


def test_csv_round_trip(tmp_path):
    path = tmp_path / "t.csv"
    values = np.random.default_rng(0).normal(size=20) * 10.0 ** np.arange(-10, 10)
    write_csv(path, {"y": values, "name": ['a,"b'] * 20, "n": np.arange(20)})
    assert path.read_text().startswith("y,name,n\n")
    back = read_columns(path, ["n", "y"])
    np.testing.assert_array_equal(back["n"], np.arange(20))
    np.testing.assert_allclose(back["y"], values, rtol=5e-7)  # 7 significant digits
    write_csv(path, {"y": [], "x": []})
    assert read_columns(path, ["y", "x"])["x"].shape == (0,)


@pytest.mark.parametrize(
    "text, words",
    [
        ("\ud8ff", ["CSV table"]),
        ("y,x\n1,\udcff\n", ["CSV table"]),
        ("y,x\n" + "1" * 200_000, ["CSV table"]),
        ("a,b\n1,2\n", ["y, x", "'a'"]),
        ("y,x\n1,two\n", ["line 2", "'two'"]),
        ("y,x\n1,2\n3\n", ["line 3", "None"]),
        ("y,x\n1,nan\n", ["line 2", "'nan'"]),
        ("", ["y, x"]),
    ],
)
def test_bad_tables_are_named(tmp_path, text, words):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError) as caught:
        read_columns(path, ["y", "x"])
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_json_and_png(tmp_path):
    write_json(tmp_path / "a.json", {"µ": [1, None, "ä"]})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"µ": [1, None, "ä"]}
    rng = np.random.default_rng(5)
    for dtype, shape in ((np.uint8, (5, 6)), (np.uint16, (5, 6)), (np.uint8, (5, 6, 3))):
        array = rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
        write_png(tmp_path / "a.png", array)
        np.testing.assert_array_equal(
            imagecodecs.png_decode((tmp_path / "a.png").read_bytes()), array
        )


def test_what_is_there_is_removed_and_what_cannot_be_is_named(tmp_path):
    there, folder = tmp_path / "there.csv", tmp_path / "folder.csv"
    there.write_text("")
    folder.mkdir()
    remove_files([tmp_path / "absent.csv", there])
    assert not there.exists()
    with pytest.raises(OutputError, match=r"folder\.csv: cannot be removed"):
        remove_files([folder])
