"""Parity, live: what was published in the last minute is computed again from the market and compared.

The features service does it itself, because no other service has the kernel; but from the streams, by a core
that begins anew, so it checks the long life of the state, the publishing and the bytes in Redis, also of a
copy beside it. Its counts travel in its health entries, from which the monitor exports them.
"""

from __future__ import annotations

from services.features.continuity import LOOKBACK_MS
from services.features.parity import Parity
from shared import bus
from shared.bus import Link
from shared.runner import Context, sleep_unless
from shared.streams import ZERO_ID, Stream, parse_id

SPAN_MS = 60_000  # of what was published, at most
PAGE = 16  # entries at a time: a third of a millisecond in which no vector is made
COMPARED, MISMATCHES = "parity_compared", "parity_mismatches"


async def watch(context: Context, symbol: str) -> None:
    """Check every `parity_seconds` until stopped; 0 for never."""
    seconds = context.settings.parity_seconds
    if seconds == 0:
        return
    counters = context.symbol_counters
    for name in (COMPARED, MISMATCHES):
        counters[f"{name}:{symbol}"] = 0
    link = await context.link()
    checked = ZERO_ID
    while not context.stop.is_set():
        await sleep_unless(context.stop, seconds)
        if context.stop.is_set():
            return
        parity, checked = await check(context, link, symbol, checked)
        counters[f"{COMPARED}:{symbol}"] += parity.compared
        counters[f"{MISMATCHES}:{symbol}"] += parity.mismatches
        if parity.first is not None:
            context.log.error(
                "published features differ from recomputed ones",
                extra={"with": {"symbol": symbol, "count": parity.mismatches, **parity.first._asdict()}},
            )


async def check(context: Context, link: Link, symbol: str, after: str) -> tuple[Parity, str]:
    """Compare what was published after `after`, of the last minute. Returns the result and the last id it
    looked at."""
    market, features = (context.key(stream, symbol) for stream in (Stream.MARKET, Stream.FEATURES))
    end = (await bus.last_id(link, features)).decode()
    since_ms = max(parse_id(after)[0], parse_id(end)[0] - SPAN_MS)
    after = max(after, f"{since_ms}-0", key=parse_id)
    parity = Parity(after)
    if parse_id(end) <= parse_id(after):
        return parity, after
    cursor, told = f"{max(0, since_ms - LOOKBACK_MS)}-0", f"({after}"
    while entries := await bus.span(link, market, cursor, end, PAGE):
        for entry_id, data in entries:
            parity.market(entry_id.decode(), data)
        cursor = f"({entries[-1][0].decode()}"
        if parse_id(entries[-1][0]) <= parse_id(after):
            continue
        until = entries[-1][0].decode()
        while vectors := await bus.span(link, features, told, until, PAGE):
            for entry_id, data in vectors:
                parity.published(entry_id.decode(), data)
            told = f"({vectors[-1][0].decode()}"
    parity.finish()
    return parity, end
