"""`lobflow flow`: the trade flow of a file, and where an order should rest, if anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lobflow import flow_tables
from lobflow.console import console as console_for
from lobflow.console import print_json
from research.flow.report import report
from research.flow.source import bytes_of
from services.features.flow.probe import Setup
from services.trader.quoting import Costs
from shared.units import MS, SECOND


def flow(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="aggTrades or trades as CSV (Binance Vision's, zipped or not, with or without header), raw "
            "recordings, or a recorder's folder; several are one tape in order of time.",
            metavar="FILE...",
        ),
    ],
    symbol: Annotated[str | None, typer.Option(help="Which, where the data hold several.")] = None,
    maker_fee: Annotated[float, typer.Option(help="Share of the price.", min=-0.01, max=0.01)] = 0.0002,
    taker_fee: Annotated[float, typer.Option(help="Share of the price.", min=-0.01, max=0.01)] = 0.0005,
    maker_exit: Annotated[
        bool, typer.Option("--maker-exit", help="Leave with a resting order; else across the spread.")
    ] = False,
    size: Annotated[
        float,
        typer.Option(
            help="Of the resting orders, in the unit of the data's sizes: coins, or COIN-M contracts.",
            min=0.0,
        ),
    ] = 0.01,
    latency_ms: Annotated[int, typer.Option(help="Until an order is in the book.", min=0)] = 100,
    lifetime: Annotated[float, typer.Option(help="Seconds an order rests.", min=0.1)] = 5.0,
    horizon: Annotated[float, typer.Option(help="Seconds from a fill to leaving.", min=0.1)] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Fit the laws of trade flow, and value orders resting at each depth, net of fees, with errors.

    Orders, volumes, shocks and impact of both sides, from aggTrades and from single trades where both are
    there; the gross optimum of the article; and, where there are books, probes: virtual orders rested each
    second, whose fills decide whether quoting pays. "No interior optimum" and "do not quote" are answers.
    """
    console = console_for(as_json)
    setup = Setup(latency_ms * MS, round(lifetime * SECOND), round(horizon * SECOND))
    costs = Costs(maker_fee, taker_fee, leaves_as_maker=maker_exit)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console_for(True),
        transient=True,
    ) as bar:
        task = bar.add_task("reading", total=bytes_of(files) or None)
        found = report(
            files,
            symbol.upper() if symbol else None,
            setup,
            costs,
            size,
            lambda what: bar.update(
                task, description=what, total=None if what != "reading" else bytes_of(files)
            ),
            lambda count: bar.advance(task, count),
        )
    told = found.plain()
    flow_tables.show(console, told)
    if as_json:
        print_json(told)
