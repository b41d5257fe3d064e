"""`lobflow up` and `lobflow down`: a system on this machine, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape

from lobflow import status_view
from lobflow import up as system_module
from lobflow.console import console as console_for
from lobflow.state_folder import StateFolder
from lobflow.system_status import SystemStatus
from lobflow.up import Options, System
from lobflow.venues import Venue, demo, replay, synthetic
from shared.errors import BadSetting, LobflowError
from shared.settings import Settings, load

STATE = Path("var")
LINE_SECONDS = 10.0
DOWN_SECONDS = 120.0
STYLES = {"warning": "yellow", "error": "red", "critical": "red"}
NAME_WIDTH = 9

State = Annotated[Path, typer.Option("--state", help="The folder that keeps everything between two starts.")]


def up(
    venue: Annotated[
        Literal["synthetic", "replay", "demo"],
        typer.Option(help="The market: synthetic, a recording (with --file), or Binance demo trading."),
    ] = "synthetic",
    files: Annotated[
        list[Path] | None, typer.Option("--file", help="A recording, with --venue replay; may be repeated.")
    ] = None,
    symbols: Annotated[str | None, typer.Option(help="Symbols, with commas between.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of REST; default 8000.", min=1, max=65535)] = None,
    state: State = STATE,
    seed: Annotated[
        int | None, typer.Option(help="Of the synthetic market; default LOBFLOW_VENUE_SEED, else 10.", min=0)
    ] = None,
    improve: Annotated[
        bool, typer.Option(help="Fit a better first model in the background, once per state folder.")
    ] = True,
) -> None:
    """Start everything on this machine, and keep it running until Ctrl-C or `lobflow down`."""
    own = load(**({"symbols": symbols} if symbols is not None else {}))
    folder = StateFolder(state)
    wanted = own.symbols if symbols is not None else None
    chosen = _venue(venue, tuple(files or ()), wanted, own, folder, own.venue_seed if seed is None else seed)
    options = Options(
        venue=chosen,
        state=folder,
        port=own.monitor_port if port is None else port,
        own=own,
        improves=improve and venue != "replay",
    )
    if options.port == 0:
        raise BadSetting("LOBFLOW_MONITOR_PORT: 0 is no port that one could look at")
    folder.take({"port": options.port, "venue": chosen.name})
    try:
        asyncio.run(_up(options, console_for(False)))
    finally:
        folder.release()


def down(state: State = STATE) -> None:
    """Stop what `lobflow up` runs in a state folder, and wait until it has ended."""
    folder = StateFolder(state)
    console = console_for(False)
    holder = folder.holder()
    if holder is None and folder.is_quiet():
        console.print(f"nothing runs in {folder.folder}")
        return
    pid = holder.get("pid") if holder else None
    if isinstance(pid, int):
        console.print(f"stopping process {pid}")
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while not folder.is_quiet():
        if time.monotonic() > deadline:
            raise LobflowError(f"{folder.folder}: not stopped after {DOWN_SECONDS:g} s (process {pid})")
        time.sleep(0.1)
    console.print("stopped")


def _venue(
    name: str,
    files: tuple[Path, ...],
    symbols: tuple[str, ...] | None,
    own: Settings,
    folder: StateFolder,
    seed: int,
) -> Venue:
    if files and name != "replay":
        raise BadSetting("FILE is for VENUE=replay (--file goes with --venue replay)")
    if name == "replay":
        return replay(files, symbols or ())
    if name == "demo":
        return demo(symbols or own.symbols, own)
    return synthetic(symbols or own.symbols, seed, folder.venue)


async def _up(options: Options, console: Console) -> None:
    display = _Display(options, console)
    stop = asyncio.Event()

    def ask() -> None:
        if stop.is_set():
            console.print("killing what still runs", style="yellow")
            if display.system is not None:
                display.system.kill_all()
            return
        stop.set()  # before anything else: there may be no terminal any more to print on
        console.print("stopping: the trader first, Redis last (once more: at once)")

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ask)
    with display:
        await system_module.run(options, stop, display.say, display.watch, display.begin)
    console.print(f"stopped; {options.state.folder} keeps what is needed to go on")


class _Display:
    """Log lines above, a panel below them on a terminal, a line of status now and then elsewhere."""

    def __init__(self, options: Options, console: Console) -> None:
        self.system: System | None = None
        self._options = options
        self._console = console
        self._live = (
            Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None
        )
        self._next_line = time.monotonic()
        self._is_ready = self._is_over = False

    def __enter__(self) -> _Display:
        self._console.print(introduction(self._options), highlight=False, soft_wrap=True)
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, system: System) -> None:
        """Told of the system."""
        self.system = system

    def say(self, name: str, text: str, level: str) -> None:
        """Show a line of a log."""
        style = STYLES.get(level)
        body = f"[{style}]{escape(text)}[/]" if style else escape(text)
        self._console.print(f"[cyan]{name:<{NAME_WIDTH}}[/] | {body}", highlight=False, soft_wrap=True)

    async def watch(self, system: System, seen: SystemStatus) -> None:
        """Show how things are."""
        if seen.is_ready and not self._is_ready:
            self._is_ready = True
            seconds = time.monotonic() - system.started
            self.say("up", f"everything is ready after {seconds:.1f} s: {system.monitor_url}/docs", "")
        if seen.venue.get("state") == "finished" and not self._is_over:
            self._is_over = True
            text = "the recording has come to its end; REST goes on until Ctrl-C"
            self.say("up", text, "warning")
        if self._live is not None:
            title = f"{self._options.venue.name} market, {system.monitor_url}/docs, Ctrl-C stops"
            self._live.update(status_view.panel(seen, title), refresh=True)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_SECONDS
            self.say("status", status_view.line(seen), "")


def introduction(options: Options) -> str:
    """What it is, in plain words."""
    url = f"http://127.0.0.1:{options.port}"
    gate = {
        "off": "gate off: trades whether or not a model has shown an edge",
        "warn": "gate at warn: trades although no edge after costs may have been shown",
        "enforce": "gate at enforce: no entry is allowed before an edge after costs was shown",
    }[options.own.gate]
    return "\n".join(
        [
            f"lobflow runs on {options.venue.words}.",
            "A round trip pays two fees and two half spreads, more than the predicted moves: expect it to",
            f"lose slowly. {gate[:1].upper()}{gate[1:]} (LOBFLOW_GATE).",
            f"  REST {url}/api/v1/trades   documentation {url}/docs   metrics {url}/metrics",
            f"  state {options.state.folder}   logs {options.state.logs}",
            "  go on with: make up VENUE=replay FILE=...   make up VENUE=demo (keys in .env)   make down",
        ]
    )
