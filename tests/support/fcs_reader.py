"""Reader of FCS 3.1 list-mode files of floats, from the standard's text alone.

Spidlen et al., Cytometry A 77, 2010, sections 3.1 (header), 3.2 (text) and 3.3 (data).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np


def read_fcs(path: Path) -> tuple[dict[str, str], np.ndarray, list[str]]:
    """Keywords (upper case), events [n, parameters] and the parameters' names."""
    data = path.read_bytes()
    assert data[:10] == b"FCS3.1    "
    text_begin, text_end, data_begin, data_end = (int(data[at : at + 8]) for at in range(10, 42, 8))
    keywords = _parse_text(data[text_begin : text_end + 1].decode("utf-8"))
    # The header's offsets and the text's are those of the same bytes.
    assert int(keywords["$BEGINDATA"]) == data_begin and int(keywords["$ENDDATA"]) == data_end
    assert keywords["$DATATYPE"] == "F" and keywords["$MODE"] == "L"
    count = int(keywords["$PAR"])
    for k in range(1, count + 1):
        assert keywords[f"$P{k}B"] == "32" and keywords[f"$P{k}E"] == "0,0"
    order = {"1,2,3,4": "<f4", "4,3,2,1": ">f4"}[keywords["$BYTEORD"]]
    events = np.frombuffer(data[data_begin : data_end + 1], order).reshape(-1, count)
    assert len(events) == int(keywords["$TOT"])
    return keywords, events, [keywords[f"$P{k}N"] for k in range(1, count + 1)]


def _parse_text(text: str) -> dict[str, str]:
    """Split at the delimiter, which is the first character and doubled where it is meant."""
    delimiter = text[0]
    parts, current, at = [], "", 1
    while at < len(text):
        if text[at] == delimiter and text[at + 1 : at + 2] == delimiter:
            current, at = current + delimiter, at + 2
        elif text[at] == delimiter:
            parts.append(current)
            current, at = "", at + 1
        else:
            current, at = current + text[at], at + 1
    assert current == "" and len(parts) % 2 == 0 and all(parts), "empty keys or values"
    return {key.upper(): value for key, value in zip(parts[::2], parts[1::2], strict=True)}
