"""Market streams of one symbol for the property tests, and a naive account of the features they must give."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

from hypothesis import strategies as st

from services.features.schema import TIERS
from shared.codec import pack_tiers, unpack_tiers
from shared.messages import AggTrade, FeedStatus, Heartbeat, Lob, Message
from shared.units import MS, SECOND

START_NS = 1_700_000_000 * SECOND + 123_456_789
HEARTBEAT_NS = 500 * MS
QUIET_NS = 10 * SECOND
SECONDS = {"500ms": 0.5, "1s": 1, "2s": 2, "5s": 5, "10s": 10, "30s": 30}
TICK_E9, LOT_E9 = 100_000_000, 1_000_000

STEPS_MS = [0, 0, 1, 37, 100, 100, 250, 499, 500, 544, 1000, 1000, 2000, 4999, 9000, 11000]
CALM_STEPS_MS = STEPS_MS[:-1]
KINDS = ["lob"] * 8 + ["trade"] * 6 + ["live", "gap", "jump", "epoch", "scale"]
CALM = ["lob"] * 8 + ["trade"] * 6
SLOW_STEPS_MS = [1000, 4999, 9000, 9000]


def streams(max_size: int = 60) -> st.SearchStrategy[list[tuple[str, Message]]]:
    """(entry id, message) of one symbol from `seq` 0 on: gaps, and heartbeats where nothing else came."""
    return _streams(KINDS, STEPS_MS, 1, max_size)


def long_streams() -> st.SearchStrategy[list[tuple[str, Message]]]:
    """Minutes long, most of them without gaps, and some longer than the longest window: for what only shows
    after it."""
    short = _streams(KINDS, STEPS_MS, 60, 120) | _streams(CALM, CALM_STEPS_MS, 60, 120)
    return short | slow_streams()


def slow_streams() -> st.SearchStrategy[list[tuple[str, Message]]]:
    """10 to 20 minutes long, without a gap but where books stay away for too long."""
    return _streams(CALM, SLOW_STEPS_MS, 140, 180)


def _streams(
    kinds: list[str], steps_ms: list[int], min_size: int, max_size: int
) -> st.SearchStrategy[list[tuple[str, Message]]]:
    step = st.tuples(st.sampled_from(kinds), st.sampled_from(steps_ms), st.integers(0, 2**32))
    return st.lists(step, min_size=min_size, max_size=max_size).map(_build)


def _build(steps: list[tuple[str, int, int]]) -> list[tuple[str, Message]]:
    entries: list[tuple[str, Message]] = []
    seq, epoch, now_ns, tick_e9 = 0, 0, START_NS, TICK_E9

    def add(kind: type[Message], at_ns: int, **fields: object) -> None:
        nonlocal seq
        entries.append(
            (f"{at_ns // MS}-{seq}", kind(seq=seq, epoch=epoch, exchange_ns=at_ns, recv_ns=at_ns, **fields))
        )
        seq += 1

    for kind, step_ms, seed in steps:
        due_ns, now_ns = now_ns + HEARTBEAT_NS, now_ns + step_ms * MS
        while due_ns < now_ns:
            add(Heartbeat, due_ns)
            due_ns += HEARTBEAT_NS
        draw = Random(seed)
        if kind in ("live", "gap"):
            epoch += kind == "gap"
            add(FeedStatus, now_ns, state=kind, reason="")
            continue
        seq += kind == "jump"
        epoch += kind == "epoch"
        tick_e9 += kind == "scale"
        if kind == "trade":
            facts = {"size_lots": draw.randrange(1, 2000), "side": draw.choice((-1, 1))}
            facts["price_ticks"] = 1000 + draw.randrange(-20, 21)
            ids = dict.fromkeys(("agg_id", "first_id", "last_id"), seq)
            add(AggTrade, now_ns, **ids, **facts, tick_e9=tick_e9, lot_e9=LOT_E9)
        else:
            bids, asks = book(draw)
            add(Lob, now_ns, update_id=seq, tick_e9=tick_e9, lot_e9=LOT_E9, bids=bids, asks=asks)
    return entries


def book(draw: Random) -> tuple[bytes, bytes]:
    """Packed bids and asks near 1000 ticks, now and then thin."""
    best = 1000 + draw.randrange(-3, 4)
    sides = []
    for sign, price in ((-1, best), (1, best + draw.choice((1, 1, 2, 5)))):
        flat: list[int] = []
        for _ in range(draw.choice((1, 3, TIERS, TIERS, TIERS))):
            flat += (price, draw.randrange(1, 3000))
            price += sign * draw.choice((1, 1, 1, 2, 4))
        sides.append(pack_tiers(flat))
    return sides[0], sides[1]


def mirrored(message: Message) -> Message:
    """The same entry with the sides of the market exchanged, prices reflected at 1000 ticks."""
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    if isinstance(message, Lob):
        fields |= {"bids": _reflected(message.asks), "asks": _reflected(message.bids)}
    elif isinstance(message, AggTrade):
        fields |= {"side": -message.side, "price_ticks": 2000 - message.price_ticks}
    return type(message)(**fields)


def _reflected(side: bytes) -> bytes:
    flat = unpack_tiers(side)
    flat[::2] = [2000 - price for price in flat[::2]]
    return pack_tiers(flat)


def naive(messages: list[Message]) -> tuple[int, dict[str, float]]:
    """clean_ns and the features of the last message, a Lob, from all that came before: slow and plain."""
    chain = _chain(messages)
    lob = messages[-1]
    lobs = [message for message in chain if isinstance(message, Lob)]
    bids, asks = _tiers(lob.bids), _tiers(lob.asks)
    tick, lot = lob.tick_e9 / 1e9, lob.lot_e9 / 1e9
    mid = (bids[0][0] + asks[0][0]) / 2
    out = {"spread": (asks[0][0] - bids[0][0]) * tick}
    for name, side in (("bid", bids), ("ask", asks)):
        for i in range(TIERS):
            price, size = side[i] if i < len(side) else (mid, 0)
            out[f"{name}_distance_{i + 1}"] = abs(price - mid) * tick
            out[f"{name}_size_{i + 1}"] = size * lot
    for depth in (1, 5, 10, 20):
        out[f"imbalance_{depth}"] = _balance(sum(s for _, s in bids[:depth]), sum(s for _, s in asks[:depth]))
    mean = sum(abs(price - mid) for price, _ in bids + asks) / len(bids + asks)
    near = [sum(size * math.exp(-abs(price - mid) / mean) for price, size in side) for side in (bids, asks)]
    out["imbalance_exp"] = _balance(*near)
    pairs = list(zip(bids, asks, strict=False))[:5]
    out["microprice_5"] = _balance(
        sum((ask - mid) * size for (_, size), (ask, _) in pairs),
        sum((mid - bid) * size for (bid, _), (_, size) in pairs),
    )
    out["microprice_spread_5"] = _clamped(
        sum((ask - mid) * b_size - (mid - bid) * a_size for (bid, b_size), (ask, a_size) in pairs)
        / sum(b_size + a_size for (_, b_size), (_, a_size) in pairs)
        / (asks[0][0] - bids[0][0])
    )
    out["spread_bps"] = 10_000 * (asks[0][0] - bids[0][0]) / mid
    sigma = _sigma(lobs, 30)
    out["sigma_30s"], out["sigma_600s"] = sigma * tick, _sigma(lobs, 600) * tick
    for window in SECONDS:
        out |= {f"{what}_{window}": value for what, value in _past(chain, lobs, mid, sigma, window).items()}
    return min(lob.recv_ns - lobs[0].recv_ns, 60 * SECOND), out


def _past(chain: list[Message], lobs: list[Lob], mid: float, sigma: float, window: str) -> dict[str, float]:
    """Everything that is of a window, at the last Lob; sigma in ticks."""
    now_ns, seconds = lobs[-1].recv_ns, SECONDS[window]
    edge_ns = now_ns - round(seconds * SECOND)
    pairs = [(old, new) for old, new in pairwise(lobs) if new.recv_ns > edge_ns]
    trades = [m for m in chain if isinstance(m, AggTrade) and m.recv_ns > edge_ns]
    flows = [_flows(old, new) for old, new in pairs]
    volume = sum(trade.size_lots for trade in trades)
    out = {f"ofi_{levels}": _share([e for es in flows for e in es[:levels]]) for levels in (1, 5)}
    out["trades"] = _share([trade.side * trade.size_lots for trade in trades])
    moves = [_mid(new) - _mid(old) for old, new in pairs]
    scale = sigma * math.sqrt(seconds)
    out["vwap"] = out["return"] = 0.0
    if sigma:
        out["return"] = _clamped(sum(moves) / scale)
    if sigma and volume:
        mean = sum(trade.price_ticks * trade.size_lots for trade in trades) / volume
        out["vwap"] = _clamped((mean - mid) / scale)
    out["volatility"] = min(10_000 * math.sqrt(sum(move**2 for move in moves) / seconds) / mid, 1000)
    out["trade_count"] = len(trades)
    out["mean_size"] = volume * lobs[-1].lot_e9 / 1e9 / len(trades) if trades else 0.0
    return out


def _mid(lob: Lob) -> float:
    return (_tiers(lob.bids)[0][0] + _tiers(lob.asks)[0][0]) / 2


def _clamped(value: float) -> float:
    return max(-10.0, min(10.0, value))


def _chain(messages: list[Message]) -> list[Message]:
    """The messages since the Lob at which everything begins."""
    chain: list[Message] = []
    lob_ns = 0
    for i, message in enumerate(messages):
        before = messages[i - 1] if i else message
        if i and (message.seq != before.seq + 1 or message.epoch != before.epoch):
            chain = []
        if isinstance(message, FeedStatus):
            chain = []
        scales = {(m.tick_e9, m.lot_e9) for m in [*chain, message] if isinstance(m, Lob | AggTrade)}
        if len(scales) > 1:
            chain = []
        if isinstance(message, Lob):
            if chain and message.recv_ns - lob_ns > QUIET_NS:
                chain = []
            lob_ns = message.recv_ns
        if chain or isinstance(message, Lob):
            chain.append(message)
    return chain


def _tiers(packed: bytes) -> list[tuple[int, int]]:
    flat = unpack_tiers(packed)
    return list(zip(flat[::2], flat[1::2], strict=True))


def _flows(old: Lob, new: Lob) -> list[int]:
    """Order flow imbalance of the best five levels, by the formula as it is printed."""
    out = []
    for level in range(5):
        b0, q_b0 = _level(old.bids, level, -math.inf)
        b1, q_b1 = _level(new.bids, level, -math.inf)
        a0, q_a0 = _level(old.asks, level, math.inf)
        a1, q_a1 = _level(new.asks, level, math.inf)
        out.append((b1 >= b0) * q_b1 - (b1 <= b0) * q_b0 - (a1 <= a0) * q_a1 + (a1 >= a0) * q_a0)
    return out


def _level(packed: bytes, level: int, absent: float) -> tuple[float, int]:
    tiers = _tiers(packed)
    return tiers[level] if level < len(tiers) else (absent, 0)


def _sigma(lobs: list[Lob], most: int) -> float:
    mids = []
    second = -(-lobs[0].recv_ns // SECOND)
    while second * SECOND < lobs[-1].recv_ns:
        last = [lob for lob in lobs if lob.recv_ns <= second * SECOND][-1]
        mids.append(_mid(last))
        second += 1
    changes = [b - a for a, b in pairwise(mids)][-most:]
    if len(changes) < 5:
        return 0.0
    return max(1.0, math.sqrt(sum(change**2 for change in changes) / len(changes)))


def _balance(one: float, other: float) -> float:
    return (one - other) / (one + other) if one + other else 0.0


def _share(values: list[int]) -> float:
    whole = sum(abs(value) for value in values)
    return sum(values) / whole if whole else 0.0
