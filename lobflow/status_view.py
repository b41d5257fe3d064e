"""What a person sees of a running system: a panel on a terminal, else a line now and then. Pure."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lobflow.system_status import ServiceRow, SystemStatus

STATE_STYLES = {"ready": "green", "down": "red", "silent": "red"}


def line(seen: SystemStatus) -> str:
    """Everything in one line."""
    ready = sum(row.is_ready for row in seen.services)
    parts = [f"{ready} of {len(seen.services)} ready, {seen.restarts} restarts"]
    if seen.is_preparing:
        parts[0] += ", fitting a first model"
    waiting = [_waiting(row) for row in seen.services if not row.is_ready]
    if waiting:
        parts.append("waiting for " + ", ".join(waiting))
    parts += [symbol_text(row, seen) for row in _symbols(seen)]
    parts += gate_texts(seen.answers)
    if seen.answers:
        parts.append(money(seen.answers))
    return " | ".join(parts)


def panel(seen: SystemStatus, title: str) -> RenderableType:
    """Two tables and the money."""
    services = Table(box=box.SIMPLE_HEAD)
    for name in ("service", "state", "lag", "restarts", "memory", ""):
        services.add_column(name, justify="right" if name in ("lag", "restarts", "memory") else "left")
    for row in seen.services:
        services.add_row(
            row.name,
            Text(row.state, STATE_STYLES.get(row.state, "yellow")),
            "" if row.lag_ms is None else f"{row.lag_ms:.0f} ms",
            str(row.restarts),
            f"{row.rss_mb:.0f} MB",
            Text(row.detail, "dim", overflow="ellipsis", no_wrap=True),
        )
    parts: list[RenderableType] = [Text(title, "bold"), services]
    parts += [Text(symbol_text(row, seen)) for row in _symbols(seen)]
    parts += [Text(text, "dim") for text in gate_texts(seen.answers)]
    if seen.answers:
        parts.append(Text(money(seen.answers), "bold"))
    return Group(*parts)


def _waiting(row: ServiceRow) -> str:
    return f"{row.name} ({row.state}{': ' + row.detail if row.detail else ''})"


def _symbols(seen: SystemStatus) -> list[dict[str, Any]]:
    return list(seen.answers["status"]["symbols"]) if seen.answers else []


def symbol_text(row: dict[str, Any], seen: SystemStatus) -> str:
    """Price, prediction and position of one symbol."""
    parts = [f"{row['symbol']} {row['mid'] or 'no price yet'}"]
    if row["feed"] != "live":
        parts.append(f"feed {row['feed']}")
    said = row["prediction"]
    if said is not None and said["moves"]:
        moves = sorted((int(seconds), move) for seconds, move in said["moves"].items())
        parts.append("predicted " + " ".join(f"{seconds} s {move:+.2f}" for seconds, move in moves))
    else:
        parts.append(f"no prediction ({said['reason']})" if said else "no prediction yet")
    own = next((one for one in seen.answers["positions"] if one["symbol"] == row["symbol"]), None)
    parts.append(f"position {own['size'] if own else 0}")
    return ", ".join(parts)


def gate_texts(answers: dict[str, Any]) -> list[str]:
    """What the gate says of each symbol's model, and why; nothing where it is off."""
    status = answers.get("status", {})
    if status.get("gate", "off") == "off":
        return []
    return [
        f"{symbol}: gate {status['gate']}, edge of {gate['version']} {gate['verdict']}: {gate['why']}"
        for symbol, gate in status.get("gates", {}).items()
        if gate is not None
    ]


def money(answers: dict[str, Any]) -> str:
    """Trades and what they came to."""
    results, total = answers["stats"]["results"], answers["pnl"]["total"]
    rate = "" if results["win_rate"] is None else f", {results['win_rate']:.0%} won"
    net = "unknown" if total["net"] is None else total["net"]
    return (
        f"{results['round_trips']} trades{rate}, gross {total['gross']}, fees {total['fees']}, net {net} USDT"
    )
