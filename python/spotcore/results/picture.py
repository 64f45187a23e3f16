"""Where the picture of a result is, also after the folder was moved: one rule for all that asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spotcore.images.picture import Picture
from spotcore.images.read import read_image
from spotcore.images.refusal import ImageError
from spotcore.results.record import Record

__all__ = ["find_picture"]

_ABOVE, _PARTS = 2, 3  # folders above the record's, and last parts of the path, that are tried


def find_picture(record: Record, folder: Path) -> Picture:
    """Read the picture that was analysed: never another one.

    It is looked for where the record says, and then, by the last parts of its path
    (``images/A1.png``, ``A1.png``), in the record's folder and the two above. So a result that was
    moved with its pictures is found, as one whose pictures were put beside it. The first file with
    the record's digest is it.

    Parameters
    ----------
    record : Record
        Of the picture.
    folder : pathlib.Path
        Where the record is.

    Returns
    -------
    Picture
        As the analysis read it.

    Raises
    ------
    ImageError
        If there is none; the message says whether it is missing, has changed or cannot be read.
    """
    if not record.file:
        raise ImageError("the image file is not known")
    why = f"{record.file} is missing"
    for place in dict.fromkeys(_places(record.file, folder.resolve())):
        if not place.is_file():
            continue
        try:
            picture = read_image(
                place,
                record.settings.get("channel")
                if record.file_channel is None
                else record.file_channel,
                record.page,
                projection=record.settings.get("projection", "none"),
                full_scale=record.settings.get("full_scale"),
            )
        except (ImageError, OSError, ImportError) as error:
            why = str(error)
            continue
        if picture.sha256 == record.sha256:
            return picture
        why = f"{place} has changed since it was analysed (another digest)"
    raise ImageError(why)


def _places(file: str, folder: Path) -> Iterator[Path]:
    """Yield where a picture may be, the likeliest first."""
    yield Path(file)
    around = (folder, *folder.parents[:_ABOVE])
    for place in around:
        yield place / file
    parts = file.replace("\\", "/").split("/")  # the record may be of another system
    for number in range(min(len(parts), _PARTS), 0, -1):
        for place in around:
            yield place.joinpath(*filter(None, parts[-number:]))
