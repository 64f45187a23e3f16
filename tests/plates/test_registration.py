from __future__ import annotations

import numpy as np
import pytest

from spotcore.plates.registration import register
from support.point_sets import Points, disc


def channels(
    rng: np.random.Generator,
    shift: tuple[float, float],
    *,
    n: int = 150,
    common: float = 0.3,
    jitter: float = 0.6,
    power: float = 0.5,
) -> tuple[Points, Points]:
    """Two channels of a well, the second moved, with a share of common cells."""
    p = disc(rng, n, power=power)
    shared = p[: round(common * n)] + rng.normal(0, jitter, (round(common * n), 2))
    q = np.concatenate([shared, disc(rng, n - len(shared), power=power)])
    return p, rng.permutation(q) + shift


@pytest.mark.parametrize("power", [0.5, 1.0])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (7.4, -3.2), (-14.0, 9.5)])
def test_a_known_shift_is_found(shift: tuple[float, float], power: float) -> None:
    for seed in range(10):
        p, q = channels(np.random.default_rng(seed), shift, power=power)
        found = register([p], [q])
        assert found.significant and found.p < 1e-3
        assert found.offset == pytest.approx(np.negative(shift), abs=0.3)
        assert found.apply(q) == pytest.approx(q - shift, abs=0.3)
        assert np.array_equal(found.matrix, np.eye(2))


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_no_shift_is_invented(power: float) -> None:
    found = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        p, q = disc(rng, 200, power=power), disc(rng, 150, power=power)
        result = register([p], [q])
        found += result.significant
        if not result.significant:
            assert np.array_equal(result.apply(q), q) and result.pairs == 0
    assert found <= 1


def test_clumps_and_double_marks_do_not_invent_a_shift() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        p = np.repeat(disc(rng, 60), 3, axis=0) + rng.normal(0, 1.5, (180, 2))
        q = np.repeat(disc(rng, 60), 3, axis=0) + rng.normal(0, 1.5, (180, 2))
        assert not register([p], [q]).significant


def test_wells_vote_together() -> None:
    rng = np.random.default_rng(3)
    wells = [channels(rng, (6.0, -4.0), n=60, common=0.05) for _ in range(24)]
    alone = [register([p], [q]).significant for p, q in wells]
    assert np.mean(alone) < 0.5
    together = register(*zip(*wells, strict=True))
    assert together.significant
    assert together.offset == pytest.approx((-6.0, 4.0), abs=0.3)
    other = register([p for p, _ in wells], [q for _, q in (*wells[1:], wells[0])])
    assert not other.significant  # the wells of other wells


def test_rotation_and_scale() -> None:
    rng = np.random.default_rng(4)
    angle, scale = np.deg2rad(0.4), 1.004
    p, q = channels(rng, (0.0, 0.0), n=300, jitter=0.3)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (q - 256) @ turn.T + 256 + (5.0, -3.0)
    found = register([p], [moved], similarity=True)
    assert found.significant
    assert np.abs(found.apply(moved) - q).max() < 0.3
    shift_only = register([p], [moved])
    assert np.abs(shift_only.apply(moved) - q).max() > 1.0


def test_few_spots_have_no_shift() -> None:
    p = np.array([[10.0, 10.0], [30.0, 40.0], [80.0, 20.0]])
    assert not register([p], [p + 2]).significant
    assert not register([p], [np.zeros((0, 2))]).significant
    assert not register([], []).significant


def test_bad_input_is_named() -> None:
    p = np.zeros((3, 2))
    with pytest.raises(ValueError, match="moving: expected 1 wells, as fixed has, got 0"):
        register([p], [])
    with pytest.raises(ValueError, match="reach: expected more than twice the tolerance"):
        register([p], [p], tolerance=5, reach=10)
    with pytest.raises(ValueError, match=r"moving\[0\]"):
        register([p], [[[1.0, np.nan]]])
