"""Use the plugin in a napari that somebody else installed, with a Qt of theirs, on a screen.

Run by ``make napari-check``; not collected by pytest, which lives in another environment.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from checking import check


def main() -> None:
    import napari
    import npe2
    from napari.qt import get_qapp

    import spotcore as sc

    check("site-packages" in sc.__file__, "the installed package is the one imported")
    held = importlib.metadata.metadata("spotcore").get_all("Classifier") or []
    check("Framework :: napari" in held, "the plugin manager lists it")
    needed = importlib.metadata.requires("spotcore") or []
    a_qt = re.search(r"pyqt|pyside|napari\[", " ".join(needed).lower())
    check(a_qt is None, "it brings no Qt of its own")
    manifest = npe2.PluginManifest.from_distribution("spotcore")
    manifest.validate_imports()
    check(manifest.name == "spotcore", "the manifest is valid, and what it names is there")

    with tempfile.TemporaryDirectory() as place:
        command = str(Path(sys.executable).parent / "spotcore")
        subprocess.run([command, "demo", "-o", place], check=True, capture_output=True)
        warnings.simplefilter("ignore")  # napari's own
        viewer = napari.Viewer(show=True)
        viewer.open(Path(place) / "demo.run.json", plugin="spotcore")
        names = [layer.name for layer in viewer.layers]
        check(len(names) >= 2, f"the reader makes layers: {', '.join(names)}")
        _, widget = viewer.window.add_plugin_dock_widget("spotcore", "Edit marks")
        marks = viewer.layers["demo marks"]
        viewer.layers.selection.active = marks
        marks.data = marks.data[1:]
        check(
            "0 added, 1 removed" in widget.count.value, f"the widget counts: {widget.count.value}"
        )
        widget.reason.value = "a check"
        widget.save.native.click()
        check((Path(place) / "demo.edited.cells.csv").is_file(), "and saves what was edited")
        get_qapp().processEvents()  # what was docked is drawn
        shot = viewer.screenshot(canvas_only=False)
        check(shot.std() > 0, f"something is seen, {shot.shape[1]} x {shot.shape[0]} pixels")
        if sys.argv[1:]:
            from PIL import Image

            Image.fromarray(shot).save(sys.argv[1])
        viewer.close()


if __name__ == "__main__":
    main()
