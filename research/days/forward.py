"""Walking forward day by day: each day predicted by fits on everything before it, less horizon and latency.

Days are compressed once, then each (day, horizon, model) is a task, then each (horizon, signal) is scored,
all on the backend that is asked for. This process hands out tasks and adds up what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from research import microprice
from research.days.backend import Crew, task
from research.days.evidence import Evidence, evidence
from research.days.job import Job
from research.days.scoring import Counted, Learned, compared, tallied
from research.days.tally import Frame
from research.days.tasks import TREES, Predicted, compress, predict
from research.days.units import Unit
from research.pairs import Pair
from research.rows.layout import DAY_NS
from research.rows.store import Day, Store
from research.scores import Score
from research.table import BASELINES, COVERAGES, LEARNED, selections
from shared.errors import BadInput

MIN_ROWS = 30  # to fit on

Progress = Callable[[str, float], None]  # (what, share done)
Compressed = list[dict[int, list[Unit]]]  # per day, by horizon


@dataclass(frozen=True)
class Walked:
    """What came of a walk."""

    days: tuple[str, ...]  # that were predicted
    predicted: list[Predicted]
    scores: list[Score]
    pairs: list[Pair]  # the last model against the baselines


class _Step(NamedTuple):
    """A day to predict and what is known before it."""

    day: Day
    before: tuple[Day, ...]
    learned: Learned
    evidence: dict[int, Evidence]


def compressed(
    store: Store, asked: Job, crew: Crew, progress: Progress, is_sampled: bool = False
) -> Compressed:
    """Every day in a few numbers; some of its rows written down for trees, or where `is_sampled`."""
    is_sampled |= TREES in asked.models
    return crew.run(
        (task(compress, day, asked, is_sampled) for day in store.days),
        len(store.days),
        lambda share: progress("compressing days", share),
    )


def walk(
    store: Store,
    asked: Job,
    crew: Crew,
    threshold: float,
    progress: Progress = lambda what, share: None,
    days: Compressed | None = None,
) -> Walked:
    """Predict every day but the first, and score. `days` are those of `compressed`, where they are known.
    Raises BadInput where there are fewer than two days, or too few rows before the last."""
    if len(store.days) < 2:
        raise BadInput(f"{store.folder}: rows of {len(store.days)} day; walking by days needs two")
    known = compressed(store, asked, crew, progress) if days is None else days
    learned: dict[str, Learned] = {}
    tested: list[Day] = []
    count = (len(store.days) - 1) * len(asked.horizons_s) * len(asked.models)

    def calls() -> Iterator[Callable[[], Predicted]]:
        for step in _steps(store, asked, known):
            learned[step.day.date] = step.learned
            tested.append(step.day)
            for h in asked.horizons_s:
                for model in asked.models:
                    yield task(predict, step.day, asked, h, model, step.evidence[h], step.before)

    predicted = crew.run(calls(), count, lambda share: progress("fitting and predicting", share))
    if not predicted:
        raise BadInput(f"{store.folder}: fewer than {MIN_ROWS} labelled rows before the last day")
    frame = Frame(tested[0].start_ns, tested[-1].start_ns + DAY_NS)
    scores, pairs = _table(tested, learned, asked, crew, threshold, frame, progress)
    return Walked(tuple(day.date for day in tested), predicted, scores, pairs)


def _steps(store: Store, asked: Job, days: Compressed) -> Iterator[_Step]:
    """One at a time, as tasks are asked for. Days with too little before them are left out."""
    quotes = microprice.no_counts()
    for at, day in enumerate(store.days[1:], start=1):
        before = store.days[:at]
        quotes = quotes.plus(before[-1].page().quotes)
        span = (day.start_ns, day.start_ns + DAY_NS)
        found = {h: evidence([one[h] for one in days[:at]], span) for h in asked.horizons_s}
        if min(one.everything.rows for one in found.values()) < MIN_ROWS:
            continue
        majority = {h: float(np.sign(one.everything.ups)) for h, one in found.items()}
        yield _Step(day, before, Learned(microprice.solved(quotes), majority), found)


def _table(
    days: Sequence[Day],
    learned: dict[str, Learned],
    asked: Job,
    crew: Crew,
    threshold: float,
    frame: Frame,
    progress: Progress,
) -> tuple[list[Score], list[Pair]]:
    """As `research.table.table`: by selection the models, then the baselines at the last model's coverage."""
    wanted = selections(threshold, COVERAGES)
    signals = (*BASELINES, *LEARNED)
    scores: list[Score] = []
    pairs: list[Pair] = []
    for at, h in enumerate(asked.horizons_s):

        def _count(
            names: Sequence[str], reached: float | None, stage: int, at: int = at, h: int = h
        ) -> list[Counted]:
            calls = (task(tallied, days, learned, asked, h, name, wanted, frame, reached) for name in names)
            return crew.run(calls, len(names), partial(_tell, at, stage))

        def _tell(at: int, stage: int, share: float) -> None:
            progress("scoring", (3 * at + stage + share) / (3 * len(asked.horizons_s)))

        models = _count(asked.models, None, 0)
        last = models[-1]
        baselines = _count(signals, last.reached, 1)
        for row in range(len(wanted)):
            scores += [one.scores[row] for one in (*models, *baselines)]
        calls = (
            task(compared, (last.name, one.name), wanted, h, (last.tallies, one.tallies), frame)
            for one in baselines
        )
        found = crew.run(calls, len(baselines), partial(_tell, at, 2))
        for row in range(len(wanted)):
            pairs += [one[row] for one in found]
    return scores, pairs
