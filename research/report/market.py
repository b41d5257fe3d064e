"""The data profile of a report: how the price moves, how the book is filled, and the book as it was last."""

from __future__ import annotations

from math import sqrt

import numpy as np

from research.dataset import Dataset
from research.labels import Floats, Ints
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
    png,
)
from research.report.profile import Profile
from research.report.table import Table, columns
from services.features import schema
from shared.units import SECOND

LADDER_TIERS = 20
WIDEST_TICKS = 12  # of the spread, drawn one by one


def section(data: Dataset, profile: Profile) -> Section:
    """Everything about the market itself."""
    return Section(
        "market",
        "The market",
        (
            "Mid is the mean of best bid and ask of the last whole book at or before each full second, by "
            "time of receipt. Changes across a gap are left out.",
            _figures(profile),
            path(data),
            changes(profile),
            tiers(profile),
            spreads(data),
            ladder(data),
        ),
    )


def _figures(profile: Profile) -> Table:
    names = columns("quantity", "here|,.6g", "unit", "the slides|,.4g")
    nearest, farthest = seeds.TIER_DISTANCES_USDT
    rows: list[tuple[str, float | int, str, float | None]] = [
        ("mid price, mean", profile.mid, "USDT", None),
        ("standard deviation of 1 s changes", profile.change_sd, "USDT", seeds.CHANGE_1S_USDT),
        ("the same, of the price", profile.change_sd / profile.mid * 1e4, "bps", None),
        ("share of seconds without a change", profile.unchanged_share, "of 1", None),
        ("distance of tier 1 from the mid", float(profile.distances[:, 0].mean()), "USDT", nearest),
        ("distance of tier 20 from the mid", float(profile.distances[:, -1].mean()), "USDT", farthest),
        ("spread, mean", profile.spread, "USDT", None),
        ("share of time at a spread of one tick", profile.one_tick_share, "of 1", None),
        ("size at the best bid, mean", float(profile.sizes[0, 0]), "coins", None),
        ("size at the best ask, mean", float(profile.sizes[1, 0]), "coins", None),
        ("size of 20 bids, mean", float(profile.sizes[0].sum()), "coins", None),
        ("size of 20 asks, mean", float(profile.sizes[1].sum()), "coins", None),
    ]
    return Table(
        "profile",
        "Data profile",
        names,
        rows,
        "The slides' figures are of BTCUSDT perpetual at about 66,000 USDT, June 2024.",
    )


def path(data: Dataset) -> Picture:
    """The mid over the time of the data; gaps as bands."""
    figure, axes = canvas("minutes since the beginning", "mid price, USDT")
    minutes = (data.recv_ns - data.from_ns) / (60.0 * SECOND)
    line = data.mid.copy()
    follows = np.diff(data.breaks_before, prepend=data.breaks_before[:1]) == 0
    apart = np.diff(data.recv_ns, prepend=data.recv_ns[:1]) <= 2 * data.sample_ms * 1_000_000
    line[~(follows & apart)] = np.nan
    axes.plot(minutes, line, color=MEASURED, linewidth=1.0)
    for at_ns in breaks_of(data)[:200].tolist():
        axes.axvline((at_ns - data.from_ns) / (60.0 * SECOND), color=SECOND_FIT, linewidth=0.8, alpha=0.6)
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    table = Table(
        "mid",
        "Mid by second",
        columns("recv_ns", "mid|,.8g", "spread|.6g"),
        list(zip(data.recv_ns.tolist(), data.mid.tolist(), data.spread.tolist(), strict=True)),
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


def changes(profile: Profile) -> Picture:
    """How far the mid moves in a second, beside a normal law of the same deviation."""
    figure, axes = canvas("change of the mid in 1 s, USDT", "share of seconds per bin")
    sd = profile.change_sd
    reach = max(4.0 * sd, float(np.abs(profile.changes).max()) if len(profile.changes) < 50 else 0.0, 1e-9)
    counts, edges = np.histogram(profile.changes, bins=61, range=(-reach, reach))
    shares = counts / max(1, len(profile.changes))
    centers, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    normal = width / (sd * sqrt(2 * np.pi)) * np.exp(-0.5 * (centers / sd) ** 2) if sd > 0 else np.zeros(61)
    axes.bar(centers, shares, width=0.9 * width, color=QUIET, label="measured")
    axes.plot(centers, normal, color=FIT, label=f"normal law of the same deviation, {sd:.3g} USDT")
    axes.set_yscale("log")
    axes.set_ylim(bottom=max(0.2 / max(1, len(profile.changes)), 1e-7))
    axes.legend(frameon=False, fontsize=9)
    outside = float((np.abs(profile.changes) > reach).mean()) if len(profile.changes) else 0.0
    table = Table(
        "changes-1s",
        "Changes of the mid in 1 s",
        columns("from|.4g", "to|.4g", "share|.5f", "normal|.5f"),
        list(zip(edges[:-1].tolist(), edges[1:].tolist(), shares.tolist(), normal.tolist(), strict=True)),
    )
    note = f"{outside:.2%} of the seconds lie outside the picture." if outside else ""
    return Picture("changes-1s", "Changes of the mid in one second", png(figure), note, table)


def tiers(profile: Profile) -> Picture:
    """Distance and size of the 20 tiers of both sides."""
    figure, (left, right) = canvases(2)
    numbers = np.arange(1, LADDER_TIERS + 1)
    for axes, values, what in (
        (left, profile.distances, "mean distance from the mid, USDT"),
        (right, profile.sizes, "mean size, coins"),
    ):
        for side, (color, name) in enumerate(((BID, "bids"), (ASK, "asks"))):
            axes.plot(numbers, values[side], marker="o", markersize=3.5, color=color, label=name)
        axes.set_xlabel("tier")
        axes.set_ylabel(what)
        axes.set_xticks([1, 5, 10, 15, 20])
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=9)
    table = Table(
        "tiers",
        "Tiers",
        columns("tier", "bid distance|.4g", "ask distance|.4g", "bid size|.4g", "ask size|.4g"),
        [
            (
                tier,
                *(
                    float(values[side, tier - 1])
                    for values in (profile.distances, profile.sizes)
                    for side in (0, 1)
                ),
            )
            for tier in numbers.tolist()
        ],
    )
    return Picture("tiers", "Depth by tier", png(figure), "", table)


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
        f"Bids hold {share:.1%} of the 40 tiers' size, asks {1 - share:.1%}. Mid {mid:,.8g} USDT.",
    )
