"""Money in a report: PnL over time with gross, fees and net, the trade table, several PnLs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from research.labels import Floats, Ints
from research.report import seeds
from research.report.picture import FIT, MEASURED, QUIET, SECOND_FIT, Picture, canvas, elapsed, png
from research.report.table import Table, Value, columns
from research.report.verdict import clock
from shared.units import SECOND


@dataclass(frozen=True)
class Trips:
    """Round trips that do not overlap, (n,) each, in order of time; money in `quote`. `fills` names what is
    assumed of fills."""

    what: str
    fills: str
    closed_ns: Ints
    sides: Ints
    entry: Floats
    exit: Floats
    gross: Floats
    fees: Floats
    quote: str = "USDT"

    @property
    def net(self) -> Floats:
        """Gross less fees, (n,)."""
        net: Floats = self.gross - self.fees
        return net

    @property
    def days(self) -> int:
        """On how many UTC days."""
        return len(np.unique(self.closed_ns // (86_400 * SECOND)))

    @property
    def win_rate(self) -> float:
        """Share of trips with a net above zero; NaN without trips."""
        return float((self.net > 0).mean()) if len(self.net) else float("nan")


def over_time(trips: Trips, from_ns: int, name: str = "pnl") -> Picture:
    """Gross, fees and net, summed up."""
    figure, axes = canvas("", f"sum, {trips.quote}")
    at, label = elapsed(np.concatenate([[0.0], (trips.closed_ns - from_ns) / SECOND]))
    axes.set_xlabel(label)
    for values, color, label in (
        (trips.gross, FIT, "gross"),
        (-trips.fees, QUIET, "fees"),
        (trips.net, SECOND_FIT, "net"),
    ):
        axes.step(at, np.concatenate([[0.0], np.cumsum(values)]), where="post", color=color, label=label)
    axes.axhline(0, color=MEASURED, linewidth=0.8)
    axes.legend(frameon=False, fontsize=9, loc="lower left")
    behind = _sums(trips, name)
    return Picture(
        name, f"PnL over time: {trips.what}", png(figure), f"Fills: {trips.fills}. {summary(trips)}", behind
    )


def _sums(trips: Trips, name: str) -> Table:
    sums = (np.cumsum(values).tolist() for values in (trips.gross, trips.fees, trips.net))
    rows = list(zip(trips.closed_ns.tolist(), *sums, strict=True))
    return Table(name, "PnL over time", columns("closed_ns", "gross|.6g", "fees|.6g", "net|.6g"), rows)


def summary(trips: Trips) -> str:
    """One sentence."""
    count = len(trips.net)
    if not count:
        return "No trade."
    return (
        f"{count} trades, win rate {trips.win_rate:.0%}, gross {trips.gross.sum():+.4f}, fees "
        f"{trips.fees.sum():.4f}, net {trips.net.sum():+.4f} {trips.quote}."
    )


def trade_table(trips: Trips, name: str) -> Table:
    """The slides' history (time, pnl, win), with what makes up the pnl."""
    rows: list[tuple[Value, ...]] = [
        (
            clock(int(at_ns)),
            net,
            1 if net > 0 else 0,
            "long" if side > 0 else "short",
            entry,
            exit_,
            gross,
            fees,
        )
        for at_ns, net, side, entry, exit_, gross, fees in zip(
            trips.closed_ns.tolist(),
            trips.net.tolist(),
            trips.sides.tolist(),
            trips.entry.tolist(),
            trips.exit.tolist(),
            trips.gross.tolist(),
            trips.fees.tolist(),
            strict=True,
        )
    ]
    return Table(
        name,
        f"Trades: {trips.what}",
        columns(
            "time (UTC)",
            f"pnl, {trips.quote}|+.5f",
            "win",
            "side",
            "entry|,.8g",
            "exit|,.8g",
            "gross|+.5f",
            "fees|.5f",
        ),
        rows,
        f"Fills: {trips.fills}. The slides' history has {seeds.WINS} wins in {seeds.TRADES} trades, "
        f"{seeds.WINS / seeds.TRADES:.0%}, beside hit rates of 60 to 72 %.",
        shown=40,
    )


def side_by_side(
    several: Sequence[Trips],
    name: str = "pnl-compared",
    note: str = "",
    title: str = "PnL under several assumptions",
) -> Table:
    """The same trades or signals under several assumptions on fills."""
    quote = several[0].quote if several else "USDT"
    rows: list[tuple[Value, ...]] = [
        (
            trips.what,
            trips.fills,
            len(trips.net),
            trips.win_rate,
            float(trips.gross.sum()),
            float(trips.fees.sum()),
            float(trips.net.sum()),
            float(trips.net.mean()) if len(trips.net) else None,
        )
        for trips in several
    ]
    return Table(
        name,
        title,
        columns(
            "what",
            "fills",
            "trades",
            "won|.0%",
            f"gross, {quote}|+.4f",
            f"fees, {quote}|.4f",
            f"net, {quote}|+.4f",
            "per trade|+.4f",
        ),
        rows,
        note,
    )
