"""Files as the world writes them: each is read as what it is, or refused in so many words."""

from __future__ import annotations

import re

import numpy as np
import pytest

from spotcore.images.read import read_image
from spotcore.images.refusal import ImageError
from support.corpus import CASES as PLAIN
from support.corpus import FOLDER
from support.corpus_microscopes import CASES as MICROSCOPES

CASES = PLAIN | MICROSCOPES


@pytest.mark.parametrize("name", CASES)
def test_a_file_is_what_it_is(name: str) -> None:
    case = CASES[name]
    if case.pixels is None:
        with pytest.raises(ImageError, match=f"(?s){re.escape(name)}.*({case.words})"):
            read_image(FOLDER / name, **case.options)
        return
    found = read_image(FOLDER / name, **case.options)
    np.testing.assert_allclose(found.pixels, case.pixels, atol=case.within or 1e-3)
    assert found.full_scale == case.full_scale
    assert found.pixel_size == (None if case.pixel_size is None else pytest.approx(case.pixel_size))
    assert re.search(case.words, "; ".join(found.notes))
    assert bool(found.notes) == bool(case.words)


def test_each_file_has_its_case() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(CASES)


def test_what_is_turned_says_so() -> None:
    for orientation in range(1, 9):
        assert read_image(FOLDER / f"turned_{orientation}.png").orientation == orientation
