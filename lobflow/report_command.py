"""`lobflow report`: everything the data say, as one page with pictures, and the numbers behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.report_files import check_output, write
from lobflow.report_source import has_books, kind_of, origin_of_books, origin_of_trades
from research.dataset import Dataset, load
from research.flow.report import FlowReport
from research.flow.report import report as flow_report
from research.forecast import load as load_model
from research.names import names_of
from research.report import flow, judgement, market, prediction, verdict
from research.report.judgement import Judgement, Trading
from research.report.page import Page, Section
from research.scores import FEE
from services.features.flow.probe import Setup
from services.trader.quoting import Costs
from shared.errors import BadInput

COSTS = Costs(0.0002, FEE)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What was asked for."""

    paths: tuple[Path, ...]
    symbol: str | None
    model: Path | None
    threshold: float
    trading: Trading
    source: str | None


def report(
    data: Annotated[
        list[Path],
        typer.Option(
            help="A raw recording, a run that the recorder wrote, an import, or aggTrades as CSV. May come "
            "again."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write.")],
    more: Annotated[
        list[Path] | None, typer.Argument(help="Further files of the same capture.", metavar="[FILE]...")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="A folder that `lobflow train` wrote. Without one, models are fitted on the first half and "
            "judged on the second."
        ),
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Which, where the data hold several.")] = None,
    threshold: Annotated[
        float, typer.Option(help="|yhat| of the first rows of the hit-rate table, USDT.", min=0.0)
    ] = 0.5,
    th: Annotated[
        float, typer.Option("--th", help="|yhat| from which the simulation enters, USDT.", min=0.01)
    ] = 6.0,
    period: Annotated[int, typer.Option(help="Seconds the simulation holds a position.", min=1)] = 10,
    size: Annotated[float, typer.Option(help="Of each trade, base currency.", min=1e-9)] = 0.01,
    source: Annotated[
        str | None,
        typer.Option(help="What the data are, where that cannot be seen: recorded, imported or synthetic."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Write one HTML page about data: the market, hit rates, PnL, trade flow; with PNG and CSV behind it.

    Its first lines say what the data are, and whether there is an edge after costs. Of aggTrades as CSV it
    has the part about trade flow alone. Nothing on the page is fetched from anywhere.
    """
    started = time.monotonic()
    console = console_for(as_json)
    wanted = Wanted(
        (*data, *(more or ())),
        symbol.upper() if symbol else None,
        model,
        threshold,
        Trading(th, period, size),
        source,
    )
    is_book = has_books(wanted.paths)
    kind_of(wanted.paths, source)
    check_output(output)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading")

        def say(what: str) -> None:
            """Show what is done now."""
            progress.update(task, description=what)

        page, summary = _books(wanted, say) if is_book else _trades(wanted, say)
        say("writing")
        write(output, page, "report.html", "report.json", summary)
    for line in (*page.lead, *page.warning):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print(
        f"{len(page.pictures)} pictures and {len(page.tables)} tables in {output / 'report.html'}",
        highlight=False,
    )
    if as_json:
        print_json({**summary, "out": str(output), "seconds": round(time.monotonic() - started, 2)})


def _books(wanted: Wanted, say: Say) -> tuple[Page, dict[str, Any]]:
    """Everything. What the data are too short or too poor for is said in its place."""
    data = load(list(wanted.paths), wanted.symbol)
    origin = origin_of_books(wanted.paths, data, wanted.source)
    sections = [market.section(data)]
    judged, reason = _judged(wanted, data, say)
    if judged is None:
        sections.append(
            Section("prediction", "Prediction", (f"Nothing can be said of prediction: {reason}.",))
        )
    else:
        sections += prediction.sections(judged, wanted.threshold, data.from_ns, names_of(data.symbol))
    found, reason = _flow(wanted, data.symbol, say)
    if found is None:
        sections.append(Section("flow", "Trade flow", (f"Nothing can be said of trade flow: {reason}.",)))
    else:
        sections.append(flow.section(found))
    edge = _edge(judged, data, wanted.trading)
    page = Page(f"{data.symbol}: report", verdict.origin_lines(origin), edge, sections)
    return page, _summary(origin, edge, judged, found)


def _trades(wanted: Wanted, say: Say) -> tuple[Page, dict[str, Any]]:
    """Trade flow alone: there is no book. Raises BadInput where there is too little of it."""
    if wanted.model is not None:
        raise BadInput("--model: there are no books in a table of trades, so no model can be judged on it")
    found = flow_report(wanted.paths, wanted.symbol, Setup(), COSTS, wanted.trading.size, say)
    origin = origin_of_trades(wanted.paths, found.source, wanted.source)
    edge = [
        "Edge after costs: nothing can be said. These data hold trades and no book, so the report has the "
        "part about trade flow alone; the gross optimum in it takes no fee, queue or cancel into account."
    ]
    page = Page(
        f"{found.source.symbol}: trade flow", verdict.origin_lines(origin), edge, [flow.section(found)]
    )
    return page, _summary(origin, edge, None, found)


def _judged(wanted: Wanted, data: Dataset, say: Say) -> tuple[Judgement | None, str]:
    """With a model that was named, what is wrong with it ends the command; without, it is said on the
    page."""
    if wanted.model is not None:
        return judgement.loaded(load_model(wanted.model), data, wanted.threshold, wanted.trading, say), ""
    try:
        return judgement.fitted(data, wanted.threshold, wanted.trading, say), ""
    except BadInput as error:
        return None, str(error)


def _flow(wanted: Wanted, symbol: str, say: Say) -> tuple[FlowReport | None, str]:
    try:
        return flow_report(wanted.paths, symbol, Setup(), COSTS, wanted.trading.size, say), ""
    except BadInput as error:
        return None, str(error)


def _edge(judged: Judgement | None, data: Dataset, trading: Trading) -> list[str]:
    """Whether there is an edge after costs, and why a hit rate is not a profit."""
    step = max(1, round(trading.period * 1000 / data.sample_ms))
    moves = data.mid[step:] - data.mid[:-step]
    mid, spread, quote = float(data.mid.mean()), float(data.spread.mean()), names_of(data.symbol).quote
    cost = verdict.cost_line(mid, spread, FEE, moves, trading.period, trading.size, quote)
    if judged is None or not judged.trips:
        return ["Edge after costs: none shown, for no model could be judged on these data.", cost]
    trips = judged.trips[-1]
    return [verdict.edge_line(trips.net, trips.days, f"Simulated, {trips.what}", quote), cost]


def _summary(
    origin: verdict.Origin, edge: list[str], judged: Judgement | None, found: FlowReport | None
) -> dict[str, Any]:
    return {
        "source": origin.kind,
        "symbol": origin.symbol,
        "files": list(origin.files),
        "from_ns": origin.from_ns,
        "until_ns": origin.until_ns,
        "gaps": origin.gaps,
        "sha256": origin.sha256,
        "verdict": edge,
        "rows": [] if judged is None else [row.plain() for row in judged.scores],
        "simulated": []
        if judged is None
        else [
            {
                "what": trips.what,
                "fills": trips.fills,
                "trades": len(trips.net),
                "win_rate": trips.win_rate if len(trips.net) else None,
                "gross": float(trips.gross.sum()),
                "fees": float(trips.fees.sum()),
                "net": float(trips.net.sum()),
            }
            for trips in judged.trips
        ],
        "flow": None if found is None else found.plain(),
    }
