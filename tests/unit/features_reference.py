"""The features of a recorded stream with numpy and pandas: what `schema` says, column by column, in floats.

Written from the definitions, without a look at the kernel: no ring, no running sum, no integers. For one
chain: entries without a gap.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from services.features.schema import TIERS
from shared.codec import unpack_tiers
from shared.messages import AggTrade, Lob, Message

WINDOWS = {"500ms": 0.5, "1s": 1.0, "2s": 2.0, "5s": 5.0, "10s": 10.0, "30s": 30.0}  # seconds


def features(messages: list[Message]) -> pd.DataFrame:
    """One row per Lob, a column for each feature (and for each window, also those that are in no set)."""
    events = [message for message in messages if isinstance(message, Lob | AggTrade)]
    lobs = [event for event in events if isinstance(event, Lob)]
    tick, lot = lobs[0].tick_e9 / 1e9, lobs[0].lot_e9 / 1e9
    bids, asks = (np.array([_tiers(getattr(lob, side)) for lob in lobs]) for side in ("bids", "asks"))
    mid = (bids[:, 0, 0] + asks[:, 0, 0]) / 2
    out = _book(bids, asks, mid, tick, lot)
    table = _events(events, _flows(bids, asks), mid)
    is_lob = table["trade"].to_numpy() == 0
    recv_ns = np.array([lob.recv_ns for lob in lobs])
    sigma = _sigma(recv_ns, mid, 30)
    out["sigma_30s"], out["sigma_600s"] = sigma * tick, _sigma(recv_ns, mid, 600) * tick
    for name, seconds in WINDOWS.items():
        # A row's window ends with the row itself, also where others of the same time follow.
        sums = (
            table.rolling(f"{round(seconds * 1000)}ms", closed="right").sum()[is_lob].reset_index(drop=True)
        )
        scale = sigma * np.sqrt(seconds)
        out[f"ofi_1_{name}"] = _share(sums["e_1"], sums["abs_1"])
        out[f"ofi_5_{name}"] = _share(sums["e_5"], sums["abs_5"])
        out[f"trades_{name}"] = _share(sums["signed"], sums["volume"])
        out[f"return_{name}"] = _share(sums["move"], scale).clip(-10, 10)
        vwap = _share(sums["notional"] - mid * sums["volume"], sums["volume"])
        out[f"vwap_{name}"] = _share(vwap, scale).clip(-10, 10)
        out[f"volatility_{name}"] = (1e4 * np.sqrt(sums["squares"] / seconds) / mid).clip(upper=1000)
        out[f"trade_count_{name}"] = sums["trade"]
        out[f"mean_size_{name}"] = _share(sums["volume"] * lot, sums["trade"])
    return pd.DataFrame(out)


def _tiers(packed: bytes) -> list[tuple[float, float]]:
    flat = unpack_tiers(packed)
    assert len(flat) == 2 * TIERS  # a thick book: no tier is absent
    return list(zip(flat[::2], flat[1::2], strict=True))


def _share(part: pd.Series, whole: pd.Series) -> pd.Series:
    return (part / whole).where(whole > 0, 0.0)


def _book(bids: np.ndarray, asks: np.ndarray, mid: np.ndarray, tick: float, lot: float) -> dict:
    out: dict[str, np.ndarray | pd.Series] = {"spread": (asks[:, 0, 0] - bids[:, 0, 0]) * tick}
    for name, side in (("bid", bids), ("ask", asks)):
        for tier in range(TIERS):
            out[f"{name}_distance_{tier + 1}"] = np.abs(side[:, tier, 0] - mid) * tick
            out[f"{name}_size_{tier + 1}"] = side[:, tier, 1] * lot
    for depth in (1, 5, 10, 20):
        b, a = bids[:, :depth, 1].sum(axis=1), asks[:, :depth, 1].sum(axis=1)
        out[f"imbalance_{depth}"] = (b - a) / (b + a)
    down, up = mid[:, None] - bids[:, :, 0], asks[:, :, 0] - mid[:, None]
    mean = np.concatenate([down, up], axis=1).mean(axis=1)[:, None]
    b, a = (bids[:, :, 1] * np.exp(-down / mean)).sum(1), (asks[:, :, 1] * np.exp(-up / mean)).sum(1)
    out["imbalance_exp"] = (b - a) / (b + a)
    b, a = (up * bids[:, :, 1])[:, :5].sum(axis=1), (down * asks[:, :, 1])[:, :5].sum(axis=1)
    out["microprice_5"] = (b - a) / (b + a)
    lots = bids[:, :5, 1].sum(axis=1) + asks[:, :5, 1].sum(axis=1)
    out["microprice_spread_5"] = ((b - a) / lots / (asks[:, 0, 0] - bids[:, 0, 0])).clip(-10, 10)
    out["spread_bps"] = 1e4 * (asks[:, 0, 0] - bids[:, 0, 0]) / mid
    return out


def _flows(bids: np.ndarray, asks: np.ndarray) -> np.ndarray:
    """(n, 5) e of each level; the first Lob has no previous one."""
    b, q, a, r = bids[:, :5, 0], bids[:, :5, 1], asks[:, :5, 0], asks[:, :5, 1]
    flows = np.zeros_like(q)
    flows[1:] = (
        (b[1:] >= b[:-1]) * q[1:] - (b[1:] <= b[:-1]) * q[:-1]
        - (a[1:] <= a[:-1]) * r[1:] + (a[1:] >= a[:-1]) * r[:-1]
    )  # fmt: skip
    return flows


def _events(events: list[Message], flows: np.ndarray, mid: np.ndarray) -> pd.DataFrame:
    """What each event adds to the windows, by its time."""
    place = np.cumsum([isinstance(event, Lob) for event in events]) - 1
    is_trade = np.array([isinstance(event, AggTrade) for event in events])
    signed = np.array([e.side * e.size_lots if isinstance(e, AggTrade) else 0.0 for e in events])
    price = np.array([float(e.price_ticks) if isinstance(e, AggTrade) else 0.0 for e in events])
    move = np.where(is_trade, 0.0, np.diff(mid, prepend=mid[0])[place])
    e_1, e_5 = flows[place, 0], flows[place]
    return pd.DataFrame(
        {
            "e_1": np.where(is_trade, 0.0, e_1),
            "abs_1": np.where(is_trade, 0.0, np.abs(e_1)),
            "e_5": np.where(is_trade, 0.0, e_5.sum(axis=1)),
            "abs_5": np.where(is_trade, 0.0, np.abs(e_5).sum(axis=1)),
            "move": move,
            "squares": move**2,
            "signed": signed,
            "volume": np.abs(signed),
            "notional": np.abs(signed) * price,
            "trade": is_trade.astype(float),
        },
        index=pd.to_datetime([event.recv_ns for event in events]),
    )


def _sigma(recv_ns: np.ndarray, mid: np.ndarray, most: int) -> pd.Series:
    """A sigma of at most so many changes, in ticks: the mid at each full second, then what is known before
    each Lob."""
    seconds = np.arange(-(-recv_ns[0] // 10**9), -(-recv_ns[-1] // 10**9)) * 10**9
    at = pd.Series(mid[np.searchsorted(recv_ns, seconds, side="right") - 1])
    rms = np.sqrt((at.diff() ** 2).rolling(most, min_periods=5).mean()).clip(lower=1.0).fillna(0.0)
    known = np.searchsorted(seconds, recv_ns, side="left") - 1  # the last full second before the Lob
    return pd.Series(np.where(known >= 0, rms.to_numpy()[np.maximum(known, 0)], 0.0))
