"""Settings in files: read strictly, hashed whatever they look like, locked."""

from __future__ import annotations

import hashlib
import json
import math
import random
import tomllib
from dataclasses import asdict, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotcore.settings import (
    COMPARISON,
    Settings,
    choose,
    lock,
    read_settings,
    settings_hash,
    template,
    well_settings,
    well_settings_hash,
)
from spotcore.settings.table import TABLE
from support.command_line import run


def write(folder, text):
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_template_is_the_defaults_and_explains_each(tmp_path):
    path = write(tmp_path, template())
    assert read_settings(path) == (Settings(), False)
    for field in fields(Settings):
        (line,) = [
            k
            for k, text in enumerate(template().splitlines())
            if text.removeprefix("# ").startswith(f"{field.name} = ")
        ]
        assert template().splitlines()[line - 1].startswith("# "), field.name


def test_what_a_file_says(tmp_path):
    path = write(tmp_path, 'preset = "well"\nlam = 1\nmax_iter = 50\nchannel = "red"\n')
    expected = Settings(preset="well", lam=1.0, max_iter=50, channel="red")
    assert read_settings(path) == (expected, False)
    assert isinstance(read_settings(path).settings.lam, float)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lamda = 0.1", "unknown setting 'lamda'"),
        ("[well]\nlam = 1", "unknown setting 'well'"),
        ('lam = "0.1"', "lam: expected a finite number, got '0.1'"),
        ("lam = true", "lam: expected a finite number, got True"),
        ("lam = nan", "lam: expected a finite number, got nan"),
        ("lam = inf", "lam: expected a finite number, got inf"),
        ("max_iter = 50.0", "max_iter: expected an integer, got 50.0"),
        ("max_iter = true", "max_iter: expected an integer, got True"),
        ("channel = 1", "channel: expected a text, got 1"),
        ('preset = "best"', "preset: expected 'auto' or 'paper' or 'well', got 'best'"),
        ("lam = -0.1", "lam: expected a number, at least 0, got -0.1"),
        ("max_iter = 0", "max_iter: expected a number above 0, got 0"),
        ("pixel_size = 0", "pixel_size: expected a number from 0.5 to 50, got 0"),
        ("response_alpha = 0", "response_alpha: expected a number between 0 and 1, got 0.0"),
        ("response_alpha = 1.0", "response_alpha: expected a number between 0 and 1, got 1.0"),
        ('response_alpha = "5 %"', "response_alpha: expected a finite number, got '5 %'"),
        ("response_fold = -1", "response_fold: expected a number, at least 0, got -1"),
        ("response_threshold = -1", "response_threshold: expected a number, at least 0, got -1"),
        ("colour_tolerance = 0", "colour_tolerance: expected a number above 0, got 0"),
        ("colour_reach = -20", "colour_reach: expected a number above 0, got -20"),
        (
            "colour_reach = 6",
            "colour_reach: expected more than twice colour_tolerance, 3.0, got 6.0",
        ),
        ("colour_tolerance = 10", "colour_reach: expected more than twice colour_tolerance, 10.0"),
        ("colour_shuffles = 0", "colour_shuffles: expected a number above 0, got 0"),
        ("colour_shuffles = 99.0", "colour_shuffles: expected an integer, got 99.0"),
        ("lam 0.1", "expected a TOML file"),
        ("lam = 1\nlam = 1", "expected a TOML file"),
        ("locked = 5", "not those it was locked with"),
    ],
)
def test_files_that_are_refused(tmp_path, text, says):
    path = write(tmp_path, text)
    with pytest.raises(ValueError) as caught:
        read_settings(path)
    assert str(path) in str(caught.value) and says in str(caught.value)


values = {
    "preset": st.sampled_from(["auto", "paper", "well"]),
    "polarity": st.sampled_from(["auto", "dark", "bright"]),
    "channel": st.one_of(st.none(), st.text('redgn1 é"\\#', min_size=1)),
    "lam": st.one_of(st.none(), st.floats(0, 1e6), st.integers(0, 5)),
    "max_iter": st.one_of(st.none(), st.integers(1, 10**6)),
}


@given(st.fixed_dictionaries(values), st.randoms(use_true_random=False))
def test_the_hash_is_of_what_is_set_not_of_how_it_is_written(tmp_path_factory, chosen, rng):
    settings = Settings(**chosen)
    lines = [
        f"{name} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in chosen.items()
        if value is not None and (value != getattr(Settings(), name) or rng.random() < 0.5)
    ]
    rng.shuffle(lines)
    path = write(tmp_path_factory.mktemp("toml"), "# a comment\n\n" + "\n".join(lines))
    assert read_settings(path).settings == settings
    assert settings_hash(read_settings(path).settings) == settings_hash(settings)


@pytest.mark.parametrize(
    "change",
    [
        {"preset": "well"},
        {"lam": 0.0},
        {"lam": math.nextafter(0.1, 1)},
        {"max_iter": 7},
        {"network": "other"},
        {"channel": ""},
        {"response_alpha": 0.01},
        {"response_fold": 3.0},
        {"response_threshold": 50.0},
        {"colour_tolerance": 2.0},
        {"colour_reach": 30.0},
        {"colour_shuffles": 99},
    ],
)
def test_the_hash_sees_every_change(change):
    hashes = {
        settings_hash(Settings()),
        settings_hash(Settings(lam=0.1)),
        settings_hash(replace(Settings(), **change)),
    }
    assert len(hashes) == 3
    # How many threads do the work changes nothing that is found
    assert settings_hash(Settings(threads=3)) == settings_hash(Settings())


