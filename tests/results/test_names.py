"""What the files of a result are called is known in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import spotcore as sc
from spotcore.results.names import COMPARISONS, PlateFiles, WellFiles

PACKAGE = Path(sc.__file__).parent


def ends() -> set[str]:
    """Of all files: of a picture without its name, of a plate whole."""
    well, plate = WellFiles(Path(), ""), PlateFiles(Path())
    edits = (well.edited_record, well.edited_cells, plate.cells_of_colours(""))
    found = {path.name for path in (*well.written, *edits, *plate.of_all_wells)}
    assert len(found) == 5 + 3 + 5 + len(COMPARISONS)
    return found


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Texts of a module without a blank: names, not words for a person."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and not any(character.isspace() for character in node.value):
            yield node.lineno, node.value


@pytest.mark.parametrize("room", ["results", "others"])
def test_no_other_room_holds_the_name_of_a_file(room: str) -> None:
    names = ends()
    holding = [
        f"{path.relative_to(PACKAGE)}:{line}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if (PACKAGE / "results" in path.parents) == (room == "results")
        for line, text in literals(path)
        if any(text.endswith(name) for name in names)
    ]
    # In the room itself they are found: a search that finds nothing would prove nothing.
    assert bool(holding) == (room == "results"), holding
