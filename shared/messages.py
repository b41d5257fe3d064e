"""Every message that travels on a stream, on one page. Facts only; who writes what is in `streams.py`.

All are frozen, tagged, array-like `msgspec.Struct`s in MessagePack. A change that is not additive (a new
last field with a default) is a new message: golden samples of every schema decode for ever.

Times are nanoseconds since the epoch: `exchange_ns` is the venue's clock, `recv_ns` ours, stamped once per
frame at the edge; `recv_ns` never goes back. Prices are ticks and quantities lots; `tick_e9` and `lot_e9`
give their size in 1e-9, so that each entry that carries prices can be read alone. Stream ids inside
messages are texts, `<ms>-<n>`. Money is Decimal. `side` is +1 for a buy and -1 for a sell.
"""

from __future__ import annotations

from decimal import Decimal
from math import nan
from typing import TypeAlias

import msgspec


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of all messages; never sent itself."""


# --- market:{S}, written by the collector -------------------------------------------------------------------


class Lob(Message, frozen=True):
    """The book's best 20 tiers a side after one diff. `bids` and `asks` are packed little-endian int64 pairs
    (price_ticks, size_lots), best first; see `codec.pack_tiers`."""

    seq: int  # plus one with each entry of the symbol; a jump is a loss
    epoch: int  # plus one whenever continuity was broken
    exchange_ns: int
    recv_ns: int
    update_id: int  # the venue's `u`
    tick_e9: int
    lot_e9: int
    bids: bytes
    asks: bytes


class AggTrade(Message, frozen=True):
    """One aggregated trade of the tape. `side` is the taker's: +1 where the buyer took."""

    seq: int
    epoch: int
    exchange_ns: int
    recv_ns: int
    agg_id: int
    first_id: int
    last_id: int
    price_ticks: int
    size_lots: int
    side: int
    tick_e9: int
    lot_e9: int


class MarkPrice(Message, frozen=True):
    """Mark and index price and the funding rate, in 1e-9 of their unit."""

    seq: int
    epoch: int
    exchange_ns: int
    recv_ns: int
    mark_e9: int
    index_e9: int
    funding_rate_e9: int
    next_funding_ns: int


class FeedStatus(Message, frozen=True):
    """The state of the feed changed. `state`: `syncing` (no book yet), `live` (book whole, a new epoch
    begins), `gap` (an update was lost), `crossed`, `stale`. Only after `live` do `Lob`s follow."""

    seq: int
    epoch: int
    exchange_ns: int
    recv_ns: int
    state: str
    reason: str


class Heartbeat(Message, frozen=True):
    """Time passed without an entry: the last entry's `recv_ns` plus a multiple of 100 ms."""

    seq: int
    epoch: int
    exchange_ns: int
    recv_ns: int


# --- features:{S}, written by features; predictions:{S}, written by model: ids are those of the Lob ---------


class FeatureVector(Message, frozen=True):
    """The features of one `Lob`: `values` are packed little-endian float64 in the order of the schema.

    `clean_ns` is the time since the last gap (clamped at 60 s): a feature whose window is longer than that
    is not whole, and a model that uses it does not predict.
    """

    recv_ns: int
    schema: str
    clean_ns: int
    bid_ticks: int
    ask_ticks: int
    tick_e9: int
    values: bytes


class DepthFlow(msgspec.Struct, frozen=True, array_like=True):
    """What became of probes rested at one depth, inside `SideFlow`. `predicted` is the fill rate by the law
    of volume, `fill_rate` that recalibrated on probes. Edges are ticks by which the mid one horizon after a
    fill is better than the fill's price; NaN without fills. The last three are variances and the covariance
    of the means, over all probes, of fill times edge and of fill: the error of any net value follows from
    them."""

    ticks: int  # behind the best price of its side
    probes: int
    fills: int
    predicted: float
    fill_rate: float
    edge_ticks: float
    edge_error: float
    lifetime_s: float  # mean, of a probe, filled or not
    blocks: int  # of one probe's whole life each, that the errors rest on
    gain_variance: float
    fill_variance: float
    covariance: float
    canceled: float = nan  # share of the queue in front that is canceled within a lifetime


