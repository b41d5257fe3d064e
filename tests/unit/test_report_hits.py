"""Hit rates on the page: an interval of few blocks is said to be unreliable wherever it stands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from research.report import hits
from research.scores import Outcomes, Score, at_coverage, score


@pytest.fixture(scope="module")
def long() -> Score:
    draws = np.random.default_rng(1)
    moves = draws.choice([-1.0, 1.0], 3_000)
    flat = np.ones(3_000)
    after = Outcomes(5, np.arange(3_000, dtype=np.int64) * 10**9, moves, moves, 60_000.0 * flat, 0.1 * flat)
    found = score("linear", "100 %", moves, at_coverage(moves, 1.0), after, is_move=True)
    assert found.is_reliable
    return found


def test_tables_say_beside_the_interval_whether_it_is_reliable(long: Score) -> None:
    short = replace(long, selection="|yhat| ≥ 0.5", blocks=5, is_reliable=False)
    slides = hits.slides([short], 0.5)
    assert dict(zip([c.name for c in slides.columns], slides.rows[0], strict=True))["reliable"] is False
    table = hits.table([short])
    names = [column.name for column in table.columns]
    assert names[names.index("95 % from") :][:4] == ["95 % from", "to", "blocks", "reliable"]
    assert table.rows[0][names.index("blocks")] == 5
    assert table.rows[0][names.index("reliable")] is False


def test_the_picture_says_how_many_intervals_are_unreliable(long: Score) -> None:
    short = replace(long, name="lasso", blocks=29, is_reliable=False)
    assert "unreliable" not in hits.at_coverage([long]).note
    assert (
        "1 of the 2 rests on fewer than 30 blocks and is unreliable" in hits.at_coverage([long, short]).note
    )
    both = hits.at_coverage([short, replace(short, name="ridge")]).note
    assert "All of them rest on fewer than 30 blocks and are unreliable" in both
