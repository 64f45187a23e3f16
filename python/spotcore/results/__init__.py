"""The result folder: what its files are called, what they hold, how they are written and read.

``spotcore detect`` leaves four files a picture (`WellFiles`), ``spotcore plate`` those of each well
and the tables of all (`PlateFiles`). Everything that looks at a result goes through here.
"""

from __future__ import annotations

from spotcore.results.names import PlateFiles, WellFiles, records_in
from spotcore.results.record import Record

__all__ = ["PlateFiles", "Record", "WellFiles", "records_in"]
