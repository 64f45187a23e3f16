"""Studies are locked on the hash of their settings, plates resumed by it: it never changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spotcore.commands.app import app
from spotcore.settings import Settings, choose, read_settings, settings_hash, well_settings_hash

#: A locked study that spotcore 0.1.0 wrote, and a file that it names.
STUDY = Path(__file__).parents[1] / "data" / "0.1.0" / "settings" / "study.toml"

#: Settings, and what `settings_hash` and `well_settings_hash` of spotcore 0.1.0 made of them.
DIGESTS = [
    (
        dict(),
        "0c92e0ffc3a1054564d76867d77e1d326842eeb404e2debc781eca34f3315c50",
        "f9eec25f73f317dab82ab8574f4375e539602c88e6e01ead31d5b12c01bfa5ef",
    ),
    (
        dict(threads=3),
        "0c92e0ffc3a1054564d76867d77e1d326842eeb404e2debc781eca34f3315c50",
        "f9eec25f73f317dab82ab8574f4375e539602c88e6e01ead31d5b12c01bfa5ef",
    ),
    (
        dict(
            preset="well",
            polarity="dark",
            channel="1",
            pixel_size=6.5,
            lam=2,
            threshold=0.5,
            max_iter=12,
            tol=0.0,
        ),
        "beba8686eb2f43d9f51b57cd17d38e28bfdfafedc95283556c4cc04d4951bceb",
        "306ed06530f816f79989b86f6e171f83fa8eb6f347423766ac33c49a28967907",
    ),
    (
        dict(
            method="spotnet",
            network="mine",
            gamma=2.2,
            stain=(0.1, 0.9, 2.0),
            sigma_limits=(1.0, 2.0, 4.0),
            save_maps=True,
        ),
        "23e475c4b0cbf27a2856da8dfade466e416cf7181f80d78c62e64343605d04a4",
        "ad5898628e6d4fe15027df0859d202dc9d0f88602d203f0618114d6aeeadb238",
    ),
    (
        dict(
            membrane=200.0,
            focus_limit=4.5,
            min_diameter=30.0,
            max_diameter=300.0,
            min_density=1.0,
            max_density=10000.0,
        ),
        "d5004674354cbed411ecec39b0cc6cea316951701930bf04e8d2165903746a7f",
        "c857ef7372f443f268ee557d5dd8e01c0eba60b9cc1a43a7490192612933b9ca",
    ),
    (
        dict(flat_field="lamp.png", dark_frame="none.png"),
        "584d9ff71eb584cd75d8539baa152a3a6f29f2cf92515f7f8d77f104f5365f6b",
        "c9ab7e9729faa185c60c762b799e76b5b1aed1fd56dc1c32e831602bd1925bec",
    ),
    (
        dict(
            response_alpha=0.01,
            response_fold=3.0,
            response_threshold=50.0,
            colour_tolerance=2.0,
            colour_reach=30.0,
            colour_shuffles=99,
        ),
        "8dcbd0a9e5eae0d6c1290ac240151f0c4a3dd4cf02a31f850a7ebcd077081b68",
        "f9eec25f73f317dab82ab8574f4375e539602c88e6e01ead31d5b12c01bfa5ef",
    ),
]


@pytest.mark.parametrize(("chosen", "of_all", "of_a_well"), DIGESTS)
def test_the_hash_is_that_of_0_1_0(chosen, of_all, of_a_well, monkeypatch):
    monkeypatch.chdir(STUDY.parent)  # where the files lie that they name
    settings = Settings(**chosen)
    assert settings_hash(settings) == of_all
    assert well_settings_hash(settings) == of_a_well


def test_a_study_of_0_1_0_is_still_locked():
    settings, locked = read_settings(STUDY)
    assert locked
    assert settings == Settings(
        polarity="dark",
        pixel_size=12.8,
        lam=0.25,
        max_iter=60,
        threads=2,
        stain=(0.1, 0.9, 2.0),
        sigma_limits=(15.0, 30.0, 60.0, 120.0),
        flat_field=str(STUDY.parent / "lamp.png"),
        min_diameter=30.0,
        max_density=5e4,
        save_maps=True,
        response_alpha=0.01,
        colour_tolerance=2.5,
    )
    assert settings_hash(settings) == (
        "5f50d46e6c7de396eb229cf6195f1e4cf77aa045b337f44e5a7fa4e698f5f94e"
    )
    assert well_settings_hash(settings) == (
        "88959e71ae6b195f787b7671d25a78383fa18dd1d9efc1e92ec454a4d0c909fd"
    )
    assert choose(STUDY, {"lam": "0.25", "threads": "4"}).threads == 4


@pytest.mark.parametrize("command", ["detect", "plate"])
def test_the_lock_holds_on_the_command_line(command, tmp_path):
    arguments = [command, str(tmp_path), "-o", str(tmp_path / "out"), "--settings", str(STUDY)]
    result = CliRunner().invoke(app, [*arguments, "--lam", "1"])
    assert result.exit_code == 2 and not (tmp_path / "out").exists()
    assert f"{STUDY} is locked with lam = 0.25: --lam 1.0 would change it" in result.stderr


def test_the_lock_is_of_what_a_named_file_holds(tmp_path):
    for name in ("study.toml", "lamp.png"):
        shutil.copy(STUDY.with_name(name), tmp_path)
    assert read_settings(tmp_path / "study.toml").locked
    (tmp_path / "lamp.png").write_bytes(b"another lamp")
    with pytest.raises(ValueError, match="not those it was locked with"):
        read_settings(tmp_path / "study.toml")


def test_a_file_of_any_name_stands_for_what_it_holds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hashes = []
    for held in (b"one lamp", b"another"):
        Path("lamp").write_bytes(held)
        hashes.append(settings_hash(Settings(flat_field="lamp")))
    assert hashes[0] != hashes[1]
