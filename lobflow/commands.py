"""The commands by name, each imported when it is asked for: a start loads no library it does not need."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

STYLE: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "markdown",
}


class Place(NamedTuple):
    """Where a command is. `summary` is what the list says; a test holds it to the command's own."""

    module: str
    name: str
    summary: str


COMMANDS = {
    "up": Place(
        "lobflow.up_command",
        "up",
        "Start everything on this machine, and keep it running until Ctrl-C or `lobflow down`.",
    ),
    "down": Place(
        "lobflow.up_command",
        "down",
        "Stop what `lobflow up` runs in a state folder, and wait until it has ended.",
    ),
    "soak": Place(
        "lobflow.soak",
        "soak",
        "Run the system on its synthetic market for a while and say whether it holds: exit code 1 where not.",
    ),
    "replay": Place(
        "lobflow.replay_command",
        "replay",
        "Run raw recordings through the whole system: all services as processes, in lockstep.",
    ),
    "online-test": Place(
        "lobflow.online_test",
        "online_test",
        "Run the live system for a while, then compare what it predicted and traded with what training "
        "promised.",
    ),
    "train": Place(
        "lobflow.train",
        "train",
        "Fit models for the mid price in 5, 10 and 15 s, and write the one to serve.",
    ),
    "evaluate": Place(
        "lobflow.evaluate",
        "evaluate",
        "Judge a model on data it never saw: hit rates at a threshold and at equal coverage with the "
        "baselines.",
    ),
    "market-stats": Place(
        "lobflow.market_stats",
        "market_stats",
        "Measure markets: spread, depth, volatility, takers, and how far the next move can be foretold.",
    ),
    "flow": Place(
        "lobflow.flow",
        "flow",
        "Fit the laws of trade flow, and value orders resting at each depth, net of fees, with errors.",
    ),
    "report": Place(
        "lobflow.report_command",
        "report",
        "Write one HTML page about data: the market, hit rates, PnL, trade flow; with PNG and CSV behind it.",
    ),
    "verify": Place(
        "lobflow.verify",
        "verify",
        "Check a recording: ids without a gap, a book that is never crossed and agrees with bookTicker.",
    ),
    "parity": Place(
        "lobflow.parity",
        "parity",
        "Compute the features of recorded market entries again; compare them with the recorded ones, bit by "
        "bit.",
    ),
    "bench": Place(
        "lobflow.bench",
        "app",
        "Benchmarks: each prints a ratio to something run beside it in the same run.",
    ),
    "data": Place("lobflow.data", "app", "Recorded data: bring it in, look at it, take it out."),
    "model": Place(
        "lobflow.model_command",
        "app",
        "Model versions: list, show, register, promote, roll back, compare.",
    ),
}


class Commands(TyperGroup):
    """The group of all commands. While it lists them, it makes do with their summaries."""

    is_listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, or None."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        return TyperCommand(cmd_name, help=place.summary) if self.is_listing else found(cmd_name, place)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The list of commands, without importing them."""
        self.is_listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self.is_listing = False


def found(name: str, place: Place) -> Any:
    """Import a command."""
    what = getattr(import_module(place.module), place.name)
    if not isinstance(what, typer.Typer):
        alone = typer.Typer(**STYLE)
        alone.command(name)(what)
        what = alone
    command = get_command(what)
    command.name = name
    return command
