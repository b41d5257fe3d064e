"""The data profile of a report: how the price moves, how the book is filled, and the book as it was last."""

from __future__ import annotations

from math import sqrt

import numpy as np

from research.dataset import Dataset
from research.labels import Floats, Ints, labels
from research.names import Names, names_of
from research.profile import Profile, profile
from research.report import seeds
from research.report.page import Section
from research.report.picture import (
    ASK,
    BID,
    FIT,
    MEASURED,
    QUIET,
    SECOND_FIT,
    Picture,
    canvas,
    canvases,
    elapsed,
    png,
)
from research.report.table import Table, Value, columns
from services.features import schema
from shared.units import SECOND

LADDER_TIERS = 20
PATH_POINTS = 20_000  # of the mid, drawn and kept
WIDEST_TICKS = 12  # of the spread, drawn one by one


def section(data: Dataset) -> Section:
    """Everything about the market itself. Raises BadInput where there is no row."""
    found = profile(data)
    return Section(
        "market",
        "The market",
        (
            "Mid is the mean of best bid and ask of the last whole book at or before each full second, by "
            "time of receipt. Changes across a gap are left out.",
            _figures(data, found),
            path(data),
            changes(data),
            tiers(found, names_of(data.symbol)),
            spreads(data),
            ladder(data),
        ),
    )


def _figures(data: Dataset, found: Profile) -> Table:
    nearest, farthest = seeds.TIER_DISTANCES_USDT
    mid = float(data.mid.mean())
    quote, size = names_of(data.symbol)
    rows: list[tuple[Value, ...]] = [
        ("first mid price", found.mid_first, quote, None),
        ("last mid price", found.mid_last, quote, None),
        ("highest mid price of a full second", float(data.mid.max()), quote, None),
        ("lowest mid price of a full second", float(data.mid.min()), quote, None),
        ("standard deviation of 1 s changes", found.change_1s_sd, quote, seeds.CHANGE_1S_USDT),
        ("the same, of the price", found.change_1s_sd / mid * 1e4, "bps", None),
        ("seconds without a change", 100.0 * found.change_1s_zero_share, "%", None),
        ("least distance of a tier from the mid", found.tier_distance_least, quote, nearest),
        ("largest distance of a tier from the mid", found.tier_distance_largest, quote, farthest),
        ("spread, mean", found.spread_mean, quote, None),
        ("seconds at a spread of one tick", 100.0 * found.spread_one_tick_share, "%", None),
        ("size at the best bid, mean", found.bid_depth[0], size, None),
        ("size at the best ask, mean", found.ask_depth[0], size, None),
        ("size of 20 bids, mean", sum(found.bid_depth), size, None),
        ("size of 20 asks, mean", sum(found.ask_depth), size, None),
        ("aggTrades per second", found.trades_per_second, "1/s", None),
    ]
    return Table(
        "profile",
        "Data profile",
        columns("quantity", "here|,.6g", "unit", "the slides|,.4g"),
        rows,
        "The slides' figures are of BTCUSDT perpetual at about 66,000 USDT, June 2024.",
    )


