"""Real wells, beside what an eye saw on them before any mark was drawn.

How many of the hand-marked spots are found is in `test_ratchet.py`.
"""

from __future__ import annotations

import numpy as np
import pytest

from spotcore.images.read import read_image
from support.solved import solved


@pytest.fixture(scope="module")
def real(shared_data):
    """Solve each real well once."""
    kept = {}

    def solve(name):
        if name not in kept:
            kept[name] = solved(read_image(shared_data / f"wells/{name}.tif").pixels)
        return kept[name]

    return solve


# Discs of bare membrane (y, x, radius).
BARE = {
    "test1": [(60, 195, 17), (250, 313, 8), (340, 280, 17), (420, 340, 15)],
    "test3": [(165, 410, 15), (310, 440, 17), (420, 335, 15), (110, 420, 14)],
}
# test6 has few spots, of which these are plain, and many scratches. Points on some of them.
PLAIN = [(189, 146), (191, 237), (384, 177), (330, 180), (433, 250), (163, 348), (307, 216)]
SCRATCHED = [(120, 381), (108, 388), (101, 400), (165, 423), (416, 228), (297, 134)]


@pytest.mark.parametrize("name", ["test1", "test3", "test4", "test6"])
def test_cells_lie_in_the_well_and_apart(real, name):
    well, cells = real(name)
    assert (well.preset, well.polarity) == ("well", "dark")
    assert well.circle is not None and len(cells) > 0
    from_centre = np.hypot(cells.y - well.circle.y, cells.x - well.circle.x)
    assert from_centre.max() < 1.05 * well.circle.radius
    distance = np.hypot(*(cells.yx[:, None] - cells.yx[None]).T.astype(float))
    assert (distance + 9 * np.eye(len(cells))).min() >= 2  # no spot has two marks on it


@pytest.mark.parametrize("name", sorted(BARE))
def test_bare_membrane_carries_no_mark(real, name):
    _, cells = real(name)
    for y, x, radius in BARE[name]:
        assert np.hypot(cells.y - y, cells.x - x).min() > radius, (y, x)


def test_a_scratched_well(real):
    _, cells = real("test6")
    distance = {at: np.hypot(*(cells.yx - at).T.astype(float)) for at in PLAIN + SCRATCHED}
    for at in PLAIN:
        assert (distance[at] <= 4).sum() == 1, at
    for at in SCRATCHED:
        assert distance[at].min() > 4, at
