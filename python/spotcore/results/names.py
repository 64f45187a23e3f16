"""What the files of a result are called and where they lie."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "COMPARISONS",
    "ExportFiles",
    "PlateFiles",
    "WellFiles",
    "is_edited",
    "is_record",
    "output_names",
    "plain_name",
    "records_in",
]

_RECORD, _EDITED = ".run.json", ".edited"


@dataclass(frozen=True)
class WellFiles:
    """The files of one analysed picture.

    Attributes
    ----------
    folder : pathlib.Path
        Where they are.
    name : str
        NAME, with which all of them begin: that of the picture, or "A1", or "A1.red".
    """

    folder: Path
    name: str

    @classmethod
    def of(cls, record: str | os.PathLike[str]) -> WellFiles:
        """Name the files that lie beside a NAME.run.json or NAME.edited.run.json."""
        path = Path(record)
        return cls(path.parent, path.name.removesuffix(_RECORD).removesuffix(_EDITED))

    def _path(self, end: str) -> Path:
        return self.folder / f"{self.name}{end}"

    @property
    def record(self) -> Path:
        """How it was analysed and what came out; written last."""
        return self._path(_RECORD)

    @property
    def cells(self) -> Path:
        """Table of what counts."""
        return self._path(".cells.csv")

    @property
    def artefacts(self) -> Path:
        """Table of what was seen and does not count."""
        return self._path(".artefacts.csv")

    @property
    def overlay(self) -> Path:
        """The picture with its marks."""
        return self._path(".overlay.png")

    @property
    def maps(self) -> Path:
        """Signal, score and fit, where they were asked for."""
        return self._path(".maps.npz")

    @property
    def edited_cells(self) -> Path:
        """The table of cells as a person left it."""
        return self._path(f"{_EDITED}.cells.csv")

    @property
    def edited_record(self) -> Path:
        """Who edited, when and why."""
        return self._path(f"{_EDITED}{_RECORD}")

    @property
    def written(self) -> tuple[Path, ...]:
        """What an analysis writes; the record, which vouches for the others, first."""
        return (self.record, self.cells, self.artefacts, self.overlay, self.maps)


def records_in(folder: str | os.PathLike[str]) -> list[WellFiles]:
    """List the pictures whose records lie in a folder, by name; edits are none of their own."""
    found = (WellFiles.of(path) for path in Path(folder).glob(f"*{_RECORD}"))
    return sorted(set(found), key=lambda files: files.name)


def is_record(path: str | os.PathLike[str]) -> bool:
    """Tell whether a name is that of a record or of the record of an edit."""
    return os.fspath(path).endswith(_RECORD)


def is_edited(path: str | os.PathLike[str]) -> bool:
    """Tell whether a name is that of the record of an edit."""
    return os.fspath(path).endswith(f"{_EDITED}{_RECORD}")


def plain_name(name: str) -> str:
    """Return NAME as it is; one from a record must not lead out of the folder.

    Raises
    ------
    ValueError
        If it is more than the name of a file.
    """
    if not name or name != Path(name).name or "\\" in name or name.startswith("."):
        raise ValueError(f"{name!r} is no plain name of a result's files")
    return name


@dataclass(frozen=True)
class PlateFiles:
    """The files of a plate; of single pictures, the page, its drawings and the exports alone.

    Attributes
    ----------
    folder : pathlib.Path
        OUT of ``spotcore plate``, or of ``spotcore detect``.
    """

    folder: Path

    @property
    def record(self) -> Path:
        """How the plate was analysed, and its wells. Written after the wells."""
        return self.folder / "plate.json"

    @property
    def wells(self) -> Path:
        """Folder of the wells' own files."""
        return self.folder / "wells"

    def well(self, name: str) -> WellFiles:
        """Name the files of one picture of the plate."""
        return WellFiles(self.wells, name)

    def cells_of_colours(self, well: str) -> Path:
        """Table of a well's cells over all its channels."""
        return self.wells / f"{well}.colours.csv"

    def table(self, name: str) -> Path:
        """Table of a plate, by the name of what its rows are: "wells", "replicates", ..."""
        return self.folder / f"{name}.csv"

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.folder / "report.html"

    @property
    def mosaic(self) -> Path:
        """The wells' pictures side by side."""
        return self.folder / "mosaic.png"

    @property
    def heatmap(self) -> Path:
        """The wells' counts in colours."""
        return self.folder / "heatmap.png"

    @property
    def pictures(self) -> Path:
        """Folder of the wells' pictures that were cut out of one of the whole plate."""
        return self.folder / "pictures"

    @property
    def grid(self) -> Path:
        """Where they were cut out."""
        return self.folder / "grid.json"

    @property
    def grid_overlay(self) -> Path:
        """The same, drawn."""
        return self.folder / "grid.overlay.png"

    @property
    def source(self) -> Path:
        """Of which plate they are, where they were taken out of a file of many."""
        return self.folder / "source.json"

    @property
    def exports(self) -> ExportFiles:
        """The same in other programs' formats."""
        return ExportFiles(self.folder / "export")

    @property
    def of_all_wells(self) -> tuple[Path, ...]:
        """What is made of all wells: none of it outlives the start of another run."""
        tables = map(self.table, ("wells", *COMPARISONS))
        return (self.record, *tables, self.report, self.mosaic, self.heatmap)


