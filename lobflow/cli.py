"""The command `lobflow`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from lobflow.bench import app as bench
from lobflow.market_stats import market_stats
from lobflow.replay_command import replay
from lobflow.train import train
from shared.errors import BadSetting, LobflowError

app = typer.Typer(
    help="The limit order book of Binance USD-M futures: recorded, predicted, traded on, explained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command()(replay)
app.command()(train)
app.command()(market_stats)
app.add_typer(bench, name="bench")


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
    """Entry point: an error that a person can act on is one line on standard error and exit code 1 or 2."""
    try:
        app()
    except LobflowError as error:
        typer.echo(f"lobflow: {error}", err=True)
        sys.exit(2 if isinstance(error, BadSetting) else 1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
