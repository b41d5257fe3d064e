"""The state of a running system on one small screen, or on one line. Pure: from the monitor's answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

STATE_STYLES = {"ready": "green", "degraded": "yellow", "starting": "yellow", "stopping": "yellow"}
HORIZONS = ("5", "10", "15")


@dataclass(frozen=True)
class Snapshot:
    """`answers` are those of REST by path (`status`, `pnl`, `stats`, `positions`), empty while there are
    none. `processes` maps each child to how often it was started again."""

    seconds: float
    processes: Mapping[str, int]
    answers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def services(self) -> list[dict[str, Any]]:
        """The services' rows of the status."""
        rows: list[dict[str, Any]] = self.answers.get("status", {}).get("services", [])
        return rows

    @property
    def not_ready(self) -> list[str]:
        """Which of the processes do not say that they are ready, and why. The venue keeps no health."""
        told = {row["service"]: row for row in self.services}
        out = []
        for name in self.processes:
            if name == "venue":
                continue
            row = told.get(name)
            if row is None:
                out.append(f"{name}: starting")
            elif row["state"] != "ready":
                out.append(f"{name}: {row['detail'] or row['state']}")
        return out


def money(text: str | None) -> str:
    """An amount to four places, for reading."""
    return "?" if text is None else f"{Decimal(text):,.4f}"


def line(now: Snapshot) -> str:
    """Everything on one line, for logs."""
    if not now.answers:
        return f"{clock(now.seconds)} starting"
    parts = [clock(now.seconds), "ready" if not now.not_ready else "; ".join(now.not_ready)]
    for row in now.answers["status"]["symbols"]:
        parts.append(f"{row['symbol']} {row['mid'] or '?'} {moves(row)}")
    parts += [position(row) for row in now.answers["positions"] if Decimal(row["size"])]
    parts.append(results(now))
    restarts = sum(now.processes.values())
    if restarts:
        parts.append(f"{restarts} restarts")
    return " | ".join(parts)


def screen(now: Snapshot, where: str) -> RenderableType:
    """The small screen. `where` says where REST is."""
    if not now.answers:
        return Text(f"{clock(now.seconds)}  starting: {', '.join(now.processes) or 'Redis'}", style="yellow")
    services = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in ("service", "state", "lag ms", "MB", "restarts", ""):
        services.add_column(name, justify="left" if name in ("service", "state", "") else "right")
    told = {row["service"]: row for row in now.services}
    for name, restarts in now.processes.items():
        row = told.get(name.partition("-")[0], {})
        state = "running" if name == "venue" else str(row.get("state", "starting"))
        services.add_row(
            name,
            Text(state, style=STATE_STYLES.get(state, "" if name == "venue" else "red")),
            f"{row['lag_ms']:.1f}" if row else "",
            f"{row['rss_mb']:.0f}" if row else "",
            str(restarts) if restarts else "",
            str(row.get("detail", ""))[:60],
        )
    market = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in (
        "symbol",
        "feed",
        "mid",
        *(f"{horizon} s" for horizon in HORIZONS),
        "position",
        "unrealized",
    ):
        market.add_column(name, justify="left" if name in ("symbol", "feed") else "right")
    held = {row["symbol"]: row for row in now.answers["positions"]}
    for row in now.answers["status"]["symbols"]:
        symbol = row["symbol"]
        market.add_row(
            symbol,
            row["feed"],
            row["mid"] or "?",
            *(move(row, horizon) for horizon in HORIZONS),
            held[symbol]["size"] if symbol in held else "?",
            money(held[symbol]["unrealized"]) if symbol in held else "?",
        )
    return Group(
        services, market, Text(f"  {clock(now.seconds)}  {results(now)}", style="bold"), Text(f"  {where}")
    )


def results(now: Snapshot) -> str:
    """Trades, win rate, gross, fees and net."""
    found, pnl = now.answers["stats"]["results"], now.answers["pnl"]["total"]
    rate = "" if found["win_rate"] is None else f", win rate {found['win_rate']:.0%}"
    funding = f" funding {money(pnl['funding'])}" if Decimal(pnl["funding"]) else ""
    return (
        f"{found['round_trips']} round trips{rate}; gross {money(pnl['gross'])} fees {money(pnl['fees'])}"
        f"{funding} net {money(pnl['net'])} USDT"
    )


def position(row: Mapping[str, Any]) -> str:
    """One open position."""
    return f"holds {row['size']} {row['symbol']} at {money(row['entry_price'])} ({money(row['unrealized'])})"


def move(row: Mapping[str, Any], horizon: str) -> str:
    """The move predicted for so many seconds, or a dash."""
    found = (row["prediction"] or {}).get("moves", {}).get(horizon)
    return "-" if found is None else f"{found:+.2f}"


def moves(row: Mapping[str, Any]) -> str:
    """What is predicted for one symbol."""
    prediction = row["prediction"]
    if prediction is None:
        return "no prediction yet"
    if prediction["reason"]:
        return f"no prediction: {prediction['reason']}"
    return "predicted " + "/".join(move(row, horizon) for horizon in HORIZONS)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds since the start."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
