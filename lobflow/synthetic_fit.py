"""Fitting on synthetic history: the first model of a symbol, and a further one while that serves.

What is imported here takes seconds and 200 MB (numba, pandas and scikit-learn): import it where a fit is due.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lobflow.console import console as console_for
from lobflow.model_folder import ModelFolder
from lobflow.promotion import Monitor, Refused
from lobflow.serving_history import promotion
from lobflow.train import show, summary
from research.contest import contest
from research.export import save
from research.history import END_NS, HOUR_NS, history
from research.scores import Score
from research.train import Training, rival_name, train_horizons
from services.model.predictor import Predictor
from shared.errors import LobflowError

EARLIER_NS = 24 * HOUR_NS  # a further history ends so long before the first: they share no time
SHOWN = ("auto", "imbalance 1", "imbalance 5", "microprice", "majority")
COVERAGES = ("100 %", "20 %")
PROMOTION_SECONDS = 90.0
# Who starts lobflow for the first time is to see a trade within a minute, in a calm minute too. Nothing is
# earned by waiting for a larger move here: all trades of the synthetic market lose their fees.
TRADED_QUANTILE = 0.5


def first(symbol: str, folder: ModelFolder, hours: float, seed: int, as_json: bool) -> dict[str, Any]:
    """Fit and save the first model of a symbol, and say what it is worth."""
    begun = time.monotonic()
    place = folder.place(symbol, hours, seed)
    training = _fit(as_json, symbol, hours, seed, END_NS)
    manifest = save(training, place)
    folder.name(symbol, manifest.version)
    walked = [score for row in training.horizons for score in row.scores]
    show(console_for(as_json), manifest, _brief(walked), [], place)
    answer = summary(manifest, walked, [], place, time.monotonic() - begun)
    return {**answer, "is_new": True, "peak_rss_mb": _peak_mb()}


def further(
    symbol: str,
    folder: ModelFolder,
    hours: float,
    seed: int,
    serving: Predictor,
    monitor: Monitor,
    as_json: bool,
) -> dict[str, Any]:
    """Fit a further model unless that was done, hold it against the model `serving`, and have it promoted."""
    begun, console, place = time.monotonic(), console_for(as_json), folder.place(symbol, hours, seed)
    served = _served(symbol, monitor)
    if served and not folder.has(served):  # of other features, by now: nothing is predicted
        why = f"model {served} cannot be used any more"
        monitor.promote(symbol, serving.version, "first_model", why, PROMOTION_SECONDS)
        console.print(f"{symbol}: {why}; {serving.version} serves")
    if serving.manifest.data[symbol].until_ns > END_NS:
        console.print(f"{symbol}: model {serving.version} is of no synthetic history: left alone")
        return {"version": serving.version, "is_promoted": False, "serves": True}
    fresh = folder.at(place)
    if fresh is not None and fresh.version == serving.version:
        console.print(f"{symbol}: model {serving.version} of {hours:g} h serves already")
        return {"version": serving.version, "is_promoted": False, "serves": True}
    told: dict[str, Any] = {}
    found = None if fresh is None else contest(fresh.manifest.horizons, serving.version)
    if fresh is None or found is None:
        folder.name(symbol, serving.version)  # two models lie there from now on
        training = _fit(as_json, symbol, hours, seed, END_NS - EARLIER_NS, serving)
        manifest = save(training, place)
        walked = [score for row in training.horizons for score in row.scores]
        show(console, manifest, _brief(walked, serving.version), [], place)
        told = summary(manifest, walked, [], place, time.monotonic() - begun)
        fresh, found = Predictor(manifest), contest(manifest.horizons, serving.version)
    if found is None:
        raise LobflowError(f"{symbol}: models {serving.version} and {fresh.version} cannot be compared")
    told |= {
        "version": fresh.version,
        "first": serving.version,
        "hit_rates": {name: pair._asdict() for name, pair in found.pairs.items()},
        "mean": found.means._asdict(),
        "is_promoted": found.is_passed,
        "serves": False,
        "peak_rss_mb": _peak_mb(),
    }
    console.print(f"{symbol}: {found.sentence}")
    if not found.is_passed:
        console.print(
            f"{symbol}: model {fresh.version} is worse and not promoted; {serving.version} serves on"
        )
        return told
    why = f"fitted on {hours:g} synthetic hours; {found.sentence}"
    from_id = monitor.promote(symbol, fresh.version, "first_model", why, PROMOTION_SECONDS)
    # Only now: no id below `from_id` is without its prediction any more, so a restart changes none.
    folder.name(
        symbol, fresh.version, promotion(symbol, fresh.version, serving.version, "first_model", why, from_id)
    )
    console.print(f"{symbol}: model {fresh.version} serves from id {from_id} on")
    return {**told, "serves": True, "from_id": from_id}


def _served(symbol: str, monitor: Monitor) -> str | None:
    """Which version predicts; None where nobody can be asked: a promotion asks again."""
    try:
        return monitor.serves(symbol)
    except Refused:
        return None


def _fit(
    as_json: bool, symbol: str, hours: float, seed: int, end_ns: int, rival: Predictor | None = None
) -> Training:
    """Simulate and fit, under a progress bar."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console_for(as_json),
        transient=True,
    ) as progress:
        task = progress.add_task(f"{symbol}: {hours:g} h of synthetic market", total=2.0)
        data = history(
            symbol, seed, hours, end_ns, progress=lambda share: progress.update(task, completed=share)
        )
        return train_horizons(
            data,
            progress=lambda what, share: progress.update(
                task, description=f"{symbol}: fitting {what}", completed=1.0 + share
            ),
            rival=rival,
            traded_quantile=TRADED_QUANTILE,
        )


def _brief(scores: Sequence[Score], rival: str = "") -> list[Score]:
    """What fits a screen: the served kind beside its rival and the baselines, at two coverages."""
    names = (*SHOWN, rival_name(rival)) if rival else SHOWN
    return [score for score in scores if score.name in names and score.selection in COVERAGES]


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)