class SideFlow(msgspec.Struct, frozen=True, array_like=True):
    """The flow that meets resting orders of one side, inside `Flow`. Laws are alpha and mean of
    P(q > d) = (1 + (1 + 20^(-d/m)) d/m)^alpha; NaN and an answer that says why where there is none."""

    side: int  # of the resting orders: +1 bids, which sellers meet
    orders: int
    order_mean_lots: float
    order_alpha: float
    second_share: float  # P(N > 0) of a second, of a lifetime
    second_mean_lots: float
    second_alpha: float
    life_share: float
    life_mean_lots: float
    life_alpha: float
    slope: float  # ticks per lot, one-second windows that moved
    intercept: float
    answer: str  # optimum | no interior optimum | unbounded | no impact | the reason why there is no law
    optimum_lots: float
    break_even_lots: float
    replenishment: float  # volume traded through a level over what was displayed, median
    canceled: float  # share of all queues in front that is canceled within a lifetime
    depths: tuple[DepthFlow, ...]
    # (lots, ticks beyond the best price) of a taker who leaves what was filled here, sizes ascending.
    slippages: tuple[tuple[int, float], ...] = ()


class Trust(msgspec.Struct, frozen=True, array_like=True):
    """How far the moves that one version foretold came true at one horizon, inside `Flow`: regression through
    zero over the flow's window. `trust` is the slope drawn towards 0.5 by its variance and kept
    within [0, 1], NaN for too little evidence."""

    horizon_s: int
    model: str
    pairs: int  # predictions, one a second, whose horizon is over
    blocks: int  # of one horizon each, that the error rests on
    slope: float
    error: float
    trust: float


class Flow(Message, frozen=True):
    """Trade flow and resting orders of the last minutes, fitted once a minute; under the id of the first
    entry of the minute that is no `Lob`. `reason` says why there are no sides. `trusts`, of the version that
    serves, are added where `model` passes it on."""

    recv_ns: int
    from_ns: int  # nothing older counts: ten minutes ago, or the last gap
    tick_e9: int
    lot_e9: int
    latency_ms: int  # of the probes, as are the next two
    lifetime_ms: int
    horizon_ms: int
    sides: tuple[SideFlow, ...]  # bids, asks
    reason: str
    trusts: tuple[Trust, ...] = ()
    spread_ticks: float = nan  # mean of the first book of each second, as are the slippages


class Prediction(Message, frozen=True):
    """Expected change of the mid price from this `Lob` on, per horizon.

    `moves` are in quote currency (USDT), one per entry of `horizons_s`; NaN where this model has none for a
    horizon. `thresholds` is, per horizon, a quantile (80 %) of the absolute moves this model predicted in its
    training data: the trader's default. Where nothing can be predicted, both are empty and `reason` says why.
    """

    recv_ns: int
    model: str
    schema: str
    expires_ns: int
    bid_ticks: int
    ask_ticks: int
    tick_e9: int
    horizons_s: tuple[int, ...]
    moves: tuple[float, ...]
    thresholds: tuple[float, ...]
    reason: str


# --- shadows:{S}, written by model in a process of its own; ids are those of the Lob ------------------------


class Shadow(msgspec.Struct, frozen=True, array_like=True):
    """What one version that does not serve expected; fields as in `Prediction`."""

    model: str
    horizons_s: tuple[int, ...]
    moves: tuple[float, ...]
    thresholds: tuple[float, ...]
    reason: str


class Drift(msgspec.Struct, frozen=True, array_like=True):
    """How far one feature of a version, or what its horizon leaves over (`residual 5 s`), lies from its
    distribution in training: the population stability index over the newest `rows` rows."""

    model: str
    name: str
    psi: float
    rows: int


class Shadows(Message, frozen=True):
    """All versions beside the one that serves, for the first `Lob` of a second of receive time; `drift` comes
    once a minute, of the one that serves too."""

    recv_ns: int
    schema: str
    bid_ticks: int
    ask_ticks: int
    tick_e9: int
    shadows: tuple[Shadow, ...]
    drift: tuple[Drift, ...]


# --- decisions:{S}, executions:{S}, account, written by the trader ------------------------------------------


class Request(msgspec.Struct, frozen=True, array_like=True):
    """One thing asked of the venue, or refused by our own limits (`refusal` is then the reason)."""

    action: str  # place | cancel
    client_id: str
    side: int
    kind: str  # MARKET | LIMIT
    time_in_force: str  # GTC | IOC | FOK | GTX, empty for MARKET
    price_ticks: int  # 0 for MARKET
    size_lots: int
    reduce_only: bool
    purpose: str  # enter | exit | flatten | cancel | quote | demonstration
    refusal: str


