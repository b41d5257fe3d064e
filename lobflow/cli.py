"""The command `lobflow`."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from lobflow.bench import app as bench
from lobflow.console import run
from lobflow.data import app as data
from lobflow.evaluate import evaluate
from lobflow.flow import flow
from lobflow.market_stats import market_stats
from lobflow.model_command import app as model
from lobflow.online_test import online_test
from lobflow.parity import parity
from lobflow.replay_command import replay
from lobflow.report_command import report
from lobflow.soak import soak
from lobflow.train import train
from lobflow.up_command import down, up
from lobflow.verify import verify

app = typer.Typer(
    help="The limit order book of Binance USD-M futures: recorded, predicted, traded on, explained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command()(up)
app.command()(down)
app.command()(soak)
app.command()(replay)
app.command()(online_test)
app.command()(train)
app.command()(evaluate)
app.command()(market_stats)
app.command()(flow)
app.command()(report)
app.command()(verify)
app.command()(parity)
app.add_typer(bench, name="bench")
app.add_typer(data, name="data")
app.add_typer(model, name="model")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"lobflow {version('lobflow')}")
        raise typer.Exit


@app.callback()
def options(
    show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options before the command."""


def main() -> None:
    """Entry point."""
    run(app)


if __name__ == "__main__":
    main()
