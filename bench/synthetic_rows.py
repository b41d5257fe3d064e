"""Staged rows drawn from a law, days of them in seconds: columns, sizes and gaps of real rows, and nothing
else of a market. The market simulation would take half a day for a month.

A pressure that lasts some seconds moves the mid a little and shows in every feature, each with noise of its
own; volatility wanders over minutes. Labels look into the next day, as those of recordings do.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from scipy.signal import lfilter

from research.feature_sets import FLOW
from research.labels import Floats, Ints
from research.microprice import Quotes, count
from research.rows.layout import DAY_NS, SOURCE, Labels, Plan, Rows, Source, date_at, plan
from research.rows.store import Store, opened
from research.rows.writing import DayFile
from services.features import schema
from services.recorder.place import replace
from shared.units import SECOND

SECONDS = 86_400
FIRST_DAY = 17_897  # 2019-01-01, in days since 1970: before any recording
TICK = 0.1  # USDT
GAPS_A_DAY = 3
PRESSURE = 0.15  # of sigma per second, at a pressure of one standard deviation


class _Day(NamedTuple):
    """One row a second; `values` (n, k) in the order of the plan, the rest (n,)."""

    values: Floats
    steps: Floats  # change of the mid to the next second, quote currency
    spread_ticks: Ints
    gaps: Ints  # seconds at which the feed broke, ascending


def make(
    folder: Path,
    days: int,
    horizons_s: tuple[int, ...],
    progress: Callable[[float], None] = lambda share: None,
    seed: int = 1,
    around_midnight: int = SECONDS // 2,
    feature_set: str = FLOW,
) -> Store:
    """Rows of `days` days in `folder`, a day and the next in memory at a time; of each day so many seconds
    after and before midnight, all of it by default."""
    made = plan(feature_set, horizons_s)
    folder.mkdir(parents=True)
    here, mid, breaks = _drawn(made, seed, 0), 60_000.0, 0
    for number in range(days):
        following = _drawn(made, seed, number + 1)
        mid, breaks = _write(folder, made, number, (here, following), mid, breaks, around_midnight)
        here = following
        progress((number + 1) / days)
    start_ns = FIRST_DAY * DAY_NS
    source = Source(
        symbol="BTCUSDT",
        source=f"drawn {days} days, seed {seed}",
        sha256="",
        schema=schema.SCHEMA_HASH,
        sample_ms=made.sample_ms,
        horizons_s=made.horizons_s,
        latency_ns=made.latency_ns,
        names=made.names,
        from_ns=start_ns,
        until_ns=start_ns + days * DAY_NS - SECOND,
        entries=days * SECONDS,
        days=tuple(date_at(start_ns + number * DAY_NS) for number in range(days)),
    )
    replace(folder / SOURCE, msgspec.json.encode(source))
    return opened(folder)


def _drawn(made: Plan, seed: int, number: int) -> _Day:
    draw = np.random.default_rng([seed, number])
    pressure = _wander(draw, SECONDS, 6.0)
    sigma = 2.0 * np.exp(0.5 * _wander(draw, SECONDS, 600.0))
    sigmas = dict(zip(schema.SIGMAS, (sigma, 2.0 * np.sqrt(sigma / 2.0)), strict=True))
    values = np.empty((SECONDS, len(made.names)))
    for at, name in enumerate(made.names):
        own = _wander(draw, SECONDS, 1.0 + at % 7)
        values[:, at] = sigmas[name] if name in sigmas else np.tanh(0.4 * pressure + 0.6 * own)
    steps = sigma * (PRESSURE * pressure + draw.normal(0.0, 1.0, SECONDS))
    spread_ticks = np.where(draw.random(SECONDS) < 0.9, 1, draw.integers(2, 6, SECONDS))
    gaps = np.sort(draw.choice(np.arange(60, SECONDS), GAPS_A_DAY, replace=False))
    return _Day(values, np.round(steps / TICK) * TICK, spread_ticks, gaps)


def _wander(draw: np.random.Generator, rows: int, lasting_s: float) -> Floats:
    """A stationary first-order series of variance one."""
    keep = np.exp(-1.0 / lasting_s)
    shocks = draw.normal(0.0, np.sqrt(1.0 - keep**2), rows)
    shocks[0] = draw.normal()
    found: Floats = lfilter([1.0], [1.0, -keep], shocks)
    return found


def _write(
    folder: Path,
    made: Plan,
    number: int,
    days: tuple[_Day, _Day],
    mid: float,
    breaks: int,
    around_midnight: int,
) -> tuple[float, int]:
    """One day's file. Returns the mid with which the next day begins, and the breaks before it."""
    here, following = days
    start_ns = (FIRST_DAY + number) * DAY_NS
    recv_ns = start_ns + np.arange(SECONDS, dtype=np.int64) * SECOND
    reach = max(made.horizons_s) + 1
    path = mid + np.cumsum(np.concatenate([[0.0], here.steps, following.steps[:reach]]))
    at = np.arange(SECONDS)
    before = breaks + np.searchsorted(here.gaps, at, "right")
    last = np.concatenate([[-60], here.gaps])[np.searchsorted(here.gaps, at, "right")]
    mids = path[:SECONDS]
    one, five = (made.names.index(name) for name in ("imbalance_1", "imbalance_5"))
    rows = Rows(
        recv_ns=recv_ns,
        clean_ns=np.minimum(at - last, 60) * SECOND,
        breaks_before=before,
        mid=mids,
        spread=here.spread_ticks.astype(np.float64) * TICK,
        spread_ticks=here.spread_ticks,
        imbalance_1=here.values[:, one].copy(),
        imbalance_5=here.values[:, five].copy(),
        last_return=np.where(np.diff(before, prepend=breaks) == 0, np.diff(mids, prepend=mids[0]), 0.0),
        values=here.values,
    )
    labels = Labels({}, {}, {})
    for h in made.horizons_s:
        moves = path[h : SECONDS + h] - mids
        labels.known[h] = breaks + np.searchsorted(here.gaps, at + h, "right") == before
        labels.y[h] = np.where(labels.known[h], moves, 0.0)
        # One book a second: 100 ms later it is still the same.
        labels.late[h] = np.where(labels.known[h], moves, np.nan)
    quotes = Quotes(
        recv_ns,
        np.round(2.0 * mids / TICK).astype(np.int64),
        rows.imbalance_1,
        here.spread_ticks.astype(np.int64),
        before,
    )
    day = DayFile(folder, date_at(start_ns), made)
    for chosen in (
        slice(0, around_midnight // 2),
        slice(around_midnight // 2, around_midnight),
        slice(SECONDS - around_midnight, SECONDS - around_midnight // 2),
        slice(SECONDS - around_midnight // 2, SECONDS),
    ):
        cut = Labels._make({h: column[chosen] for h, column in kind.items()} for kind in labels)
        day.add(rows.part(chosen), cut)
    day.close("BTCUSDT", "drawn", start_ns + here.gaps * SECOND, count(quotes))
    return float(path[SECONDS]), breaks + len(here.gaps)
