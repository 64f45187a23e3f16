"""FCS files by a reader of the standard's text, and by FlowIO."""

from __future__ import annotations

import json

import flowio
import numpy as np
import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from spotcore.export import export_folder
from spotcore.export.fcs import _encode, _text
from support.exported import all_spots
from support.fcs_reader import read_fcs


def test_fcs_has_an_event_per_spot(plate):
    paths = export_folder(plate, "fcs")
    record = json.loads((plate / "plate.json").read_text())
    assert [path.stem for path in paths] == [entry["name"] for entry in record["wells"]]
    oracle = all_spots(plate)
    samples = {row["well"]: row["sample"] for row in record["layout"]}
    for path, entry in zip(paths, record["wells"], strict=True):
        keywords, events, names = read_fcs(path)
        here = oracle[(oracle["well"] == entry["well"]) & (oracle["channel"] == entry["channel"])]
        assert names == list(oracle.columns[2:]) and len(events) == len(here)
        missing = float(keywords["SPOTCORE_MISSING"])
        assert missing == -1
        expected = here.iloc[:, 2:].fillna(missing).to_numpy(np.float32)
        np.testing.assert_array_equal(events, expected)
        for k, column in enumerate(expected.T, start=1):
            assert int(keywords[f"$P{k}R"]) > max(column, default=0)
        assert keywords["$CYT"] == f"spotcore {record['spotcore']}"
        assert keywords["$WELLID"] == entry["well"] and keywords["$PLATEID"] == "OUT"
        assert keywords["$SRC"] == samples[entry["well"]] and keywords["$FIL"] == path.name
        assert keywords["$DATE"] == "05-JAN-2026" and keywords["$SYS"] == "Linux"
        assert keywords["SPOTCORE_STATUS"] == entry["status"]
        count = keywords.get("SPOTCORE_COUNT")
        assert count == (None if entry["count"] is None else str(entry["count"]))
        run = json.loads((plate / "wells" / f"{entry['name']}.run.json").read_text())
        assert json.loads(keywords["SPOTCORE_RUN"]) == run
        whole = json.loads(keywords["SPOTCORE_PLATE"])
        assert whole == {key: value for key, value in record.items() if key != "wells"}
        # Another reader, which the writer's authors wrote.
        other = flowio.FlowData(str(path))
        np.testing.assert_array_equal(other.as_array(preprocess=False), events)
    lone = read_fcs(plate / "export" / "A1.red.fcs")
    assert lone[1][0, lone[2].index("nearest")] == -1


def test_what_is_missing_in_fcs_is_below_all_values(plate):
    path = plate / "wells" / "A1.red.cells.csv"
    table = pd.read_csv(path)
    table["density"] = -1.0
    table.to_csv(path, index=False)
    export_folder(plate, "fcs")
    keywords, events, names = read_fcs(plate / "export" / "A1.red.fcs")
    assert keywords["SPOTCORE_MISSING"] == "-2"
    assert events[0, names.index("nearest")] == -2 and events[0, names.index("density")] == -1


keyword_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(keyword_texts, st.lists(st.floats(0, 100, width=32), max_size=9))
@example("/data/plate/", [])
@example("//", [1.0])
@example("µ" * 9539, [0.0] * 3)
def test_any_text_fits_a_keyword(tmp_path_factory, text, values):
    from array import array

    path = tmp_path_factory.mktemp("fcs") / "a.fcs"
    path.write_bytes(_encode(array("f", values), ["y"], {"NOTE": _text(text)}))
    keywords, events, names = read_fcs(path)
    assert names == ["y"] and keywords["NOTE"].strip() == text.strip()
    np.testing.assert_array_equal(events[:, 0], np.float32(values))


def test_fcs_at_every_length_of_its_text(tmp_path):
    """Where an offset is about to gain a digit, FlowIO alone gives up."""
    from array import array

    path, failed = tmp_path / "a.fcs", 0
    for length in range(9400, 9700):
        path.write_bytes(_encode(array("f", [1.0]), ["y"], {"K": "x" * length}))
        keywords, events, _ = read_fcs(path)
        assert keywords["K"] == "x" * length and events.tolist() == [[1.0]]
        failed += "SPOTCORE_PADDING" in keywords
    assert failed <= 3
