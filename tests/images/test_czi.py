"""What a CZI's metadata says, which its writer in the corpus does not write."""

from __future__ import annotations

import czifile
import pytest

from spotcore.images.read import contents, read_image
from support.corpus import FOLDER

XML = """<ImageDocument><Metadata>
<Information><Image>{bits}<Dimensions><Channels>
<Channel Name="FITC"/><Channel Name="{second}"/><Channel Name="DAPI"/>
</Channels></Dimensions></Image></Information>
<Scaling><Items><Distance Id="X"><Value>{x}</Value></Distance>
<Distance Id="Y"><Value>6.45e-06</Value></Distance></Items></Scaling>
</Metadata></ImageDocument>"""
BITS = "<ComponentBitCount>12</ComponentBitCount>"


def says(monkeypatch: pytest.MonkeyPatch, **words: str) -> None:
    held = XML.format(**{"bits": BITS, "second": "Cy3", "x": "6.45e-06"} | words)
    monkeypatch.setattr(czifile.CziFile, "metadata", lambda self, raw=True: held)


def test_the_bits_of_the_camera_are_the_full_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_image(FOLDER / "zstd.czi").full_scale == 65535
    says(monkeypatch)
    picture = read_image(FOLDER / "zstd.czi")
    assert picture.full_scale == 4095 and picture.pixel_size == pytest.approx(6.45)
    says(monkeypatch, bits="<ComponentBitCount>8</ComponentBitCount>")  # less than there is
    assert read_image(FOLDER / "zstd.czi").full_scale == 65535


def test_what_cannot_be_believed_costs_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, x="7e-06")
    assert "not square" in read_image(FOLDER / "grey.czi").notes[0]
    says(monkeypatch, x="6,45e-06")
    picture = read_image(FOLDER / "grey.czi")
    assert picture.pixel_size is None and "metadata cannot be read" in picture.notes[0]
    says(monkeypatch, bits="<Image")
    assert "metadata cannot be read" in read_image(FOLDER / "grey.czi").notes[0]


def test_channels_of_one_name_have_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch)
    assert contents(FOLDER / "channels.czi") == (1, ("FITC", "Cy3", "DAPI"))
    for second in ("FITC", ""):
        says(monkeypatch, second=second)
        assert contents(FOLDER / "channels.czi") == (1, ("0", "1", "2"))