def path(data: Dataset) -> Picture:
    """The mid over the time of the data; gaps as bands."""
    figure, axes = canvas("", f"mid price, {names_of(data.symbol).quote}")
    at, label = elapsed((data.recv_ns - data.from_ns) / SECOND)
    unit = float((data.recv_ns[-1] - data.from_ns) / at[-1]) if at[-1] > 0 else 1.0
    axes.set_xlabel(label)
    line = data.mid.copy()
    follows = np.diff(data.breaks_before, prepend=data.breaks_before[:1]) == 0
    apart = np.diff(data.recv_ns, prepend=data.recv_ns[:1]) <= 2 * data.sample_ms * 1_000_000
    line[~(follows & apart)] = np.nan
    step = max(1, len(at) // PATH_POINTS)
    axes.plot(at[::step], line[::step], color=MEASURED, linewidth=1.0)
    for at_ns in breaks_of(data)[:200].tolist():
        axes.axvline((at_ns - data.from_ns) / unit, color=SECOND_FIT, linewidth=0.8, alpha=0.6)
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    table = Table(
        "mid",
        "Mid by second" if step == 1 else f"Mid, every {step}th row",
        columns("recv_ns", "mid|,.8g", "spread|.6g"),
        list(
            zip(
                data.recv_ns[::step].tolist(),
                data.mid[::step].tolist(),
                data.spread[::step].tolist(),
                strict=True,
            )
        ),
    )
    gaps = gaps_of(data)
    note = f"Breaks of the feed are marked: {gaps}." if gaps else "No break of the feed."
    return Picture("mid", "Mid price", png(figure), note, table)


def breaks_of(data: Dataset) -> Ints:
    """When the feed broke, ns; that it begins without a book is no break."""
    breaks: Ints = data.track.breaks_ns[data.track.breaks_ns > data.track.recv_ns[0]]
    return breaks


def gaps_of(data: Dataset) -> int:
    """How many breaks of the feed there are."""
    return len(breaks_of(data))


def changes(data: Dataset) -> Picture:
    """How far the mid moves in a second, beside a normal law of the same deviation."""
    figure, axes = canvas(
        f"change of the mid in 1 s, {names_of(data.symbol).quote}", "share of seconds per bin"
    )
    moves, known = labels(data.track, data.recv_ns, data.breaks_before, SECOND)
    moves = moves[known]
    sd = float(moves.std()) if len(moves) else 0.0
    reach = max(4.0 * sd, float(np.abs(moves).max()) if len(moves) < 50 else 0.0, 1e-9)
    counts, edges = np.histogram(moves, bins=61, range=(-reach, reach))
    shares = counts / max(1, len(moves))
    centers, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    normal = width / (sd * sqrt(2 * np.pi)) * np.exp(-0.5 * (centers / sd) ** 2) if sd > 0 else np.zeros(61)
    axes.bar(centers, shares, width=0.9 * width, color=QUIET, label="measured")
    axes.plot(
        centers,
        normal,
        color=FIT,
        label=f"normal law of the same deviation, {sd:.3g} {names_of(data.symbol).quote}",
    )
    axes.set_yscale("log")
    axes.set_ylim(bottom=max(0.2 / max(1, len(moves)), 1e-7))
    axes.legend(frameon=False, fontsize=9)
    outside = float((np.abs(moves) > reach).mean()) if len(moves) else 0.0
    table = Table(
        "changes-1s",
        "Changes of the mid in 1 s",
        columns("from|.4g", "to|.4g", "share|.5f", "normal|.5f"),
        list(zip(edges[:-1].tolist(), edges[1:].tolist(), shares.tolist(), normal.tolist(), strict=True)),
    )
    note = f"{outside:.2%} of the seconds lie outside the picture." if outside else ""
    return Picture("changes-1s", "Changes of the mid in one second", png(figure), note, table)


def tiers(found: Profile, names: Names) -> Picture:
    """Distance of the 20 tiers, and size of both sides."""
    figure, (left, right) = canvases(2)
    numbers = np.arange(1, LADDER_TIERS + 1)
    left.plot(numbers, found.tier_distance, marker="o", markersize=3.5, color=MEASURED)
    right.plot(numbers, found.bid_depth, marker="o", markersize=3.5, color=BID, label="bids")
    right.plot(numbers, found.ask_depth, marker="o", markersize=3.5, color=ASK, label="asks")
    right.legend(frameon=False, fontsize=9)
    told = f"mean distance from the mid, {names.quote}", f"mean size, {names.size}"
    for axes, what in zip((left, right), told, strict=True):
        axes.set_xlabel("tier")
        axes.set_ylabel(what)
        axes.set_xticks([1, 5, 10, 15, 20])
        axes.set_ylim(bottom=0)
    table = Table(
        "tiers",
        "Tiers",
        columns("tier", "distance|.4g", "bid size|.4g", "ask size|.4g"),
        list(zip(numbers.tolist(), found.tier_distance, found.bid_depth, found.ask_depth, strict=True)),
    )
    return Picture("tiers", "Depth by tier", png(figure), "Distance is the mean of both sides.", table)


def spreads(data: Dataset) -> Picture:
    """How often which spread stood."""
    figure, axes = canvas("spread, ticks", "share of seconds")
    counts = np.bincount(np.minimum(data.spread_ticks, WIDEST_TICKS + 1), minlength=WIDEST_TICKS + 2)[1:]
    shares = counts / counts.sum()
    ticks = np.arange(1, WIDEST_TICKS + 2)
    axes.bar(ticks, shares, color=QUIET)
    names = [*map(str, ticks[:-1].tolist()), f"> {WIDEST_TICKS}"]
    axes.set_xticks(ticks, names)
    for tick, share in zip(ticks.tolist(), shares.tolist(), strict=True):
        if share:
            axes.annotate(
                f"{share:.1%}", (tick, share), (0, 2), textcoords="offset points", ha="center", fontsize=8
            )
    table = Table(
        "spread",
        "Spread",
        columns("ticks", "share|.2%"),
        list(zip(names, shares.tolist(), strict=True)),
    )
    return Picture("spread", "Spread", png(figure), "", table)


def ladder(data: Dataset) -> Table:
    """The last book of the data as the slides' screen shows it: sums from the best price on, and each side's
    share."""
    side: dict[str, tuple[Floats, Floats]] = {}
    for name in ("bid", "ask"):
        places = [
            schema.indices([f"{name}_{what}_{tier}" for tier in range(1, LADDER_TIERS + 1)])
            for what in ("distance", "size")
        ]
        side[name] = (data.values[-1, list(places[0])], data.values[-1, list(places[1])])
    mid = float(data.mid[-1])
    rows = [
        (
            tier + 1,
            float(side["bid"][1][: tier + 1].sum()),
            float(side["bid"][1][tier]),
            mid - float(side["bid"][0][tier]),
            mid + float(side["ask"][0][tier]),
            float(side["ask"][1][tier]),
            float(side["ask"][1][: tier + 1].sum()),
        )
        for tier in range(LADDER_TIERS)
        if side["bid"][1][tier] > 0 or side["ask"][1][tier] > 0
    ]
    bids, asks = float(side["bid"][1].sum()), float(side["ask"][1].sum())
    share = bids / (bids + asks) if bids + asks else float("nan")
    return Table(
        "last-book",
        "The last book",
        columns(
            "tier",
            "sum of bids|,.4g",
            "bid size|,.4g",
            "bid|,.8g",
            "ask|,.8g",
            "ask size|,.4g",
            "sum of asks|,.4g",
        ),
        rows,
        f"Bids hold {share:.1%} of the 40 tiers' size, asks {1 - share:.1%}. "
        f"Mid {mid:,.8g} {names_of(data.symbol).quote}.",
    )
