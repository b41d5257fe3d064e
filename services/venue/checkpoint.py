"""The whole of a venue with synthetic markets at one moment, as bytes: markets, orders, account.

Account and orders are plain data and outlive any change of the code. A market's arrays are those of one
compiled kernel and one model: with another, its market opens where this one ended, and what rested in its
book is canceled.
"""

from __future__ import annotations

import msgspec

from services.venue.account import Account
from services.venue.core import Exchange
from services.venue.funding import Marks
from services.venue.history import HistoryState
from services.venue.synthetic.market import MarketState
from services.venue.synthetic.source import SyntheticSource
from services.venue.tape import TapeState

FORMAT = 1


class SymbolState(msgspec.Struct):
    """One symbol: its market, its tape, its mark, the ids of our open orders in order of arrival."""

    market: MarketState
    tape: TapeState
    marks: Marks
    resting: list[int]


class Checkpoint(msgspec.Struct):
    """`number` counts the checkpoints of a folder; `kernel` names code and models; `seed` is the markets'."""

    format: int
    number: int
    kernel: str
    seed: int
    at_ns: int
    symbols: dict[str, SymbolState]
    account: Account
    history: HistoryState


_decoder = msgspec.msgpack.Decoder(Checkpoint)


def encode(exchange: Exchange, source: SyntheticSource, kernel: str, seed: int, number: int) -> bytes:
    """The venue now. Only while the source is settled."""
    symbols = {
        symbol: SymbolState(
            source.markets[symbol].state(),
            source.frames[symbol].tape.state(),
            exchange.markets[symbol].marks,
            list(exchange.engines[symbol].resting),
        )
        for symbol in exchange.boards
    }
    whole = Checkpoint(
        FORMAT, number, kernel, seed, source.horizon_ns, symbols, exchange.account, exchange.history.state()
    )
    return msgspec.msgpack.encode(whole)


def decode(data: bytes) -> Checkpoint:
    """The inverse. Raises msgspec.MsgspecError for anything else."""
    return _decoder.decode(data)
