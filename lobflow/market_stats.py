"""`lobflow market-stats`: the statistics of recordings and synthetic markets, beside their targets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.market_tables import markdown, table
from research.measured import Measured, measure
from research.observations import OPENING_NS, recorded, synthetic
from services.venue.recording import scan
from services.venue.synthetic.market import SyntheticMarket
from services.venue.synthetic.markets import check_symbols
from shared.errors import BadSetting


def market_stats(
    files: Annotated[list[Path] | None, typer.Argument(help="Raw recordings.", metavar="[FILE]...")] = None,
    is_synthetic: Annotated[
        bool,
        typer.Option("--synthetic", help="The synthetic market, beside the recordings where there are any."),
    ] = False,
    symbols: Annotated[
        list[str] | None,
        typer.Option(
            "--symbol", help="Which, any number. Left out: those of FILE, else BTCUSDT.", metavar="TEXT"
        ),
    ] = None,
    hours: Annotated[float, typer.Option(help="Of each synthetic market.", min=0.05)] = 6.0,
    seeds: Annotated[
        list[int] | None,
        typer.Option("--seed", help="Of the synthetic market, any number; each is one. [default: 1]", min=0),
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="The tables in Markdown.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help='One JSON line, last; of several markets {"markets": [...]}.')
    ] = False,
) -> None:
    """Measure markets: spread, depth, volatility, takers, and how far the next move can be foretold.

    What is named is shown side by side, a table for each symbol: the recorded first, then a synthetic
    market for each seed.
    """
    if not (is_synthetic or files):
        raise BadSetting("name a recording, or --synthetic")
    if as_markdown and as_json:
        raise BadSetting("--markdown and --json both want standard output: name one")
    names = _symbols(files or [], [name.upper() for name in symbols or ()], is_synthetic)
    console = console_for(as_json)
    measured: list[Measured] = []
    sources = len(names) * (bool(files) + (len(seeds or [1]) if is_synthetic else 0))
    with Progress(console=console_for(True), transient=True) as progress:
        task = progress.add_task("measuring", total=sources)
        for symbol in names:
            for each in _measured(symbol, files or [], (seeds or [1]) if is_synthetic else [], hours):
                measured.append(each)
                progress.advance(task)
    for symbol in names:
        columns = [each for each in measured if each.symbol == symbol]
        if as_markdown:
            print(markdown(columns))
            continue
        console.print(table(columns))
        for each in columns:
            console.print(f"{each.source}: {each.passed} of {len(each.lines)} lines within their tolerance.")
    if as_json:
        told = [_told(each) for each in measured]
        print_json(told[0] if len(told) == 1 else {"markets": told})


def _symbols(files: list[Path], named: list[str], is_synthetic: bool) -> list[str]:
    names = named or (list(scan(files)) if files else ["BTCUSDT"])
    if is_synthetic:
        check_symbols(names)
    return list(dict.fromkeys(names))


def _measured(symbol: str, files: list[Path], seeds: list[int], hours: float) -> Iterator[Measured]:
    """One symbol's markets, in the order in which they are shown."""
    if files:
        yield measure(recorded(files, symbol), "recorded")
    for seed in seeds:
        yield measure(synthetic(SyntheticMarket(symbol, seed, OPENING_NS), hours), f"synthetic, seed {seed}")


def _told(each: Measured) -> dict[str, Any]:
    return {
        "symbol": each.symbol,
        "source": each.source,
        "seconds": each.seconds,
        "values": each.values,
        "lines": {line.name: {**line._asdict(), "passes": line.passes} for line in each.lines},
        "best_takers": {str(horizon): taker._asdict() for horizon, taker in each.best.items()},
    }
