"""Plugin of napari: open a result, look at it, correct its marks (extra ``napari``).

result (files to layers), edits (marks to files) -> reader, widget, which napari.yaml names

`result` and `edits` do not need napari; they can be used by any other viewer.
"""
