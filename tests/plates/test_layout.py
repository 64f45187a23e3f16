"""Wells' names and positions, and the layout files that speak of them."""

from __future__ import annotations

import csv
import io
import re

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from spotcore.plates.layout import LayoutRow, read_layout
from spotcore.plates.wells import FORMATS, Position, parse_well, plate_format, well_name


@pytest.mark.parametrize(
    ("name", "position"),
    [
        ("A1", (0, 0)),
        ("a1", (0, 0)),
        ("A01", (0, 0)),
        ("a001", (0, 0)),
        ("B12", (1, 11)),
        ("H12", (7, 11)),
        ("P24", (15, 23)),
        ("AA1", (26, 0)),
        ("af048", (31, 47)),
    ],
)
def test_names(name, position):
    assert parse_well(name) == position


@pytest.mark.parametrize(
    "name", ["", "A", "1", "A0", "AG1", "BA1", "AAA1", "1A", "A1 ", "A-1", "A1.5", "Ä1", "A١"]
)
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match=r"expected a well's name"):
        parse_well(name)


@pytest.mark.parametrize(
    ("wells", "last"),
    [
        (6, "B3"),
        (12, "C4"),
        (24, "D6"),
        (48, "F8"),
        (96, "H12"),
        (384, "P24"),
        (1536, "AF48"),
    ],
)
def test_formats(wells, last):
    plate = plate_format(wells)
    assert plate.wells == wells
    assert plate.position(1).name == "A1" and plate.position(wells).name == last
    assert plate.position(plate.columns + 1).name == "B1"  # row by row
    # Every index once, and every name leads back to where it came from
    positions = [plate.position(index) for index in range(1, wells + 1)]
    assert positions == sorted(set(positions))
    assert [plate.parse(p.name) for p in positions] == positions
    for index in (0, wells + 1):
        with pytest.raises(ValueError, match=f"from 1 to {wells}"):
            plate.position(index)
    row, column = parse_well(last)
    below = [well_name(row + 1, 0)] if row < 31 else []  # no plate has more rows
    for outside in (*below, well_name(0, column + 1)):
        with pytest.raises(ValueError, match=f"from A1 to {last}"):
            plate.parse(outside)


def test_no_such_format():
    with pytest.raises(ValueError, match="got 97"):
        plate_format(97)
    assert FORMATS[6].holds(Position(1, 2)) and not FORMATS[6].holds(Position(-1, 0))


@given(st.integers(0, 31), st.integers(0, 998))
def test_a_name_leads_back(row, column):
    assert parse_well(well_name(row, column)) == (row, column)


def test_layout(tmp_path):
    path = tmp_path / "layout.csv"
    path.write_bytes(
        b"\xef\xbb\xbfstimulus,well,cells_per_well,sample\r\n"
        b"CEF,b2,2e5,donor 1\r\n"
        b",,,\r\n"
        b'medium,A01,, "donor 2" \r\n'
    )
    assert read_layout(path).rows() == [
        LayoutRow("A1", sample='"donor 2"', stimulus="medium", cells_per_well=None),
        LayoutRow("B2", sample="donor 1", stimulus="CEF", cells_per_well=2e5),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ": expected a column 'well'"),
        ("well,dose\nA1,2\n", "line 1: unknown column 'dose'"),
        ("well;cells_per_well\nA1;250.000\n", "without marks between its thousands"),
        ('well,cells_per_well\nA1,"250,000"\n', "without marks between its thousands"),
        ("\n\nwell\tsample\nA1\tx\nZ9\ty\n", "line 5, well: expected a well from A1"),
        ("well,sample,sample\nA1,2,3\n", "line 1: column 'sample' is there twice"),
        ("sample\ndonor\n", "line 1: expected a column 'well'"),
        ("well\n", "expected a line for each well"),
        ("well\nA1\nI1\n", "line 3, well: expected a well from A1 to H12, got 'I1'"),
        ("well\nA13\n", "line 2, well: expected a well from A1 to H12, got 'A13'"),
        ("well,sample\n,x\n", "line 2, well: expected a well's name"),
        ("well\nA1\nB1\na01\n", "line 4, well: 'a01' is in line 2 already"),
        (
            "well,cells_per_well\nA1,-5\n",
            "line 2, cells_per_well: expected a finite number above 0",
        ),
        ("well,cells_per_well\nA1,0\n", "line 2, cells_per_well: expected a finite number above 0"),
        (
            "well,cells_per_well\nA1,nan\n",
            "line 2, cells_per_well: expected a finite number above 0",
        ),
        (
            "well,cells_per_well\nA1,many\n",
            "line 2, cells_per_well: expected a finite number above 0",
        ),
        ("well,sample\nA1\n", "line 2: expected 2 fields"),
        ("well,sample\nA1,x,y\n", "line 2: expected 2 fields"),
        ('well,sample\nA1,"x\n', "line 2: expected CSV"),
    ],
)
def test_layouts_that_are_refused(tmp_path, text, says):
    path = tmp_path / "layout.csv"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:
        read_layout(path)
    assert str(path) in str(caught.value) and says in str(caught.value)


