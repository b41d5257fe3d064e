"""What happened on a market, as arrays for statistics: of a raw recording, or of the synthetic market."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.venue.lines import read
from services.venue.market import Market
from services.venue.recording import scan
from services.venue.synthetic.market import SyntheticMarket
from services.venue.synthetic.state import DEPTH, TIERS, TRADE
from services.venue.tape import Trade
from shared.errors import BadFrame, BadInput
from shared.units import MS, SECOND, Parser, Scale

OPENING_NS = 1_700_000_000 * SECOND  # of a synthetic market that is only measured
WARM_NS = 60 * SECOND  # before a synthetic market is measured

_trade = msgspec.json.Decoder(Trade)


class Observations(NamedTuple):
    """book_ns: (n,) when each diff was received. rows: (n, 80), the 20 bids and 20 asks after it, each price
    in ticks and size in lots. changes: (n,) levels in the diff. trades: (m, 4), the engine's time in ms,
    price in ticks, lots, the taker's side; single trades."""

    symbol: str
    scale: Scale
    book_ns: NDArray[np.int64]
    rows: NDArray[np.int32]
    changes: NDArray[np.int64]
    trades: NDArray[np.int64]

    @property
    def seconds(self) -> float:
        """From the first diff to the last."""
        return float(self.book_ns[-1] - self.book_ns[0]) / SECOND


def recorded(files: Sequence[Path], symbol: str | None = None) -> Observations:
    """Of one symbol in raw recordings with single trades. Raises BadInput where that cannot be had."""
    instruments = scan(files)
    if symbol is None:
        if len(instruments) > 1:
            raise BadInput(f"several symbols ({', '.join(instruments)}): name one with --symbol")
        symbol = next(iter(instruments))
    if symbol not in instruments:
        raise BadInput(f"no {symbol} in {', '.join(str(path) for path in files)}")
    market = Market(instruments[symbol])
    parser = Parser(market.scale)
    times: list[int] = []
    rows: list[list[int]] = []
    changes: list[int] = []
    trades: list[tuple[int, int, int, int]] = []
    for line in merge(*(read(path) for path in files), key=lambda line: line.recv_ns):
        if line.symbol != symbol:
            continue
        if line.kind == "snapshot":
            market.on_snapshot(line.data)
        elif line.kind == "depth":
            touched = market.on_depth(line.data)
            bids, asks = market.book.bids(TIERS), market.book.asks(TIERS)
            if touched is None or len(bids) + len(asks) < 4 * TIERS:
                continue
            times.append(line.recv_ns)
            rows.append(bids + asks)
            changes.append(len(touched[0]) + len(touched[1]))
        elif line.kind == "trade":
            try:
                row = _trade.decode(line.data)
                if row.X == "MARKET":
                    trades.append((row.T, parser.ticks(row.p), parser.lots(row.q), -1 if row.m else 1))
            except (msgspec.MsgspecError, BadFrame) as error:
                raise BadInput(f"a trade of {symbol} cannot be read: {error}") from error
    if len(times) < 2 or not trades:
        raise BadInput(f"{symbol}: no book or no single trades; statistics need both")
    return Observations(
        symbol,
        market.scale,
        np.array(times, np.int64),
        np.array(rows, np.int32),
        np.array(changes, np.int64),
        np.array(trades, np.int64),
    )


def synthetic(market: SyntheticMarket, hours: float) -> Observations:
    """Of the synthetic market, for so many hours from a minute after now."""
    for _ in market.advance(market.now_ns + WARM_NS):
        pass
    times, rows, changes, trades = [], [], [], []
    for block in market.advance(market.now_ns + round(hours * 3600 * SECOND)):
        depth = block.events[block.events[:, 0] == DEPTH]
        times.append(depth[:, 1])
        rows.append(block.rows.astype(np.int32))
        changes.append(depth[:, 7] - depth[:, 5])
        sold = block.events[block.events[:, 0] == TRADE]
        trades.append(np.column_stack((sold[:, 1] // MS, sold[:, 3], sold[:, 4], sold[:, 5])))
    return Observations(
        market.symbol,
        market.scale,
        np.concatenate(times),
        np.concatenate(rows),
        np.concatenate(changes),
        np.concatenate(trades),
    )
