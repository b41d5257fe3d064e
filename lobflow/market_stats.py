"""`lobflow market-stats`: the statistics of a recording or of the synthetic market, beside their targets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from lobflow.console import console as console_for
from lobflow.console import print_json
from research.market_stats import market_stats as statistics
from research.market_targets import Line, compare
from research.observations import OPENING_NS, Observations, recorded, synthetic
from research.predictability import predictability
from services.venue.synthetic.market import SyntheticMarket
from services.venue.synthetic.parameters import MODELS
from shared.errors import BadSetting


def market_stats(
    files: Annotated[list[Path] | None, typer.Argument(help="Raw recordings.", metavar="[FILE]...")] = None,
    is_synthetic: Annotated[bool, typer.Option("--synthetic", help="The synthetic market instead.")] = False,
    symbol: Annotated[str | None, typer.Option(help="Which; of the synthetic market BTCUSDT.")] = None,
    hours: Annotated[float, typer.Option(help="Of the synthetic market.", min=0.05)] = 6.0,
    seed: Annotated[int, typer.Option(help="Of the synthetic market.", min=0)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Measure a market: spread, depth, volatility, takers, and how far its next move can be foretold."""
    if is_synthetic == bool(files):
        raise BadSetting("name a recording, or --synthetic")
    name = symbol.upper() if symbol else None
    seen = _synthetic(name or "BTCUSDT", hours, seed) if is_synthetic else recorded(files or [], name)
    values = {**statistics(seen), **predictability(seen)}
    lines = compare(seen.symbol, values)
    source = f"the synthetic market, seed {seed}" if is_synthetic else "recorded"
    _show(console_for(as_json), seen, source, values, lines)
    if as_json:
        held = {line.name: {**line._asdict(), "passes": line.passes} for line in lines}
        print_json(
            {
                "symbol": seen.symbol,
                "source": source,
                "seconds": seen.seconds,
                "values": values,
                "lines": held,
            }
        )


def _synthetic(symbol: str, hours: float, seed: int) -> Observations:
    if symbol not in MODELS:
        raise BadSetting(f"there is no synthetic market of {symbol}: {', '.join(MODELS)}")
    return synthetic(SyntheticMarket(symbol, seed, OPENING_NS), hours)


def _show(
    console: Console, seen: Observations, source: str, values: dict[str, float], lines: list[Line]
) -> None:
    table = Table(
        box=box.SIMPLE, title=f"{seen.symbol}, {source}: {seen.seconds:,.0f} s", title_justify="left"
    )
    table.add_column("statistic")
    for name in ("value", "target", "passes"):
        table.add_column(name, justify="right")
    table.add_column("")
    targets = {line.name: line for line in lines}
    for name, value in values.items():
        line = targets.get(name)
        if line is None:
            table.add_row(name, f"{value:.4g}", "", "", "")
            continue
        target = "" if line.target is None else f"{line.target:.4g}"
        span = f"at most {line.high:.4g}" if line.low is None else f"{line.low:.4g} to {line.high:.4g}"
        table.add_row(name, f"{value:.4g}", target, span, "" if line.passes else "outside")
    console.print(table)
    console.print(f"{sum(line.passes for line in lines)} of {len(lines)} lines within their tolerance.")
