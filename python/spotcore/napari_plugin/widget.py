"""Dock widget of napari: how the count changed, and a button that saves the marks."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import Container, Label, LineEdit, PushButton

from spotcore.napari_plugin.edits import compare, save_edit
from spotcore.napari_plugin.result import open_result

if TYPE_CHECKING:
    import napari

__all__ = ["EditMarks"]

_HELP = "Open NAME.run.json and select its layer of marks."


class EditMarks(Container):
    """Shows the count of the selected layer of marks as it is edited, and saves it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        With the layers of a result.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self.count = Label(value=_HELP)
        self.by = LineEdit(label="by", value=getpass.getuser())
        self.reason = LineEdit(label="reason")
        self.save = PushButton(text="Save edited table", enabled=False)
        super().__init__(widgets=[self.count, self.by, self.reason, self.save])
        self._layer: Any = None
        self._original: Any = None
        self.save.changed.connect(self._save)
        viewer.layers.selection.events.active.connect(self._select)
        self._follow(viewer.layers.selection.active)

    def _select(self, event: Any) -> None:
        """Follow the layer that the user selected."""
        self._follow(event.value)

    def _follow(self, layer: Any) -> None:
        """Show the count of a layer of marks; others leave what was shown."""
        about = getattr(layer, "metadata", {}).get("spotcore")
        if about is None or layer is self._layer:
            return
        if self._layer is not None:
            self._layer.events.data.disconnect(self._changed)
        self._layer, self._original = layer, open_result(about["record"])
        layer.events.data.connect(self._changed)
        self.save.enabled = True
        self._show()

    def _changed(self, event: Any) -> None:
        """Show what an edit did; a mark that was added has no measures yet."""
        if str(getattr(event, "action", "")).endswith("added"):
            indices = list(getattr(event, "data_indices", ()))
            features = self._layer.features.copy()
            for column in features.columns:
                empty: Any = np.nan if features[column].dtype.kind == "f" else ""
                features.loc[features.index[indices], column] = empty
            self._layer.features = features
        self._show()

    def _show(self) -> None:
        """Say how many there are and were."""
        image = self._original.record["image"]
        try:
            edit = compare(
                self._original.marks, self._layer.data, (image["height"], image["width"])
            )
        except ValueError as error:
            self.count.value = str(error)
            return
        self.count.value = (
            f"{self._original.name}: {edit.count} spots; the original has "
            f"{len(self._original.marks)}, {len(edit.added)} added, {edit.removed} removed"
        )

    def _save(self) -> None:
        """Save beside the original; an error is napari's to show."""
        from napari.utils.notifications import show_info

        about = self._layer.metadata["spotcore"]
        record = save_edit(
            about["record"],
            self._layer.data,
            by=self.by.value,
            reason=self.reason.value,
            table_sha256=about["table_sha256"],
        )
        folder = Path(about["record"]).parent
        show_info(
            f"{record['count']} spots ({record['added']} added, {record['removed']} removed) "
            f"saved to {folder / self._original.name}.edited.cells.csv"
        )
