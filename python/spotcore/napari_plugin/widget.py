"""Dock widget of napari: how the count changed, and a button that saves the marks."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import Container, Label, LineEdit, PushButton

from spotcore.results import WellResult, open_well
from spotcore.results.edits import compare, save_edit

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
        self._well: WellResult | None = None
        self._yx = np.zeros((0, 2))
        self._shape = 0, 0
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
        well = open_well(about["record"])
        image = well.record().image
        self._layer, self._well, self._yx = layer, well, well.marks().yx
        self._shape = (0, 0) if image is None else (image.height, image.width)
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
        assert self._well is not None
        try:
            edit = compare(self._yx, self._layer.data, self._shape)
        except ValueError as error:
            self.count.value = str(error)
            return
        self.count.value = (
            f"{self._well.name}: {edit.count} spots; the original has "
            f"{len(self._yx)}, {len(edit.added)} added, {edit.removed} removed"
        )

    def _save(self) -> None:
        """Save beside the original; an error is napari's to show."""
        from napari.utils.notifications import show_info

        assert self._well is not None
        about = self._layer.metadata["spotcore"]
        edit = save_edit(
            self._well.files.record,
            self._layer.data,
            by=self.by.value,
            reason=self.reason.value,
            table_sha256=about["table_sha256"],
        )
        show_info(
            f"{edit.count} spots ({edit.added} added, {edit.removed} removed) "
            f"saved to {self._well.files.edited_cells}"
        )
