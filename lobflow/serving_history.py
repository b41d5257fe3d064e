"""Which versions served a symbol, one after the other, who changed it and why: `history.jsonl` beside the
models, and the promotions that the monitor knows of."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from shared.errors import BadInput

HISTORY = "history.jsonl"
PROMOTE, ROLLBACK = "promote", "rollback"
ROLLED_BACK = "rolled back from "  # how the reason of a rollback begins, in `control` too


class Change(msgspec.Struct, frozen=True):
    """Another version serves. `from_id` is the first id it applies to, empty where that is the next start."""

    at_ns: int
    action: str
    symbol: str
    version: str
    previous: str  # the version that served before; empty where it is not known
    who: str
    why: str
    from_id: str


_decoder = msgspec.json.Decoder(Change)


def promotion(symbol: str, version: str, previous: str, who: str, why: str, from_id: str) -> Change:
    """A change made now."""
    action = ROLLBACK if why.startswith(ROLLED_BACK) else PROMOTE
    return Change(time.time_ns(), action, symbol, version, previous, who, why, from_id)


def append(folder: Path, change: Change) -> None:
    """Write one down; the caller holds the folder's lock."""
    with (folder / HISTORY).open("ab") as out:
        out.write(msgspec.json.encode(change) + b"\n")


def read(folder: Path) -> list[Change]:
    """All of them, oldest first. Raises BadInput for a line that is none."""
    path = folder / HISTORY
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            rows.append(_decoder.decode(line))
        except msgspec.MsgspecError as error:
            raise BadInput(f"{path}, line {number}: {error}") from error
    return rows


def ordered(controls: Iterable[Mapping[str, Any]]) -> list[Change]:
    """The promotions among the monitor's control entries, oldest first."""
    rows = [
        Change(
            at_ns=one["at"]["ns"],
            action=ROLLBACK if one["why"].startswith(ROLLED_BACK) else PROMOTE,
            symbol=one["symbol"],
            version=one["version"],
            previous="",
            who=one["who"],
            why=one["why"],
            from_id=one["from_id"],
        )
        for one in controls
        if one["action"] == "promote"
    ]
    return sorted(rows, key=lambda row: row.at_ns)


def merged(kept: Sequence[Change], told: Sequence[Change]) -> list[Change]:
    """Both, oldest first, each promotion once: what was written down knows more than the monitor."""
    known = {(row.symbol, row.version, row.from_id) for row in kept if row.from_id}
    others = [row for row in told if (row.symbol, row.version, row.from_id) not in known]
    return sorted([*kept, *others], key=lambda row: row.at_ns)


def served(changes: Iterable[Change], symbol: str) -> list[str]:
    """The versions one would roll back through, the one that serves last: a promotion adds one, a rollback
    takes away those after the version it goes back to."""
    stack: list[str] = []
    for change in changes:
        if change.symbol != symbol:
            continue
        if not stack and change.previous:
            stack.append(change.previous)
        if change.action == ROLLBACK and change.version in stack:
            while stack[-1] != change.version:
                stack.pop()
        elif not stack or stack[-1] != change.version:
            stack.append(change.version)
    return stack
