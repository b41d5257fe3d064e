"""`lobflow online-test`: the live system for a while, with or without orders, then what it predicted and
traded beside what training promised."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import aiohttp
import typer

from lobflow import venues
from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.flattening import flatten
from lobflow.online_page import build, show
from lobflow.online_read import Ended, read_run
from lobflow.replay import free_port
from lobflow.report_files import check_output, write
from lobflow.state_folder import StateFolder
from lobflow.status_view import line
from lobflow.system_status import SystemStatus
from lobflow.up import Options, System, run, settings_of
from lobflow.waiting import until
from research.report.judgement import Trading
from shared.errors import LobflowError
from shared.settings import load

GIVE_UP_SECONDS = 120.0  # until everything is ready
TOLD_SECONDS = 60.0
PNL_SECONDS = 10.0


def online_test(
    minutes: Annotated[float, typer.Option(help="How long, from ready on.", min=0.5, max=10_000)] = 60.0,
    without_orders: Annotated[
        bool, typer.Option("--without-orders", help="Predict only; nothing is traded.")
    ] = False,
    venue: Annotated[
        Literal["synthetic", "demo"],
        typer.Option(help="A synthetic market on this machine, or Binance demo trading with keys in .env."),
    ] = "synthetic",
    symbols: Annotated[str | None, typer.Option(help="Separated by commas; default LOBFLOW_SYMBOLS.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the synthetic market; default LOBFLOW_VENUE_SEED, else 10.", min=0)
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="|yhat| of the first rows of the tables, USDT.", min=0.0)
    ] = 0.5,
    state: Annotated[
        Path | None,
        typer.Option(
            help="A state folder, as of `lobflow up`: its models serve. Default: a new one, not kept."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Where the report goes; default runs/TIME-online-test."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Run the live system for a while, then compare what it predicted and traded with what training promised.

    Hit rates at equal coverage, skill, IC and net edge beside the model's walk-forward scores; trades, win
    rate and PnL with fees, at the mid, at the best price, and as the venue paid.
    """
    console = console_for(as_json)
    out = output or Path("runs") / time.strftime("%Y%m%d-%H%M%S-online-test")
    check_output(out)
    with tempfile.TemporaryDirectory(prefix="lobflow-online-") as temporary:
        folder = StateFolder(state or Path(temporary))
        own = load(
            record_dir=str(folder.data),
            **({"symbols": symbols} if symbols is not None else {}),
            **({"strategy": "none"} if without_orders else {}),
        )
        chosen = (
            venues.demo(own.symbols, own)
            if venue == "demo"
            else venues.synthetic(own.symbols, own.venue_seed if seed is None else seed, folder.venue)
        )
        options = Options(chosen, folder, free_port(), own, improves=False)

        def say(who: str, what: str, level: str) -> None:
            """Show what matters of the logs."""
            if who in ("up", "model", "test") or level in ("warning", "error", "critical"):
                console.print(f"{who:>9} | {what}", markup=False, highlight=False, soft_wrap=True)

        trading = Trading(period=own.period, size=float(own.size))
        folder.take({"port": options.port, "venue": chosen.name})
        try:
            ended = asyncio.run(OnlineTest(options, minutes * 60.0, not without_orders, say).run())
        finally:
            folder.release()
        settings = settings_of(options, "")
        with console.status("reading what was recorded"):
            lives = [
                read_run(folder.data, chosen.run_id, symbol, ended, threshold, trading)
                for symbol in chosen.symbols
            ]
            page, summary, compared = build(chosen, ended, lives, Path(str(settings["model_dir"])), threshold)
            write(out, page, "online-test.html", "online-test.json", summary)
    show(console, page, compared, out)
    if state is not None and not without_orders:
        console.print(f"trading stays halted in {state} until somebody resumes it (POST /api/v1/control)")
    if as_json:
        print_json({**summary, "out": str(out)})


class OnlineTest:
    """One run."""

    def __init__(
        self, options: Options, seconds: float, has_orders: bool, say: Callable[[str, str, str], None]
    ) -> None:
        self._options = options
        self._seconds = seconds
        self._has_orders = has_orders
        self._say = say
        self._stop = asyncio.Event()
        self._ready: float | None = None  # monotonic, when everything was first ready
        self._told = 0.0
        self._started_ns = time.time_ns()
        self._from_ns = 0
        self._ended: Ended | None = None

    async def run(self) -> Ended:
        """Run for the time asked, close what is open, and say how it ended. Raises KeyboardInterrupt where it
        was stopped early."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        await run(self._options, self._stop, self._say, self._watch, lambda system: None)
        if self._ended is None:
            raise KeyboardInterrupt
        return self._ended

    async def _watch(self, system: System, seen: SystemStatus) -> None:
        now = time.monotonic()
        if self._ready is None:
            if now - system.started > GIVE_UP_SECONDS:
                states = ", ".join(f"{row.name} {row.state}" for row in seen.services if not row.is_ready)
                raise LobflowError(f"not ready after {GIVE_UP_SECONDS:g} s: {states}")
            if not seen.is_ready:
                return
            self._ready, self._from_ns = now, time.time_ns()
            how = "with orders" if self._has_orders else "without orders"
            self._say("test", f"everything is ready: {self._seconds / 60.0:g} minutes {how}", "")
        if now - self._told >= TOLD_SECONDS:
            self._told = now
            self._say("test", line(seen), "")
        if now - self._ready >= self._seconds and not self._stop.is_set():
            self._ended = await self._finish(system, now - self._ready)
            self._stop.set()

    async def _finish(self, system: System, seconds: float) -> Ended:
        """Close what is open and take the monitor's figures, and the venue's."""
        url = f"{system.monitor_url}/api/v1"
        async with aiohttp.ClientSession() as session:
            if self._has_orders:
                await flatten(session, system.monitor_url, "online test", "the time is over")
            found: dict[str, Any] = {}

            async def agrees() -> bool:
                """Whether the venue and we say the same of PnL."""
                for name in ("pnl", "stats"):
                    async with session.get(f"{url}/{name}") as answer:
                        answer.raise_for_status()
                        found[name] = await answer.json()
                found["venue_net"] = await self._venue_net(session, system, found["pnl"])
                net = found["pnl"]["total"]["net"]
                return net is not None and Decimal(net) == Decimal(found["venue_net"] or net)

            try:
                await until(agrees, "equal PnL", PNL_SECONDS)
            except LobflowError:
                self._say("test", "the venue's PnL is not ours: both are in the report", "warning")
        restarts = sum(child.restarts for child in system.processes.children.values()) + system.redis_restarts
        return Ended(
            started_ns=self._started_ns,
            from_ns=self._from_ns,
            until_ns=time.time_ns(),
            seconds=seconds,
            has_orders=self._has_orders,
            pnl=found["pnl"]["total"],
            results=found["stats"]["results"],
            venue_net=found["venue_net"],
            restarts=restarts,
        )

    async def _venue_net(
        self, session: aiohttp.ClientSession, system: System, pnl: dict[str, Any]
    ) -> str | None:
        """Net PnL by the venue's own account; None where it has not told."""
        if system.venue_url is None:
            return None if pnl["venue"] is None else str(pnl["venue"]["net"])
        async with session.get(f"{system.venue_url}/replay/status") as answer:
            answer.raise_for_status()
            return str((await answer.json())["net_pnl"])
