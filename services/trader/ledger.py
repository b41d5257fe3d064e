"""Reading back from Redis what a start needs: the ledger, the control stream, the latest market state."""

from __future__ import annotations

from services.trader.core import TraderCore
from services.trader.maker import FLOW_LIFE_NS
from shared import bus, codec
from shared.bus import Link
from shared.errors import BadInput, BusError
from shared.messages import Account, Control, Flow, Message, Prediction
from shared.runner import BATCH, BLOCK_MS, Context
from shared.streams import Stream, parse_id
from shared.units import MS

FORETOLD_PAGE = 500
WARM_ENTRIES = 200  # newest market entries that give book, feed and time


async def read_all(link: Link, key: str) -> list[tuple[str, Message]]:
    """A whole stream. Raises BadInput for an entry that cannot be read: the ledger must be whole."""
    rows: list[tuple[str, Message]] = []
    start = "-"
    while entries := await bus.span(link, key, start):
        rows += [(entry_id.decode(), codec.decode(data)) for entry_id, data in entries]
        start = f"({rows[-1][0]}"
    return rows


async def first_account(link: Link, key: str) -> Account | None:
    """The oldest entry of the account stream: how the account stood when the run began."""
    entries = await bus.span(link, key, "-", count=1)
    return _account(key, entries[0][1]) if entries else None


async def last_account(link: Link, key: str) -> tuple[str, Account] | None:
    """The newest entry of the account stream."""
    entry = await bus.last_entry(link, key)
    return None if entry is None else (entry[0].decode(), _account(key, entry[1]))


def _account(key: str, data: bytes) -> Account:
    message = codec.decode(data)
    if not isinstance(message, Account):
        raise BusError(f"{key} holds a {type(message).__name__}")
    return message


async def read_control(
    link: Link, context: Context, key: str, cursor: bytes
) -> tuple[bytes, list[tuple[str, Control]]]:
    """The control entries after `cursor` and the new cursor; what cannot be read is parked."""
    rows: list[tuple[str, Control]] = []
    for _, entries in await bus.read(link, {key: cursor}, BATCH, BLOCK_MS):
        for entry_id, data in entries:
            cursor = entry_id
            try:
                message = codec.decode(data)
                if not isinstance(message, Control):
                    raise BadInput(f"a {type(message).__name__} orders nothing")
                rows.append((entry_id.decode(), message))
            except BadInput as error:
                await context.park(f"{key} {entry_id.decode()}: {error}", data)
    return cursor, rows


async def warm(link: Link, context: Context, core: TraderCore) -> tuple[bytes, bytes]:
    """Fold the newest market entries and their prediction, without deciding. Returns the cursors to go on
    from.

    Hours of market are not gone through again: only the latest state counts.
    """
    symbol = core.config.identity.symbol
    market_key = context.key(Stream.MARKET, symbol)
    prediction_key = context.key(Stream.PREDICTIONS, symbol)
    predictions = await bus.last_id(link, prediction_key)
    market = await bus.last_id(link, market_key)
    rows = await link.call("XREVRANGE", market_key, market, "-", "COUNT", WARM_ENTRIES)
    for entry_id, fields in reversed(rows):
        core.take_market(entry_id.decode(), codec.decode(fields[1]))  # type: ignore[arg-type]
    for entry_id, message in await _newest_foretold(link, prediction_key, market):
        core.take_prediction(entry_id.decode(), message)  # a decision before the next one names it
        predictions = entry_id
    return market, predictions


async def _newest_foretold(link: Link, key: str, until: bytes) -> list[tuple[bytes, Prediction | Flow]]:
    """The newest prediction up to `until`, the flow before it that may still be believed, and flows after it;
    oldest first."""
    found: list[tuple[bytes, Prediction | Flow]] = []
    least = b"-"
    while rows := await link.call("XREVRANGE", key, until, least, "COUNT", FORETOLD_PAGE):
        for entry_id, fields in rows:
            message = codec.decode(fields[1])
            if isinstance(message, Flow):
                found.append((entry_id, message))
                if least != b"-":
                    return found[::-1]
            elif isinstance(message, Prediction) and least == b"-":
                found.append((entry_id, message))
                least = f"{max(0, parse_id(entry_id)[0] - FLOW_LIFE_NS // MS)}-0".encode()
        until = b"(" + rows[-1][0]
    return found[::-1]
