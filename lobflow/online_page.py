"""The page of an online test: promise and outcome, PnL three ways, trades."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as Shown

from lobflow.online_read import Ended, Live
from lobflow.venues import Venue
from research.finite import without_nan
from research.report import earnings, hits, promise, verdict
from research.report.market import gaps_of
from research.report.page import Page, Section
from research.report.picture import Picture
from research.report.promise import Row
from research.report.table import Table, Value
from research.scores import FEE
from services.model.artifact import MANIFEST, read_manifest
from services.model.manifest import Manifest
from shared.errors import BadInput

SERVED = "served"  # what `research.served` calls the model
AUTO = "auto"  # what training calls the model that serves, where it chose among several


def build(
    venue: Venue, ended: Ended, lives: Sequence[Live], models: Path, threshold: float
) -> tuple[Page, dict[str, Any], list[promise.Comparison]]:
    """The page, what `--json` prints, and promise beside outcome."""
    everything: list[promise.Comparison] = []
    sections: list[Section] = []
    rows: list[dict[str, Any]] = []
    leads: list[str] = []
    warnings: list[str] = []
    for live in lives:
        manifest = find_manifest(models, live.versions.most_common(1)[0][0])
        compared = promise.compare(_promised(manifest.of(live.symbol)), live.scores, SERVED)
        everything += compared
        origin = verdict.Origin(
            kind="synthetic" if venue.name == "synthetic" else "live",
            symbol=live.symbol,
            files=(f"live from {venue.words}",),
            from_ns=ended.from_ns,
            until_ns=ended.until_ns,
            gaps=gaps_of(live.data),
            sha256=live.data.sha256,
            entries=live.data.entries,
        )
        leads += verdict.origin_lines(origin)
        warnings += _warnings(live, ended)
        sections += _sections(live, manifest, compared, ended, threshold, venue)
        rows.append(_summary(live, manifest, compared))
    page = Page("Online test", leads, warnings, sections)
    summary: dict[str, Any] = {
        "venue": venue.name,
        "minutes": round(ended.seconds / 60.0, 3),
        "with_orders": ended.has_orders,
        "restarts": ended.restarts,
        "pnl": ended.pnl,
        "results": ended.results,
        "venue_net_pnl": ended.venue_net,
        "pnl_equal": None if ended.venue_net is None else _same(ended.pnl["net"], ended.venue_net),
        "symbols": rows,
    }
    return page, summary, everything


def find_manifest(models: Path, version: str) -> Manifest:
    """The manifest of a version that served. Raises BadInput where it is not there any more."""
    for path in sorted(models.rglob(MANIFEST)):
        manifest = read_manifest(path.parent)
        if manifest.version == version:
            return manifest
    raise BadInput(f"{models}: model {version} served and is not there any more")


def _promised(manifest: Manifest) -> dict[int, list[Row]]:
    """The rows of the model itself, by horizon: as chosen among several where training chose."""
    out: dict[int, list[Row]] = {}
    for horizon in manifest.horizons:
        names = {row["name"] for row in horizon.scores}
        own = AUTO if AUTO in names else horizon.kind
        out[horizon.horizon_s] = [row for row in horizon.scores if row["name"] == own]
    return out


def _warnings(live: Live, ended: Ended) -> list[str]:
    mid, spread = float(live.data.mid.mean()), float(live.data.spread.mean())
    horizon = live.predictions[-1].horizons_s[-1]
    step = max(1, round(horizon * 1000 / live.data.sample_ms))
    moves = live.data.mid[step:] - live.data.mid[:-step]
    size = 0.01
    lines = [verdict.cost_line(mid, spread, FEE, moves, horizon, size)]
    if ended.has_orders:
        paid = live.pnls[-1] if live.pnls else None
        nets = np.zeros(0) if paid is None else paid.net
        lines.insert(0, verdict.edge_line(nets, 0 if paid is None else paid.days, "As the venue paid"))
    else:
        lines.insert(0, "Edge after costs: none shown, for nothing was traded (--without-orders).")
    return lines


def _sections(
    live: Live,
    manifest: Manifest,
    compared: Sequence[promise.Comparison],
    ended: Ended,
    threshold: float,
    venue: Venue,
) -> list[Section]:
    name = live.symbol.lower()
    versions = ", ".join(
        f"{version} ({count:,} predictions)" for version, count in live.versions.most_common()
    )
    said = [f"Served by model {versions}; promised were the walk-forward scores of {manifest.version}."]
    if live.unmade:
        said.append(
            "Not predicted: " + ", ".join(f"{why} ({n:,})" for why, n in live.unmade.most_common()) + "."
        )
    parts: list[str | Table | Picture] = [
        *said,
        promise.table(compared, f"{name}-promised-and-seen"),
        promise.picture(compared, f"{name}-promised-and-seen-plot"),
        hits.table(
            live.scores, f"{name}-hit-rates", "Hit rates of what was predicted live, beside the baselines"
        ),
    ]
    sections = [Section(f"{name}-predicted", f"{live.symbol}: predicted", parts)]
    money: list[str | Table | Picture] = []
    if live.pnls:
        paid = live.pnls[-1]
        money = [
            earnings.side_by_side(live.pnls, f"{name}-pnl-compared", difference(live.pnls)),
            earnings.over_time(paid, ended.from_ns, f"{name}-pnl"),
            earnings.trade_table(paid, f"{name}-trades"),
        ]
    elif ended.has_orders:
        money = ["No order was filled: no prediction reached the threshold, or all were refused."]
    money.append(
        earnings.side_by_side(
            live.simulated, f"{name}-simulated", live.remark, "What the predictions would have paid"
        )
    )
    if live.refused:
        refused = ", ".join(f"{why} ({count})" for why, count in live.refused.most_common())
        money.append(f"Requests refused by our own limits: {refused}.")
    if ended.has_orders:
        money.append(
            f"Net of the account by our ledger {ended.pnl['net']} USDT, by the venue's account "
            f"{ended.venue_net or 'not told'}."
        )
    if venue.name == "synthetic":
        money.append("The market is synthetic: what is earned or lost on it means nothing about a real one.")
    return [*sections, Section(f"{name}-traded", f"{live.symbol}: traded", money)]


def difference(pnls: Sequence[earnings.Trips]) -> str:
    """Where the money went between the ideal and what was paid."""
    ideal, touch, paid = pnls
    if not len(paid.net):
        return ""
    spread = float(ideal.gross.sum() - touch.gross.sum())
    rest = float(touch.gross.sum() - paid.gross.sum())
    return (
        f"From the mid to the best price {spread:.4f} USDT (half spreads), from there to the venue's prices "
        f"{rest:+.4f} (latency, queue and impact), fees {float(paid.fees.sum()):.4f}."
    )


def _summary(live: Live, manifest: Manifest, compared: Sequence[promise.Comparison]) -> dict[str, Any]:
    return {
        "symbol": live.symbol,
        "model": manifest.version,
        "predictions": len(live.predictions),
        "unmade": dict(live.unmade),
        "rows": [row.plain() for row in live.scores],
        "promised": [without_nan(row._asdict()) for row in compared],
        "fills": live.fills,
        "pnls": [_money(trips) for trips in live.pnls],
        "simulated": [{"what": trips.what, **_money(trips)} for trips in live.simulated],
        "gaps": gaps_of(live.data),
    }


def _money(trips: earnings.Trips) -> dict[str, Value]:
    return {
        "fills": trips.fills,
        "trades": len(trips.net),
        "win_rate": without_nan(trips.win_rate),
        "gross": float(trips.gross.sum()),
        "fees": float(trips.fees.sum()),
        "net": float(trips.net.sum()),
    }


def _same(ours: str | None, theirs: str) -> bool:
    return ours is not None and float(ours) == float(theirs)


def show(console: Console, page: Page, compared: Sequence[promise.Comparison], out: Path) -> None:
    """The first lines and the tables that matter, for a terminal."""
    for line in (*page.lead, *page.warning):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    shown = Shown(
        title="promised>seen; coverage is in the report",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for name in ("horizon", "selection", "hit", "95 %", "skill", "IC", "net edge", "imbalance", ""):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in compared:
        shown.add_row(
            f"{row.horizon_s} s",
            row.selection,
            _pair(row.promised_hit, row.hit, ".1%"),
            _pair(row.low, row.high, ".1%", ".."),
            _pair(row.promised_skill, row.skill, "+.3f"),
            _pair(row.promised_ic, row.ic, "+.3f"),
            _pair(row.promised_net, row.net, "+.1f"),
            _pair(row.imbalance_hit, nan, ".1%"),
            row.answer,
        )
    console.print(shown)
    for table in page.tables:
        if table.name.endswith("pnl-compared"):
            for trips in table.rows:
                fills, *figures = (
                    column.shown(value) for column, value in zip(table.columns[1:], trips[1:], strict=True)
                )
                trades, won, gross, fees, net, _ = figures
                console.print(
                    f"{trades} trades {fills}: {won or '-'} won, gross {gross}, fees {fees}, net {net} USDT",
                    soft_wrap=True,
                    highlight=False,
                )
    console.print(f"the report is in {out}")


def _pair(one: float, other: float, form: str, between: str = ">") -> str:
    told = [format(value, form) if isfinite(value) else "-" for value in (one, other)]
    return told[0] if other is nan else between.join(told)
