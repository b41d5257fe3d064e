"""One signal of one horizon over all days that were predicted: a task, with a day in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from research.days.job import Job
from research.days.selection import Ranking
from research.days.tally import Frame, Moments, Tally, paired, scored
from research.labels import Floats
from research.microprice import states
from research.pairs import Pair
from research.rows.store import Day
from research.scores import Outcomes, Score, at_threshold
from research.table import BASELINES, Selection


class Learned(NamedTuple):
    """What the baselines know of the time before a day, by horizon for the majority."""

    microprice: Floats  # (20,), half ticks by state
    majority: dict[int, float]


class Counted(NamedTuple):
    """What a table needs of one signal."""

    name: str
    scores: list[Score]  # one for each selection
    tallies: list[Tally]  # the same
    reached: float  # coverage at the threshold


def tallied(
    days: Sequence[Day],
    learned: Mapping[str, Learned],
    asked: Job,
    horizon_s: int,
    name: str,
    selections: Sequence[Selection],
    frame: Frame,
    reached: float | None,
) -> Counted:
    """Count the hits of one signal under each selection; `learned` is by date. A baseline, which `reached` is
    given for, is selected with that coverage where a model is by its threshold."""
    ranking = Ranking()
    for signal in _signals(days, learned, asked, horizon_s, name):
        ranking.count(signal)
    coverages = [reached if one.coverage is None else one.coverage for one in selections]
    wanted = [coverage for coverage in coverages if coverage is not None]
    ranking.cut(wanted)
    for signal in _signals(days, learned, asked, horizon_s, name):
        ranking.refine(signal)
    ranked = iter(ranking.selectors())
    selectors = [None if coverage is None else next(ranked) for coverage in coverages]
    tallies = [Tally(frame) for _ in selections]
    moments = Moments()
    for day in days:
        after, mask = _outcomes(day, asked, horizon_s)
        signal = _signal(day, learned[day.date], asked, horizon_s, name)[mask]
        moments.add(signal, after.moves)
        for one, selector, tally in zip(selections, selectors, tallies, strict=True):
            if selector is None:
                chosen = at_threshold(signal, one.threshold or 0.0)
            else:
                chosen = selector.select(signal)
            tally.add(signal, chosen, after)
    scores = [
        scored(name, one.name, horizon_s, tally, moments, frame, is_move=reached is None)
        for one, tally in zip(selections, tallies, strict=True)
    ]
    share = next(
        (row.coverage for row, one in zip(scores, selections, strict=True) if one.coverage is None), 0.0
    )
    return Counted(name, scores, tallies, share)


def compared(
    names: tuple[str, str],
    selections: Sequence[Selection],
    horizon_s: int,
    tallies: tuple[Sequence[Tally], Sequence[Tally]],
    frame: Frame,
) -> list[Pair]:
    """One signal against another under each selection."""
    rows = zip(selections, *tallies, strict=True)
    return [paired(names, one.name, horizon_s, (mine, its), frame) for one, mine, its in rows]


def _signals(
    days: Sequence[Day], learned: Mapping[str, Learned], asked: Job, horizon_s: int, name: str
) -> Iterator[Floats]:
    for day in days:
        known = day.columns([f"known.{horizon_s}"])[f"known.{horizon_s}"]
        mask = known & _predicted(day, asked, horizon_s)
        yield _signal(day, learned[day.date], asked, horizon_s, name)[mask]


def _signal(day: Day, learned: Learned, asked: Job, horizon_s: int, name: str) -> Floats:
    found: Floats
    if name in BASELINES:
        column = name.replace(" ", "_")
        found = day.columns([column])[column]
    elif name == "microprice":
        told = day.columns(["imbalance_1", "spread_ticks"])
        found = learned.microprice[states(told["imbalance_1"], told["spread_ticks"])]
    elif name == "majority":
        found = np.full(day.page().rows, learned.majority[horizon_s])
    else:
        found = np.load(asked.moves_path(day.date, horizon_s, name))
    return found


def _predicted(day: Day, asked: Job, horizon_s: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows on which models predict: the same for all of them."""
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.isfinite(
        np.load(asked.moves_path(day.date, horizon_s, asked.models[0]))
    )
    return found


def _outcomes(
    day: Day, asked: Job, horizon_s: int
) -> tuple[Outcomes, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    names = ("recv_ns", f"y.{horizon_s}", f"late.{horizon_s}", "mid", "spread", f"known.{horizon_s}")
    told = day.columns(names)
    mask = told[names[-1]] & _predicted(day, asked, horizon_s)
    return Outcomes(horizon_s, *(told[name][mask] for name in names[:-1])), mask
