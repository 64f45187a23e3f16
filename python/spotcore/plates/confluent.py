"""What only a plate as a whole can tell of a well: how a bare membrane of it looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from spotcore.results import Record
from spotcore.wells.confluence import BARE, Staining, overlap

__all__ = ["confluent"]

#: Confluence is what blurs some of the wells that seem out of focus.
_JUDGED = ("counted", "empty", "out_of_focus")
_FEWEST = 8  # wells, for a plate to show what bare is
#: Of the wells' levels these quantiles are bare; the range of those is no staining.
_BARE, _BARE_RANGE = 0.1, (0.05, 0.25)
#: Membranes of a plate differ: less than this share of the level that is assumed for a bare one, if
#: nothing is known of it, is no staining.
_LEAST = 0.5


def confluent(records: Sequence[Record]) -> list[str | None]:
    """Find the wells that are confluent by the membrane of the least stained wells of their plate.

    A picture by itself does not say how bright its membrane would be without spots, and a
    confluent well looks like an empty one of another shade (`spotcore.wells.confluence`). On a
    plate some wells are nearly bare. If none is, nothing is found that the pictures do not say.

    Parameters
    ----------
    records : sequence of Record
        Of the pictures of one channel.

    Returns
    -------
    list of str or None
        Why each is confluent, None for those that are not.
    """
    judged = [record.well if record.status in _JUDGED else None for record in records]
    polarities = Counter(well.polarity for well in judged if well is not None)
    common = polarities.most_common(1)[0][0] if polarities else None
    stainings = [
        well.staining if well is not None and well.polarity == common else None for well in judged
    ]
    levels = [staining.level for staining in stainings if staining is not None]
    if common is None or len(levels) < _FEWEST:
        return [None] * len(records)
    low, high = np.quantile(levels, _BARE_RANGE)
    bare = float(np.quantile(levels, _BARE) + high - low)
    least = bare + _LEAST * BARE[common]

    def why(staining: Staining) -> str | None:
        density = overlap(staining, bare, assumed=True)
        if not (staining.level > least and staining.is_confluent(density)):
            return None
        return f"confluent by the plate's membrane: some {density:.0f} spots overlap at any point"

    return [None if staining is None else why(staining) for staining in stainings]