#: Tables that compare the wells of a plate.
COMPARISONS = ("replicates", "responses", "colours", "registration")


@dataclass(frozen=True)
class ExportFiles:
    """A result in other programs' formats.

    Attributes
    ----------
    folder : pathlib.Path
        Where they are.
    """

    folder: Path

    @property
    def workbook(self) -> Path:
        """All tables, a sheet each."""
        return self.folder / "result.xlsx"

    @property
    def document(self) -> Path:
        """All tables and the provenance as one JSON document."""
        return self.folder / "result.json"

    def table(self, name: str) -> Path:
        """Name the Parquet file of a table."""
        return self.folder / f"{name}.parquet"

    @property
    def apex(self) -> Path:
        """The wells as Apex lists them."""
        return self.folder / "apex.xlsx"

    def ctl(self, channel: str) -> Path:
        """Name the grids of a channel as ImmunoSpot has them."""
        return self._of_channel("ctl", channel)

    def labkey(self, channel: str) -> Path:
        """Name the grid of a channel for LabKey."""
        return self._of_channel("labkey", channel)

    @property
    def written(self) -> tuple[Path, ...]:
        """Those that are there, of any plate and channel."""
        kinds = ("ctl*.txt", "labkey*.txt", "*.parquet", "*.fcs")
        found = [path for kind in kinds for path in self.folder.glob(kind)]
        return (self.workbook, self.document, self.apex, *found)

    def _of_channel(self, format: str, channel: str) -> Path:
        return self.folder / ".".join(filter(None, (format, channel, "txt")))

    def events(self, name: str) -> Path:
        """Name the FCS file of the spots of picture NAME."""
        return self.folder / f"{name}.fcs"


def output_names(paths: Iterable[Path]) -> dict[Path, str]:
    """Choose the NAME of each file's outputs: its stem.

    A file that is given twice is taken once.

    Raises
    ------
    ValueError
        If two files would write the same outputs, or the record of one would look like that of an
        edit; the message names them.
    """
    names: dict[Path, str] = {}
    taken: dict[str, Path] = {}
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        if path.stem.endswith(_EDITED):
            raise ValueError(
                f"{path}: its results would look like edits of another image's; "
                f"give it a name that does not end with {_EDITED}"
            )
        other = taken.setdefault(path.stem.casefold(), path)
        if other is not path:
            raise ValueError(
                f"{other} and {path} would both write {WellFiles(Path(), path.stem).cells}; "
                "give them different names or run them into different folders"
            )
        names[path] = path.stem
    return names