def test_layout_of_another_format(tmp_path):
    path = tmp_path / "layout.csv"
    path.write_text("well\nP24\n")
    assert read_layout(path, plate_format(384)).rows() == [LayoutRow("P24")]
    path.write_bytes(b"well,sample\nA1,\x81\xff\n")
    with pytest.raises(ValueError, match="UTF-8"):
        read_layout(path)
    with pytest.raises(OSError):
        read_layout(tmp_path / "none.csv")


ROWS = [["Well", "Sample", "Stimulus", "Replicate", "Cells per well"]]
ROWS += [["A1", "Müller", "medium", "1", "250000.5"], ["B3", "µ-donor; 2", "CEF", "2", "1e5"]]
EXPECTED = [
    LayoutRow("A1", "Müller", "medium", "1", 250000.5),
    LayoutRow("B3", "µ-donor; 2", "CEF", "2", 1e5),
]


def text_of(delimiter, comma=False, first=""):
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows(
        [value.replace(".", ",") if comma and value[0].isdigit() else value for value in row]
        for row in ROWS
    )
    return first + file.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize(
    "text",
    [
        text_of(","),
        text_of(";", comma=True),
        text_of("\t", comma=True),
        text_of(";", comma=True, first="sep=;\r\n"),
        text_of(";").replace("\r\n", ";;\r\n"),
        text_of(",") + ",,,,\r\n\r\n",
    ],
)
def test_layouts_as_spreadsheets_write_them(tmp_path, text, encoding):
    path = tmp_path / "layout.csv"
    path.write_bytes(text.encode(encoding))
    assert read_layout(path).rows() == EXPECTED


def workbook(path, rows, sheets=("Layout",)):
    with xlsxwriter.Workbook(path) as book:
        for name in sheets:
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows if name == "Layout" else [["nothing"]]):
                sheet.write_row(number, 0, row)


def test_a_workbook(tmp_path):
    path = tmp_path / "layout.xlsx"
    numbers = [[*row[:3], int(row[3]), float(row[4])] for row in ROWS[1:]]
    workbook(path, [ROWS[0], [], *numbers], ("Notes", "Layout"))
    assert read_layout(path).rows() == EXPECTED
    renamed = path.rename(tmp_path / "layout.csv")  # by what it holds, not by its name
    assert read_layout(renamed).rows() == EXPECTED


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (["Z9", "x"], "cell A2, well: expected a well from A1 to H12, got 'Z9'"),
        (["A1", "x", "y", 1, -5], "cell E2, cells_per_well: expected a finite number above 0"),
        (["A1", "x", "y", 1, 5, "more"], "row 2: expected 5 fields"),
    ],
)
def test_workbooks_that_are_refused(tmp_path, row, says):
    path = tmp_path / "layout.xlsx"
    workbook(path, [ROWS[0], row])
    with pytest.raises(ValueError, match=re.escape(says)):
        read_layout(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="expected a workbook"):
        read_layout(path)
