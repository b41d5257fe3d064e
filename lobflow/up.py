"""`lobflow up` and `lobflow down`: the system on this machine, started and stopped by one command each."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from lobflow import venues
from lobflow.live_status import Snapshot, line, screen
from lobflow.service_logs import COLORS
from lobflow.state_folder import StateFolder
from lobflow.system import Options, System, run
from shared.errors import BadInput, BadSetting
from shared.settings import Settings, load

PORT = 8000
PLAIN_SECONDS = 10.0
DOWN_SECONDS = 40.0

State = Annotated[Path | None, typer.Option(help="Where everything is kept; default var/VENUE.")]
VenueName = Literal["synthetic", "replay", "demo"]


def up(
    venue: Annotated[VenueName, typer.Option(help="Where data come from and orders go.")] = "synthetic",
    file: Annotated[
        list[Path] | None,
        typer.Option(help="A raw recording, for --venue replay; several of several symbols."),
    ] = None,
    symbols: Annotated[
        str | None, typer.Option(help="Separated by commas; default LOBFLOW_SYMBOLS, else BTCUSDT.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the synthetic market.", min=0)] = None,
    model: Annotated[
        Path | None, typer.Option(help="A folder that `lobflow train` wrote; default: one fitted here.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Of REST; default 8000.", min=1, max=65535)] = None,
    state: State = None,
    improve: Annotated[
        bool,
        typer.Option(help="Fit a further model in the background, once, and promote it if it is no worse."),
    ] = True,
    plain: Annotated[
        bool, typer.Option("--plain", help="A line now and then instead of a screen; so without a terminal.")
    ] = False,
) -> None:
    """Start everything: Redis, the venue, all services. Ctrl-C or `lobflow down` stops it."""
    own = load()
    options = _options(venue, file, symbols, seed, model, port, state, own)
    options.improves = improve
    display = Display(Console(), options, plain)
    display.begin()
    asyncio.run(_stoppable(display.run(), display))
    display.console.print("stopped; everything is kept in " + str(options.state.folder))


def down(state: State = None) -> None:
    """Stop the system that `lobflow up` started."""
    folders = (
        [state] if state is not None else sorted(path for path in Path("var").glob("*") if path.is_dir())
    )
    running = [(folder, who) for folder in map(StateFolder, folders) if (who := folder.holder()) is not None]
    if not running:
        where = state or Path("var")
        raise BadInput(f"{where}: no system runs there")
    for folder, who in running:
        typer.echo(f"stopping the {who['venue']} system of process {who['pid']} in {folder.folder}")
        os.kill(int(who["pid"]), signal.SIGTERM)
        deadline = time.monotonic() + DOWN_SECONDS
        while folder.holder() is not None:
            if time.monotonic() > deadline:
                raise BadInput(f"process {who['pid']} does not stop; see {folder.logs}")
            time.sleep(0.1)
        typer.echo("stopped")


def _options(
    name: VenueName,
    files: list[Path] | None,
    symbols: str | None,
    seed: int | None,
    model: Path | None,
    port: int | None,
    state: Path | None,
    own: Settings,
) -> Options:
    if files and name != "replay":
        raise BadSetting(f"--file goes with --venue replay, not with {name}")
    chosen = load(symbols=symbols).symbols if symbols else own.symbols
    folder = StateFolder(state or Path("var") / name)
    if name == "replay":
        found = venues.replay(tuple(files or own.venue_files))
    elif name == "demo":
        found = venues.demo(chosen, own)
    else:
        found = venues.synthetic(chosen, own.venue_seed if seed is None else seed, folder.venue)
    if model is not None and not model.is_dir():
        raise BadInput(f"{model}: no such model folder")
    rest = port or (own.monitor_port if "monitor_port" in own.model_fields_set else PORT)
    if folder.holder() is None:
        _check_port(rest)
    return Options(found, folder, own, rest, None if model is None else model.resolve())


def _check_port(port: int) -> None:
    """Raises BadSetting where somebody listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BadSetting(
                f"port {port} of this machine is taken ({error.strerror}); name another: --port, or "
                "make up PORT=..."
            ) from error


class Display:
    """What a person sees of a system: its logs, and its state on a screen or on a line now and then."""

    def __init__(self, console: Console, options: Options, plain: bool) -> None:
        self.console = console
        self.options = options
        self.where = f"REST http://127.0.0.1:{options.port}/docs   stop: Ctrl-C"
        self._is_plain = plain or not console.is_terminal
        self._live: Live | None = None
        self._last_line = float("-inf")
        self._was_ready = False

    def begin(self) -> None:
        """Say what this is."""
        options = self.options
        say = self.console.print
        say(f"lobflow: {options.venue.words}.", highlight=False)
        say(
            "A taker pays two fees and two half spreads for each round trip, far more than the predicted "
            f"moves: expect a slow loss. Gate: {GATE}.",
            highlight=False,
        )
        say(
            f"REST and its description http://127.0.0.1:{options.port}/docs, metrics /metrics there; state, "
            f"data and logs in {options.state.folder}. Stop with Ctrl-C or `make down`.",
            highlight=False,
        )
        say(
            "Go on with: make up VENUE=replay FILE=<recording>   or VENUE=demo with keys in .env",
            highlight=False,
        )

    async def run(self) -> None:
        """Run the system and show it."""
        if self._is_plain:
            await run(self.options, self.say, self.watch)
            return
        with Live(console=self.console, refresh_per_second=2, transient=True) as self._live:
            await run(self.options, self.say, self.watch)

    def say(self, who: str, what: str, level: str) -> None:
        """One line of a service, under its name."""
        text = Text(f"{who:>13} | ", style="dim")
        text.append(what, style=COLORS.get(level, "default"))
        self.console.print(text, soft_wrap=True)

    async def watch(self, system: System, now: Snapshot) -> None:
        """The state of the system, about once a second."""
        if now.answers and not now.not_ready and not self._was_ready and len(now.processes) > 5:
            self._was_ready = True
            self.say("lobflow", f"everything is ready after {now.seconds:.0f} s", "")
        if self._live is not None:
            self._live.update(screen(now, self.where))
        elif now.seconds - self._last_line >= PLAIN_SECONDS:
            self._last_line = now.seconds
            self.say("status", line(now), "")


GATE = "warn, so it trades although no edge after costs has been shown"


async def _stoppable(work: Coroutine[Any, Any, None], display: Display) -> None:
    """Run `work` until a signal ends it, by cancellation. Signals after the first change nothing: what is
    stopping stops, and nothing is left behind."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    is_asked = False

    def ask() -> None:
        nonlocal is_asked
        if is_asked:
            display.say("lobflow", "is stopping: the trader first, Redis last", "WARNING")
            return
        is_asked = True
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ask)
    try:
        await task
    except asyncio.CancelledError:
        if not is_asked:
            raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)


if __name__ == "__main__":
    sys.exit("use `lobflow up`")
