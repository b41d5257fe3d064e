"""`lobflow soak`: the system as `lobflow up` runs it, for a while, measured: memory, gaps, drills, PnL."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer
from rich.table import Table

from lobflow import venues
from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.flattening import flatten
from lobflow.memory import Memory
from lobflow.replay import free_port, health
from lobflow.soak_audit import Audit
from lobflow.soak_findings import Findings
from lobflow.state_folder import StateFolder
from lobflow.status_view import line
from lobflow.system_status import SystemStatus
from lobflow.up import Options, System, run
from lobflow.waiting import GIVE_UP_SECONDS, until
from services.trader.signing import Signer, query_of
from shared.bus import Link
from shared.errors import LobflowError
from shared.settings import load
from shared.units import MS

SAMPLE_SECONDS = 5.0
SETTLED_SECONDS = 600.0  # memory is watched from here on, or from a third of a shorter run
DRILLS = ("features", "model", "recorder", "trader", "collector", "monitor", "venue")


def soak(
    minutes: Annotated[float, typer.Option(help="How long.", min=0.5, max=100_000)] = 60.0,
    drills: Annotated[
        bool, typer.Option(help="Kill -9 each service once, in the last third of the time.")
    ] = True,
    symbols: Annotated[str, typer.Option(help="Separated by commas.")] = "BTCUSDT",
    seed: Annotated[
        int | None, typer.Option(help="Of the synthetic market; default LOBFLOW_VENUE_SEED, else 10.", min=0)
    ] = None,
    improve: Annotated[bool, typer.Option(help="Fit the further model as well, as `up` does.")] = True,
    state: Annotated[Path | None, typer.Option(help="Where to keep everything; default: nowhere.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line, last.")] = False,
) -> None:
    """Run the system on its synthetic market for a while and say whether it holds: exit code 1 where not."""
    console = console_for(as_json)
    with tempfile.TemporaryDirectory(prefix="lobflow-soak-") as temporary:
        folder = StateFolder(state or Path(temporary))
        chosen = load(symbols=symbols)
        venue = venues.synthetic(chosen.symbols, chosen.venue_seed if seed is None else seed, folder.venue)
        options = Options(venue, folder, free_port(), chosen, improve)

        def say(who: str, what: str, level: str) -> None:
            """Show what matters of the logs."""
            if who in ("up", "soak") or level in ("warning", "error", "critical"):
                console.print(f"{who:>9} | {what}", markup=False, highlight=False, soft_wrap=True)

        folder.take({"port": options.port, "venue": venue.name})
        try:
            found = asyncio.run(Soak(options, minutes * 60.0, drills, say).run())
        finally:
            folder.release()
    table = Table(title="resident memory", title_justify="left")
    for name in ("service", "MB", "MB per hour", "+-", "over s"):
        table.add_column(name, justify="left" if name == "service" else "right")
    for name, one in found.slopes.items():
        table.add_row(
            name, f"{one.last_mb}", f"{one.mb_per_hour:+.2f}", f"{one.error:.2f}", f"{one.seconds:.0f}"
        )
    console.print(table)
    for name, away in found.back_seconds.items():
        console.print(f"{name}: killed, and ready again after {away:.1f} s")
    console.print(
        f"{found.seconds:.0f} s, {found.books} books, {found.round_trips} round trips, {found.fills} fills; "
        f"net PnL {found.net_pnl}, the venue's {found.venue_net_pnl}"
    )
    for problem in found.problems:
        console.print(f"not as it must be: {problem}", style="red")
    if as_json:
        slopes = {name: one._asdict() | {"is_flat": one.is_flat} for name, one in found.slopes.items()}
        print_json(vars(found) | {"slopes": slopes, "ok": not found.problems})
    raise typer.Exit(1 if found.problems else 0)


class Soak:
    """One run."""

    def __init__(
        self, options: Options, seconds: float, drills: bool, say: Callable[[str, str, str], None]
    ) -> None:
        self._options = options
        self._seconds = seconds
        self._drills = list(DRILLS) if drills else []
        self._say = say
        self._memory = Memory()
        self._found = Findings()
        self._audits: list[Audit] = []
        self._sampled = self._told = float("-inf")
        self._is_ready = self._is_over = False
        self._stop = asyncio.Event()
        self._signer = Signer("local-secret", 5000)

    async def run(self) -> Findings:
        """Run, measure, and judge."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        await run(self._options, self._stop, self._say, self._watch, lambda system: None)
        if not self._is_over:
            raise KeyboardInterrupt
        self._found.judge()
        return self._found

    async def _watch(self, system: System, seen: SystemStatus) -> None:
        seconds = time.monotonic() - system.started
        if not self._audits:
            link = await Link(system.redis_url).open(10.0)
            self._audits = [Audit(link, self._run_id, symbol) for symbol in self._options.venue.symbols]
        self._is_ready = self._is_ready or seen.is_ready
        if seconds - self._told >= 60.0:
            self._told = seconds
            self._say("soak", line(seen), "")
        if seconds - self._sampled >= SAMPLE_SECONDS:
            self._sampled = seconds
            self._sample(system, seconds)
            for audit in self._audits:
                await audit.read()
        if self._drills and seconds >= self._next_drill() and self._is_ready:
            if len(self._drills) == len(DRILLS):
                self._note_breaks()
            await self._drill(system, self._drills.pop(0))
        if seconds >= self._seconds + GIVE_UP_SECONDS and not self._is_ready:
            raise LobflowError(f"not ready after {seconds:.0f} s")
        if seconds >= self._seconds and self._is_ready and not self._drills and not self._is_over:
            await self._finish(system)
            self._is_over = True
            self._stop.set()

    def _next_drill(self) -> float:
        done = len(DRILLS) - len(self._drills)
        return self._seconds * (2 / 3 + done / (3 * len(DRILLS)))

    def _sample(self, system: System, seconds: float) -> None:
        for name, child in system.processes.children.items():
            if child.process is not None and child.process.returncode is None:
                self._memory.take(name, child.process.pid, seconds)

    def _note_breaks(self) -> None:
        self._found.breaks = [
            f"{state} ({reason})" for audit in self._audits for _, state, reason in audit.broken
        ]

    async def _drill(self, system: System, name: str) -> None:
        """Kill one service and wait until it says that it is ready, and those that depend on it too."""
        killed_ns, started = time.time_ns(), time.monotonic()
        system.processes.kill(name)
        link = await Link(system.redis_url).open(10.0)
        others = {"venue": ("collector", "trader")}.get(name, (name,))
        try:
            async with aiohttp.ClientSession() as session:
                if name == "venue":
                    await until(lambda: _answers(session, self._status_url()), name)
                    killed_ns, self._found.back_seconds[name] = time.time_ns(), time.monotonic() - started
                for other in others:

                    async def is_ready(other: str = other) -> bool:
                        """Whether it wrote since that it is ready."""
                        report = await health(link, self._run_id, other)
                        return report is not None and report.at_ns > killed_ns and report.state == "ready"

                    await until(is_ready, other)
        finally:
            await link.close()
        away = time.monotonic() - started
        self._found.back_seconds.setdefault(name, round(away, 2))
        self._found.back_seconds[name] = round(self._found.back_seconds[name], 2)
        self._say("soak", f"drill: {name} was killed; all ready again after {away:.1f} s", "")

    async def _finish(self, system: System) -> None:
        """Close what is open, then compare with the venue."""
        found = self._found
        async with aiohttp.ClientSession() as session:
            await flatten(session, system.monitor_url, "soak", "the run is over")

            async def agrees() -> bool:
                """Whether both say the same of PnL."""
                async with session.get(self._status_url()) as answer:
                    found.venue_net_pnl = (await answer.json())["net_pnl"]
                async with session.get(f"{system.monitor_url}/api/v1/pnl") as answer:
                    found.net_pnl = (await answer.json())["total"]["net"]
                return Decimal(found.net_pnl) == Decimal(found.venue_net_pnl)

            try:
                await until(agrees, "equal PnL", 10.0)
            except LobflowError:
                self._say("soak", "the two PnL do not agree", "ERROR")  # and `judge` says by how much
            for audit in self._audits:
                await audit.read()
                theirs = await self._venue_trades(session, audit.symbol)
                found.problems += audit.problems()
                if sorted(theirs) != sorted(audit.trade_ids):
                    found.problems.append(
                        f"{audit.symbol}: {len(audit.trade_ids)} fills in the ledger, {len(theirs)} at the "
                        "venue"
                    )
                found.fills += len(theirs)
                found.books += audit.books
            async with session.get(f"{system.monitor_url}/api/v1/stats") as answer:
                found.round_trips = (await answer.json())["results"]["round_trips"]
        if len(self._drills) == len(DRILLS) or not found.back_seconds:
            self._note_breaks()
        found.seconds = round(time.monotonic() - system.started, 1)
        found.slopes = self._memory.slopes(min(SETTLED_SECONDS, self._seconds / 3))
        restarts = sum(child.restarts for child in system.processes.children.values())
        found.restarts = restarts + system.redis_restarts - len(found.back_seconds)

    async def _venue_trades(self, session: aiohttp.ClientSession, symbol: str) -> list[int]:
        rows: list[int] = []
        while True:
            query = query_of({"symbol": symbol, "limit": 1000, "fromId": (rows[-1] + 1) if rows else 1})
            url = f"{self._venue_url()}/fapi/v1/userTrades?{self._signer.signed(query, time.time_ns() // MS)}"
            async with session.get(url, headers={"X-MBX-APIKEY": "local-key"}) as answer:
                answer.raise_for_status()
                page: list[dict[str, Any]] = await answer.json()
            rows += [int(row["id"]) for row in page]
            if len(page) < 1000:
                return rows

    @property
    def _run_id(self) -> str:
        return self._options.venue.run_id

    def _venue_url(self) -> str:
        return str(self._options.venue.settings["trade_rest_url"])

    def _status_url(self) -> str:
        return f"{self._venue_url()}/replay/status"


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
