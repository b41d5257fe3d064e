"""What the rows before a day say: everything at once, and held out in turn to choose a penalty by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from research.days.units import Part, Unit, joined, kept, merged

FOLDS = 5
UNITS_A_DAY = 6
MOST_ROWS = 5000  # of all triangles, one upon the other: above it a day becomes one unit


class Fold(NamedTuple):
    """Rows to fit on, and rows held out, unit by unit."""

    training: Part
    held_out: tuple[Part, ...]


class Evidence(NamedTuple):
    """All rows that may be trained on, and the folds among them."""

    everything: Part
    folds: tuple[Fold, ...]
    until_ns: int  # the end of the last unit


def evidence(days: Sequence[Sequence[Unit]], test: tuple[int, int] | None) -> Evidence:
    """Of days in order, each as its units. `test` is the span [start, end) that will be predicted, if any:
    rows whose labels reach into it are left out. Folds are `FOLDS` runs of consecutive units."""
    chosen = [unit for day in days for unit in day]
    width = len(chosen[0].body.low) + 2
    if len(chosen) * width > MOST_ROWS:
        chosen = [joined(day) for day in days]
    spans = [] if test is None else [test]
    found = []
    for held_out in np.array_split(np.arange(len(chosen)), min(FOLDS, len(chosen))):
        low, high = int(held_out[0]), int(held_out[-1])
        rest = [*chosen[:low], *chosen[high + 1 :]]
        if not rest:
            continue
        tested = chosen[low : high + 1]
        # A run of units may have a hole in it (a day without data), and each unit beside a hole counts.
        own = [(unit.start_ns, unit.end_ns) for unit in tested]
        # What is held out must end before the day to be predicted begins, too.
        whole = tuple(merged(kept([unit], spans)) for unit in tested)
        found.append(Fold(merged(kept(rest, [*spans, *own])), whole))
    return Evidence(merged(kept(chosen, spans)), tuple(found), chosen[-1].end_ns)


def without_few(folds: Sequence[Fold], least: int) -> list[Fold]:
    """The folds with at least `least` rows on both sides."""
    return [
        fold
        for fold in folds
        if fold.training.rows >= least and sum(one.rows for one in fold.held_out) >= least
    ]


def varying(rows: Part) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which features are not constant, (k,)."""
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = rows.high > rows.low
    return found