class Decision(Message, frozen=True):
    """What the trader did about one cause. `cause` is `<stream>/<id>`; the cursors say which entries had been
    folded when it decided, so that it can be derived again from the streams alone."""

    decided_ns: int
    cause: str
    market_id: str
    prediction_id: str
    execution_id: str
    control_id: str
    tick_e9: int
    lot_e9: int
    requests: tuple[Request, ...]


class OrderUpdate(Message, frozen=True):
    """The state of one order changed. `as_of` is the market id it was folded after."""

    as_of: str
    exchange_ns: int
    client_id: str
    decision_id: str
    order_id: int
    side: int
    event: (
        str  # sent | accepted | rejected | filled | partly_filled | canceled | expired | unknown | not_placed
    )
    status: str  # the state of the order table after the event
    size_lots: int
    filled_lots: int
    reduce_only: bool
    reason: str


class Fill(Message, frozen=True):
    """One trade of ours, as the venue reported it. Unique by `trade_id` within the symbol."""

    as_of: str
    exchange_ns: int
    client_id: str
    decision_id: str
    order_id: int
    trade_id: int
    side: int
    price_ticks: int
    size_lots: int
    tick_e9: int
    lot_e9: int
    fee: Decimal
    fee_asset: str
    is_maker: bool
    realized: Decimal  # the venue's realized profit of this fill, before fees


class Reconciled(Message, frozen=True):
    """The venue's own word on position and open orders, after a start or a reconnect."""

    as_of: str
    exchange_ns: int
    position_lots: int
    open_orders: int
    agrees: bool
    reason: str


class PositionReport(msgspec.Struct, frozen=True, array_like=True):
    """One position inside `Account`."""

    symbol: str
    size: Decimal  # signed, base currency
    entry_price: Decimal
    mark_price: Decimal
    unrealized: Decimal


class Account(Message, frozen=True):
    """Balances and positions as the venue gives them."""

    exchange_ns: int
    wallet: Decimal
    unrealized: Decimal
    funding: Decimal
    positions: tuple[PositionReport, ...]


# --- control, written by the monitor ------------------------------------------------------------------------


class Halt(Message, frozen=True):
    """Open nothing more, until `Resume`."""

    at_ns: int
    who: str
    why: str


class ReduceOnly(Message, frozen=True):
    """Only reduce positions, until `Resume`."""

    at_ns: int
    who: str
    why: str


class Flatten(Message, frozen=True):
    """Cancel everything, close everything, then halt."""

    at_ns: int
    who: str
    why: str


class Resume(Message, frozen=True):
    """Lift `Halt`, `ReduceOnly` and `Flatten`."""

    at_ns: int
    who: str
    why: str


class Promote(Message, frozen=True):
    """Serve `version` for `symbol` from the feature id `from_id` on."""

    at_ns: int
    who: str
    why: str
    symbol: str
    version: str
    from_id: str


class TradedDay(msgspec.Struct, frozen=True, array_like=True):
    """Trades that a version would have made in one UTC day, in basis points after costs: their number, sum
    and sum of squares. `day` counts days since 1970."""

    day: int
    trades: int
    sum_bps: float
    squares: float


class Gate(Message, frozen=True):
    """Whether `version` has shown an edge after costs on `symbol`, as of now. `verdict` is `shown` or
    `undetermined`, `why` says what it rests on; `days` is the evidence, `tried` how many versions it is
    adjusted for. The newest entry of a symbol and version counts."""

    at_ns: int
    who: str
    why: str
    symbol: str
    version: str
    verdict: str
    tried: int
    days: tuple[TradedDay, ...]


# --- health:<service>:<instance>, written by each -----------------------------------------------------------


class Health(Message, frozen=True):
    """How a service is. `positions` maps each input stream's name to the last id handled, `counters` are
    totals since the start, named `<counter>:<symbol>` where they are of one symbol."""

    at_ns: int
    service: str
    instance: str
    state: str  # starting | ready | degraded | stopping
    detail: str
    positions: dict[str, str]
    lag_ns: int
    rss_bytes: int
    counters: dict[str, int]
    build: str
    config_hash: str


Market: TypeAlias = Lob | AggTrade | MarkPrice | FeedStatus | Heartbeat
Execution: TypeAlias = OrderUpdate | Fill | Reconciled
Control: TypeAlias = Halt | ReduceOnly | Flatten | Resume | Promote | Gate
AnyMessage: TypeAlias = (
    Market | FeatureVector | Flow | Prediction | Shadows | Decision | Execution | Account | Control | Health
)
