"""Plugin of napari: open a result, look at it, correct its marks (extra ``napari``).

layers (a result to layers, no napari needed) -> reader, widget, which napari.yaml names
"""
