"""The result folder: what its files are called, what they hold, how they are written and read.

``spotcore detect`` leaves four files a picture (`WellFiles`), ``spotcore plate`` those of each well
and the tables of all (`PlateFiles`). Everything that looks at a result goes through here.

names, columns -> record, plate (what JSON holds) -> write | read, table, picture, edits -> folder
"""

from __future__ import annotations

from spotcore.results.folder import ResultFolder, WellResult, open_folder, open_well
from spotcore.results.names import PlateFiles, WellFiles, records_in
from spotcore.results.plate import PlateRecord
from spotcore.results.record import Record

__all__ = [
    "PlateFiles",
    "PlateRecord",
    "Record",
    "ResultFolder",
    "WellFiles",
    "WellResult",
    "open_folder",
    "open_well",
    "records_in",
]
