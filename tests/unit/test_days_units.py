"""Compressed rows say of a fit what the rows themselves say, part by part and purged."""

from __future__ import annotations

import numpy as np
import pytest

from research.days.evidence import evidence
from research.days.units import Unit, joined, kept, merged, part, units
from research.splits import purged_blocks
from shared.units import SECOND

REACH_NS, EMBARGO_NS = 5 * SECOND + 100_000_000, 6 * SECOND
DAY_NS = 4000 * SECOND  # days of the tests


class Drawn:
    """`days` days of a row a second, the second day without its first half."""

    def __init__(self, days: int, seed: int = 3, width: int = 4) -> None:
        draw = np.random.default_rng(seed)
        at = np.arange(days * 4000)
        at = at[(at < 4000) | (at >= 6000)]
        self.recv_ns = at * SECOND
        self.X = draw.uniform(-1.0, 1.0, (len(at), width))
        self.sigmas = draw.uniform(1.0, 4.0, (len(at), 2))
        self.y = self.sigmas[:, 0] * (0.3 * self.X[:, 0] + draw.normal(0.0, 1.0, len(at)))

    def day(self, number: int, count: int, powers: tuple[float, ...] = (1.0, -0.5)) -> list[Unit]:
        start_ns = number * DAY_NS
        inside = (self.recv_ns >= start_ns) & (self.recv_ns < start_ns + DAY_NS)
        return units(
            self.X[inside], self.sigmas[inside], self.y[inside], self.recv_ns[inside], 5,
            (start_ns, start_ns + DAY_NS), count, REACH_NS, EMBARGO_NS, powers,
        )  # fmt: skip

    def products(self, mask: np.ndarray, power: float) -> np.ndarray:
        sigma, slow = self.sigmas.T
        scale = slow ** (1.0 - power) * sigma**power
        rows = self.X * (scale / sigma)[:, None]
        table = np.column_stack([rows, self.y / (sigma * np.sqrt(5.0))])[mask]
        return table.T @ table


def check(found, drawn: Drawn, mask: np.ndarray) -> None:
    assert found.rows == mask.sum()
    assert found.ups == np.sign(drawn.y[mask]).sum()
    np.testing.assert_array_equal(found.low, drawn.X[mask].min(axis=0))
    np.testing.assert_array_equal(found.high, drawn.X[mask].max(axis=0))
    for power, triangle in found.triangles.items():
        assert triangle.shape == (5, 5)
        expected = drawn.products(mask, power)
        np.testing.assert_allclose(triangle.T @ triangle, expected, rtol=1e-11, atol=1e-9)


def test_all_rows_are_in_the_parts() -> None:
    drawn = Drawn(3)
    found = [unit for number in range(3) for unit in drawn.day(number, 6)]
    check(merged(kept(found, [])), drawn, np.ones(len(drawn.y), dtype=bool))
    whole = joined(drawn.day(2, 6))
    assert (whole.start_ns, whole.end_ns) == (2 * DAY_NS, 3 * DAY_NS)
    check(merged(kept([whole], [])), drawn, drawn.recv_ns >= 2 * DAY_NS)


@pytest.mark.parametrize(("days", "most"), [(2, 5000), (5, 5000), (5, 60)])
def test_what_reaches_into_the_day_to_predict_is_left_out(
    days: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("research.days.evidence.MOST_ROWS", most)  # below it days are joined
    drawn = Drawn(days)
    start_ns = (days - 1) * DAY_NS
    found = evidence([drawn.day(number, 6) for number in range(days - 1)], (start_ns, start_ns + DAY_NS))
    check(found.everything, drawn, drawn.recv_ns + REACH_NS < start_ns)


def test_folds_are_purged_blocks() -> None:
    drawn = Drawn(1)
    span = (0, int(drawn.recv_ns[-1]) + 1)
    cut = units(drawn.X, drawn.sigmas, drawn.y, drawn.recv_ns, 5, span, 5, REACH_NS, EMBARGO_NS, (1.0, -0.5))
    found = evidence([cut], None)
    splits = list(purged_blocks(drawn.recv_ns, 5, REACH_NS, EMBARGO_NS))
    assert len(found.folds) == len(splits) == 5
    for fold, (training, test) in zip(found.folds, splits, strict=True):
        check(fold.training, drawn, training)
        check(merged(fold.held_out), drawn, test)


def test_a_hole_between_days_needs_no_purging() -> None:
    drawn = Drawn(3)
    far = 5 * DAY_NS
    found = evidence([drawn.day(0, 2), drawn.day(2, 2)], (far, far + DAY_NS))
    mask = (drawn.recv_ns < DAY_NS) | (drawn.recv_ns >= 2 * DAY_NS)
    check(found.everything, drawn, mask)


def test_raw_units_center_both_sides() -> None:
    drawn = Drawn(2)
    one = part(drawn.X, None, drawn.y, 5, (1.0,))
    rest = one.triangles[1.0][1:, 1:]
    both = np.column_stack([drawn.X, drawn.y])
    centered = both - both.mean(axis=0)
    np.testing.assert_allclose(rest.T @ rest, centered.T @ centered, rtol=1e-11, atol=1e-9)


def test_no_rows_are_a_part_too() -> None:
    empty = part(np.empty((0, 4)), np.empty((0, 2)), np.empty(0), 5, (1.0, -0.5))
    drawn = Drawn(1)
    whole = merged(kept(drawn.day(0, 3), []))
    check(merged([empty, whole, empty]), drawn, np.ones(len(drawn.y), dtype=bool))
