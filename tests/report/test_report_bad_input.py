"""What is no result is named, by Python and by the command line."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from spotcore.commands.app import app
from spotcore.report import write_report
from support.result_folder import write_result


def test_what_is_no_result_is_named(tmp_path):
    with pytest.raises(ValueError, match=re.escape(str(tmp_path))):
        write_report(tmp_path)
    (tmp_path / "plate.json").write_text("[]")
    with pytest.raises(ValueError, match=r"plate.json: expected a JSON object"):
        write_report(tmp_path)
    (tmp_path / "plate.json").write_text("{")
    with pytest.raises(ValueError, match=r"plate.json: expected JSON"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"rows": None}, "plate.json: .*rows: expected int"),
        ({"rows": 1000}, "at most 64 rows"),
        ({"wells": [{"well": "Z99", "name": "Z99", "status": "empty"}]}, "plate.json: .*'Z99'"),
        ({"wells": [{"well": "A1", "name": "../../secret", "status": "empty"}]}, "plain name"),
        ({"wells": []}, "plate.json: .*at least one"),
        ({"wells": [3]}, r"plate.json: .*wells\[0\]: expected an object, got '3'"),
    ],
)
def test_bad_plates_are_named(tmp_path, change, message):
    folder = write_result(tmp_path / "OUT", 1, 1)
    path = folder / "plate.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        write_report(folder)


def test_a_table_with_a_short_row_is_named(tmp_path):
    folder = write_result(tmp_path / "OUT", 1, 1)
    with open(folder / "replicates.csv", "a", encoding="utf-8") as file:
        file.write("x,y\n")
    with pytest.raises(ValueError, match=r"replicates.csv, line 3: expected 8 fields, got 2"):
        write_report(folder)


def test_a_table_with_two_columns_of_one_name_is_named(tmp_path):
    folder = write_result(tmp_path / "OUT", 1, 1)
    (folder / "replicates.csv").write_text("n,n\n1,2\n")
    with pytest.raises(ValueError, match=r"replicates.csv: expected columns of different names"):
        write_report(folder)


def test_the_command(tmp_path):
    run = CliRunner().invoke
    folder = write_result(tmp_path / "OUT", 1, 1)
    done = run(app, ["report", str(folder)])
    assert done.exit_code == 0 and done.stdout.strip() == str(folder / "report.html")
    failed = run(app, ["report", str(tmp_path / "nothing")])
    assert failed.exit_code == 1 and "nothing" in failed.stderr
    assert "Traceback" not in failed.output
