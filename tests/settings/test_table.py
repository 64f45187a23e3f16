"""Every row of the table of settings: its words, its values from a file and as an option."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import fields
from typing import Literal, get_args, get_origin

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import spotcore as sc
from spotcore.commands.app import app
from spotcore.commands.options import takes_settings
from spotcore.settings import Settings, choose, read_settings, template
from spotcore.settings.documentation import explained
from spotcore.settings.table import (
    ABOVE_0,
    AT_LEAST_0,
    BETWEEN_0_AND_1,
    DIRECTION,
    INCREASING,
    PIXEL_SIDE,
    TABLE,
)
from spotcore.settings.values import alternatives, checked, expected, option, valid
from support.command_line import run

ROWS = [pytest.param(row, id=row.name) for row in TABLE.values()]
TINY = math.ulp(0.0)
#: The values next to the ends of a range: outside, and inside.
ENDS = {
    ABOVE_0: ([0, -TINY, -7], [TINY, 1]),
    AT_LEAST_0: ([-TINY, -7], [0, TINY]),
    BETWEEN_0_AND_1: ([0, 1, 1.5, -0.5], [TINY, math.nextafter(1, 0)]),
    PIXEL_SIDE: ([0, 0.49, math.nextafter(50, 99), 84.7], [0.5, 50]),
    DIRECTION: ([[0.0, 0.0, 0.0], [1.0, -TINY, 1.0]], [[0.0, 0.0, TINY]]),
    INCREASING: (
        [[1.0], [-TINY, 1.0], [1.0, 1.0], [1.0, 3.0, 2.0]],
        [[0.0, TINY], [1, 2.5, 4.0]],
    ),
}
#: Values that a type of the table is, as JSON and as the text of an option; lists have no other.
RIGHT = {
    float: {"0.75": "0.75", "3": "3"},
    int: {"3": "3"},
    str: {'"text"': "text", '"nan"': "nan"},
    bool: {"true": "True"},
}
EVERY = {text: words for values in RIGHT.values() for text, words in values.items()}
EVERY |= {"nan": "nan", "inf": "inf", "-inf": "-inf", "[]": ",", "[nan, 1.0, 2.0]": "nan,1,2"}
EVERY |= {"[0.5, inf]": "0.5,inf", '["a", "b", "c"]': "a,b,c"}


def wrong(row, *, as_option):
    """What is of no type of the row, as TOML or as the text of an option."""
    kinds = alternatives(row.type)
    if as_option:
        if str in kinds or bool in kinds:
            return []  # every text is a text; a switch takes none
        taken = {words for kind in kinds for words in RIGHT.get(kind, {}).values()}
        return [words for words in EVERY.values() if words not in taken]
    taken = {text for kind in kinds for text in RIGHT.get(kind, {})}
    return [text for text in EVERY if text not in taken]


def outside(row):
    """What is of a type of the row and just out of its range."""
    values = ENDS[row.range][0] if row.range else []
    return [int(v) for v in values if v == int(v)] if int in alternatives(row.type) else values


def written(folder, text):
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_row_is_a_field_of_the_settings():
    assert list(TABLE) == [field.name for field in fields(Settings)]
    assert sc.Settings is Settings
    for row in TABLE.values():
        assert row.default == getattr(Settings(), row.name)
        assert row.scope in ("well", "comparison", "how")
        assert not row.names_file or str in alternatives(row.type)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_words(row):
    assert row.help and not row.help.endswith(".")
    assert (row.default is None) == bool(row.automatic)
    assert not row.more or row.more.endswith(".")
    # Numbers all have a range; where texts or truth values stand alone there is nothing to bound
    numeric = {int, float}.intersection(alternatives(row.type)) or any(
        get_origin(kind) is tuple for kind in alternatives(row.type)
    )
    assert (row.range is not None) == bool(numeric)
    # The types are those that the tests know wrong values of
    for kind in alternatives(row.type):
        assert kind in RIGHT or get_origin(kind) in (Literal, tuple)


@pytest.mark.parametrize("row", ROWS)
def test_the_words_are_everywhere(row):
    plain = " ".join(template().replace("#", " ").split())
    assert explained(row, default=row.default is None) in plain and row.more in plain
    assert f"{row.name} = " in template() and expected(row) in plain
    documented = " ".join(sc.Settings.__doc__.split())
    assert f"{row.name} : " in documented and explained(row) in documented


@pytest.mark.parametrize("row", ROWS)
def test_values_that_are_refused_in_a_file(row, tmp_path):
    for text in wrong(row, as_option=False):
        path = written(tmp_path, f"{row.name} = {text}")
        with pytest.raises(ValueError, match=re.escape(f"{path}, {row.name}: expected ")):
            read_settings(path)
    for value in outside(row):
        path = written(tmp_path, f"{row.name} = {json.dumps(value)}")
        says = rf"{row.name}: expected .*{re.escape(row.range.says)}, got "
        with pytest.raises(ValueError, match=says):
            read_settings(path)


@pytest.mark.parametrize("row", ROWS)
def test_values_that_are_refused_as_an_option(row, tmp_path):
    command = "plate" if row.scope == "comparison" else "detect"
    out = tmp_path / "out"
    texts = [(text, "") for text in wrong(row, as_option=True)]
    for value in outside(row):
        if value == [1.0]:
            texts.append(("1.0", ""))  # one number alone is no list
        elif isinstance(value, list):
            texts.append((",".join(map(str, value)), row.range.says))
        else:
            texts.append((str(value), row.range.says))
    for text, says in texts:
        result = run(command, tmp_path / "a.png", "-o", out, f"{option(row.name)}={text}")
        assert result.exit_code == 2 and not out.exists()
        assert re.match(
            f"spotcore: {option(row.name)}: expected .*{re.escape(says)}, got ", result.stderr
        )


@pytest.mark.parametrize("row", [param for param in ROWS if param.values[0].range])
def test_values_at_the_ends_are_taken(row):
    inside = ENDS[row.range][1]
    if int in alternatives(row.type):
        inside = [value for value in inside if isinstance(value, int)]
    for value in inside:
        got = checked(row, value, "here")
        assert got == (tuple(value) if isinstance(value, list) else value)
    assert inside


@pytest.mark.parametrize("row", ROWS)
def test_numpy_s_numbers_are_numbers(row):
    value, beside = another(row)[0], BESIDE.get(row.name, {})
    held = Settings(**{row.name: value}, **beside)
    assert valid(Settings(**{row.name: np.array(value)}, **beside)) == held
    scalar = isinstance(value, int | float)
    for kind in (np.float32, np.float64) if scalar and float in alternatives(row.type) else ():
        exact = kind(value)
        assert getattr(valid(Settings(**{row.name: exact}, **beside)), row.name) == float(exact)


#: What a setting does not go without.
BESIDE = {"dark_frame": {"flat_field": __file__}}


def another(row):
    """Return a value that is not the default, and the text of its option."""
    kind = alternatives(row.type)[-1]
    if row.names_file and row.default is None:
        return __file__, __file__  # any that is there
    if get_origin(kind) is Literal:
        return get_args(kind)[-1], get_args(kind)[-1]
    if get_origin(kind) is tuple:
        return (0.5, 1.5, 3.0), "0.5,1.5,3"
    if row.range is BETWEEN_0_AND_1:
        return 0.25, "0.25"
    return {float: (7.0, "7"), int: (7, "7"), str: ("other", "other"), bool: (True, None)}[kind]


@pytest.mark.parametrize("row", ROWS)
def test_an_option_reaches_the_settings(row, tmp_path):
    got = []
    dummy = typer.Typer()

    @dummy.command()
    @takes_settings("well", "comparison", "how")
    def command(settings: Settings) -> None:
        got.append(settings)

    value, text = another(row)
    beside = BESIDE.get(row.name, {})
    given = [option(row.name)] + ([] if text is None else [text])
    given += [part for name, needed in beside.items() for part in (option(name), needed)]
    result = CliRunner().invoke(dummy, given)
    assert result.exit_code == 0, result.output
    assert got == [Settings(**{row.name: value}, **beside)] != [Settings()]
    # The same in a file, and stronger than another one
    lines = {row.name: value} | beside
    path = written(tmp_path, "".join(f"{k} = {json.dumps(v)}\n" for k, v in lines.items()))
    assert read_settings(path).settings == got[0] == choose(path, {})
    path = written(tmp_path, f"{row.name} = {json.dumps(row.default)}\n" if row.default else "")
    assert CliRunner().invoke(dummy, [*given, "--settings", str(path)]).exit_code == 0
    assert got[1] == got[0]


@pytest.mark.parametrize(
    ("command", "scopes"),
    [("detect", {"well", "how"}), ("plate", {"well", "comparison", "how"})],
)
def test_a_command_has_the_options_of_its_scopes(command, scopes):
    params = {param.name: param for param in typer.main.get_command(app).commands[command].params}
    assert params.keys() & TABLE.keys() == {r.name for r in TABLE.values() if r.scope in scopes}
    assert "--settings" in params["settings"].opts
    for row in TABLE.values():
        if row.scope in scopes:
            assert params[row.name].opts == [option(row.name)]
            assert params[row.name].default is None and not params[row.name].required
            assert params[row.name].help == explained(row)


SHOWN = """
import os, sys
os.environ |= {"COLUMNS": "200", "NO_COLOR": "1"}
from typer.testing import CliRunner
from spotcore.commands.app import app
from spotcore.settings import template
print(template())
for command in ("detect", "plate"):
    shown = CliRunner().invoke(app, [command, "--help"]).stdout
    print(shown[shown.index("Options:") :])
"""


def test_all_is_there_without_docstrings():
    """`python -OO` has none: nothing may be read from them."""
    plain, stripped = (
        subprocess.run(
            [sys.executable, *flags, "-c", SHOWN],
            capture_output=True,
            encoding="utf-8",
            check=True,
            timeout=120,
        ).stdout
        for flags in ([], ["-OO"])
    )
    assert stripped == plain
    assert plain.startswith(template())
    _, detect, plate = plain.split("Options:")
    for row in TABLE.values():
        words = row.help.split()[0]
        for shown in (plate,) if row.scope == "comparison" else (detect, plate):
            named = rf"{option(row.name)} [^-].{{0,120}}?\s{re.escape(words)}"
            assert re.search(named if row.type is not bool else option(row.name), shown, re.DOTALL)
