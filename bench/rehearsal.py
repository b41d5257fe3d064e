"""`python -m bench.rehearsal`: each recording trains, the others test, beside the best-level imbalance.

`lobflow evaluate` refuses another symbol's model; this does not, because minutes of one symbol are all there
is to rehearse with. Give recordings as NAME=FILE or NAME=FILE,FILE (one capture).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.progress import track
from rich.table import Table

from lobflow.console import console as console_for
from lobflow.console import print_json, run
from research.dataset import load
from research.rehearsal import Summary, rehearse, summarize
from shared.errors import BadInput

MODELS = "linear,lasso,elastic-net,lasso-nonnegative,ridge,boosting,prior,auto"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def rehearsal(
    recordings: Annotated[
        list[str], typer.Argument(help="NAME=FILE or NAME=FILE,FILE.", metavar="NAME=FILE...")
    ],
    models: Annotated[str, typer.Option(help="Separated by commas.")] = MODELS,
    trained_on: Annotated[str, typer.Option(help="Names of those that train; else all do.")] = "",
    threshold: Annotated[float, typer.Option(help="|yhat| of the first rows, quote currency.")] = 0.5,
    period: Annotated[float, typer.Option(help="Seconds between rows.", min=0.1)] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Hit rates less those of the best-level imbalance at equal coverage, in points, mean over pairs."""
    console = console_for(as_json)
    named: dict[str, list[Path]] = {}
    for one in recordings:
        name, _, files = one.partition("=")
        if not files:
            raise BadInput(f"{one!r} is not NAME=FILE")
        named[name] = [Path(file) for file in files.split(",")]
    trains = [name for name in trained_on.split(",") if name]
    if not set(trains) <= set(named):
        raise BadInput(f"{trained_on}: names none of {', '.join(named)}")
    read = track(named.items(), description="reading", console=console, transient=True)
    data = {name: load(files, None, round(1000 * period)) for name, files in read}
    rows = rehearse(data, models.split(","), threshold=threshold, trained_on=trains)
    found = summarize(rows)
    for is_later, title in ((False, "all rows"), (True, "rows that share no time with the training rows")):
        part = [one for one in found if one.is_later is is_later]
        if part:
            console.print(_table(title, part))
    if as_json:
        print_json({"pairs": [asdict(row) for row in rows], "means": [asdict(one) for one in found]})


def _table(title: str, found: list[Summary]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("h, s")
    table.add_column("model", no_wrap=True)
    selections = list(dict.fromkeys(one.selection for one in found))
    for selection in selections:
        table.add_column(selection, justify="right", no_wrap=True)
    for horizon_s in dict.fromkeys(one.horizon_s for one in found):
        for model in dict.fromkeys(one.model for one in found):
            mine = {one.selection: one for one in found if (one.model, one.horizon_s) == (model, horizon_s)}
            table.add_row(str(horizon_s), model, *(_cell(mine[selection]) for selection in selections))
        table.add_section()
    return table


def _cell(one: Summary) -> str:
    """Points, their standard error and how many pairs had a prediction at all."""
    if one.pairs < 2:
        return "-"
    return f"{100 * one.difference:+.1f} ±{100 * one.error:.1f} ({one.pairs})"


if __name__ == "__main__":
    run(app)
