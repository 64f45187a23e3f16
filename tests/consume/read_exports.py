"""What other projects' readers find in our exports, as JSON.

Run by ``tests/export/test_readers.py`` in the environment of ``make readers``; not collected by
pytest, which lives in another.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    logging.disable()  # allotropy warns of every well without a number
    found = {path: read(Path(path)) for path in sys.argv[1:]}
    print(json.dumps(found))


def read(path: Path) -> Any:
    if path.suffix == ".fcs":
        import flowkit

        sample = flowkit.Sample(path)
        return {
            "events": sample.get_events(source="raw").tolist(),
            "names": sample.pnn_labels,
            "source": sample.get_metadata()["src"],
        }
    from allotropy.parser_factory import Vendor
    from allotropy.to_allotrope import allotrope_from_file

    vendor = Vendor.MABTECH_APEX if path.suffix == ".xlsx" else Vendor.CTL_IMMUNOSPOT
    whole = allotrope_from_file(str(path), vendor)["plate reader aggregate document"]
    documents = [item["measurement aggregate document"] for item in whole["plate reader document"]]
    return {
        "software": whole["data system document"],
        "device": whole["device system document"],
        "wells": [
            well(measured)
            for document in documents
            for measured in document["measurement document"]
        ],
        "times": [document["measurement time"] for document in documents],
    }


def well(measured: dict[str, Any]) -> dict[str, Any]:
    control = measured["device control aggregate document"]["device control document"][0]
    processed = measured.get("processed data aggregate document", {})
    features = [
        feature
        for document in processed.get("processed data document", ())
        for feature in document.get("image feature aggregate document", {}).get(
            "image feature document", ()
        )
    ]
    return {
        "well": measured["sample document"]["location identifier"],
        "plate": measured["sample document"]["well plate identifier"],
        "control": control.get("custom information document", {}),
        "more": measured.get("custom information document", {}),
        "features": {
            feature["image feature name"]: feature["image feature result"]["value"]
            for feature in features
        },
    }


if __name__ == "__main__":
    main()