#: At their defaults: how the work is done, and what came after 0.1.0.
UNHASHED = {"threads", "projection", "full_scale", "spot_diameter", "contrast"}


def test_what_came_later_is_hashed_where_it_is_chosen():
    for name, value in {"projection": "max", "full_scale": 4095.0, "contrast": 4.0}.items():
        assert TABLE[name].later
        assert settings_hash(Settings(**{name: value})) != settings_hash(Settings())


def test_the_hash_is_that_of_canonical_json():
    held = {name: value for name, value in asdict(Settings(lam=2)).items() if name not in UNHASHED}
    text = json.dumps(held | {"lam": 2.0}, sort_keys=True).replace(", ", ",").replace(": ", ":")
    assert settings_hash(Settings(lam=2)) == hashlib.sha256(text.encode()).hexdigest()


def test_the_hash_of_a_well_leaves_out_the_comparison_alone():
    settings = Settings(lam=2.0)
    held = {name: value for name, value in well_settings(settings).items() if name not in UNHASHED}
    assert asdict(settings).keys() - held.keys() == COMPARISON | UNHASHED
    text = json.dumps(held, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert well_settings_hash(settings) == digest
    for name in COMPARISON:
        other = replace(settings, **{name: type(getattr(settings, name))(7)})
        assert well_settings_hash(other) == digest != settings_hash(other), name
    assert well_settings_hash(replace(settings, lam=3.0)) != digest


def test_a_file_stands_for_what_it_holds(tmp_path):
    for folder, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.safetensors").write_bytes(content)
        write(tmp_path / folder, 'method = "spotnet"\nnetwork = "net.safetensors"\n')
    held = [read_settings(tmp_path / folder / "study.toml").settings for folder in "abc"]
    assert held[0].network == str(tmp_path / "a" / "net.safetensors")
    a, b, c = map(settings_hash, held)
    assert a == b != c


def test_a_lock_keeps_the_file_and_holds_it(tmp_path):
    text = "# our study\nlam = 0.25 # as in the pilot\n"
    path = write(tmp_path, text)
    digest = lock(path)
    assert path.read_text().endswith(text)
    assert tomllib.loads(path.read_text())["locked"] == digest == settings_hash(Settings(lam=0.25))
    assert read_settings(path) == (Settings(lam=0.25), True)
    locked = path.read_text()
    assert lock(path) == digest and path.read_text() == locked

    path.write_text(locked + "max_iter = 9\n")
    for use in (read_settings, lock):
        with pytest.raises(ValueError, match="locked with"):
            use(path)
    path.write_text(text, encoding="utf-8-sig")  # as Windows' editor saves it
    assert lock(path) == digest and path.read_text() == locked
    path.write_text(locked.replace("0.25 # as in the pilot", "2.5e-1"))
    assert read_settings(path).locked


def test_options_beside_a_file(tmp_path):
    path = write(tmp_path, 'lam = 0.25\npolarity = "dark"\n')
    assert choose(None, {"lam": 1.0}) == Settings(lam=1.0)
    assert choose(path, {"lam": 1.0}) == Settings(lam=1.0, polarity="dark")
    lock(path)
    same = {"lam": 0.25, "threads": 2}
    assert choose(path, same) == Settings(lam=0.25, polarity="dark", threads=2)
    with pytest.raises(ValueError, match=r"locked with max_iter = None: --max-iter 5 would"):
        choose(path, {"max_iter": 5})
    with pytest.raises(ValueError, match=r"response_alpha = 0.05: --response-alpha 0.01 would"):
        choose(path, {"response_alpha": 0.01})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"response_alpha": 1.5}, "--response-alpha: expected a number between 0 and 1, got 1.5"),
        ({"gamma": "-1"}, "--gamma: expected a number above 0, got -1"),
        ({"colour_reach": 5.0}, "--colour-reach: expected more than twice --colour-tolerance, 3.0"),
    ],
)
def test_options_out_of_range(given, says):
    with pytest.raises(ValueError, match=says):
        choose(None, given)


def test_texts_of_the_command_line():
    assert choose(None, {"lam": "0.5", "channel": "1"}) == Settings(lam=0.5, channel="1")
    with pytest.raises(ValueError, match=r"--lam: expected a finite number, got 'much'"):
        choose(None, {"lam": "much"})
    with pytest.raises(ValueError, match="--polarity: expected 'auto' or"):
        choose(None, {"polarity": "grey"})


def test_the_command(tmp_path):
    path = tmp_path / "study.toml"
    written = run("settings", "-o", path)
    assert written.exit_code == 0 and settings_hash(Settings()) in written.stdout
    assert path.read_text() == template()
    again = run("settings", "-o", path)
    assert again.exit_code == 1 and "is there already" in again.stderr

    locked = run("settings", "--lock", path, "--json")
    assert json.loads(locked.stdout) == {
        "file": str(path),
        "settings_hash": settings_hash(Settings()),
        "locked": True,
    }
    path.write_text(path.read_text() + "lam = 3.0\n")
    refused = run("settings", path)
    assert refused.exit_code == 1 and str(path) in refused.stderr
    for wrong in ([], ["--lock"], [path, "-o", tmp_path / "b.toml"]):
        assert run("settings", *wrong).exit_code == 2
    assert run("settings", tmp_path / "none.toml").exit_code == 1


def test_shuffled_keys_hash_alike(tmp_path):
    lines = [line for line in template().splitlines() if line and not line.startswith("#")]
    random.Random(1).shuffle(lines)
    path = write(tmp_path, "\n".join(lines))
    assert settings_hash(read_settings(path).settings) == settings_hash(Settings())
