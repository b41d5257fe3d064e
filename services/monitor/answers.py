"""What the REST interface answers, as typed models; their descriptions are the documentation at `/docs`.

One convention throughout: prices, sizes and money are decimal texts (exact), counts are integers, ratios are
floats between 0 and 1, a time is a `Time` with both the text and the nanoseconds. `null` means "not known
yet" or "there is none".
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)


class Time(Answer):
    """A moment."""

    iso: str = Field(
        description="ISO 8601, UTC, to the nanosecond", examples=["2024-08-08T23:54:15.030000000Z"]
    )
    ns: int = Field(description="nanoseconds since 1970-01-01 UTC")


class Problem(Answer):
    """Why a request was refused."""

    error: str = Field(description="one sentence")


class ServiceStatus(Answer):
    """One instance of a service, by its newest health entry."""

    service: str
    instance: str = Field(description="tells copies of a service apart")
    state: str = Field(description="starting, ready, degraded, stopping; `silent` without health for 5 s")
    detail: str = Field(description="what stands against readiness")
    lag_ms: float = Field(description="how far it is behind its input, as it says itself")
    rss_mb: float = Field(description="resident memory, 10^6 bytes")
    positions: dict[str, str] = Field(description="input stream -> last id handled")
    counters: dict[str, int] = Field(description="totals since its start")
    seen: Time = Field(description="when it wrote its health")
    build: str
    config_hash: str


class LastPrediction(Answer):
    """The newest prediction of a symbol."""

    id: str = Field(description="its id, which is that of the features and of the book it follows from")
    at: Time = Field(description="receive time of that book")
    moves: dict[str, float] = Field(description="seconds ahead -> expected change of the mid, quote currency")
    thresholds: dict[str, float] = Field(
        description="seconds ahead -> the model's own threshold for a signal"
    )
    reason: str = Field(description="why there is none; empty where there is one")


class SymbolStatus(Answer):
    """Feed, price and prediction of one symbol."""

    symbol: str
    feed: str = Field(description="live, syncing, gap, crossed, stale; `unknown` before the first entry")
    feed_reason: str
    epoch: int | None = Field(description="plus one with each break of continuity")
    mid: str | None = Field(description="middle of the newest book")
    bid: str | None
    ask: str | None
    market: Time | None = Field(description="receive time of the newest market entry")
    model: str | None = Field(description="version of the model that serves")
    prediction: LastPrediction | None


class Status(Answer):
    """How the system is."""

    run_id: str
    data_kind: str = Field(description="recording (replayed), live, or local (a local venue's own market)")
    gate: Literal["off", "warn", "enforce"] = Field(
        description="whether entries need an edge after costs that was shown: `warn` trades although none "
        "was, `enforce` refuses them"
    )
    trading: str = Field(description="active, halted, reduce_only or flatten, by the newest control entry")
    now: Time
    services: list[ServiceStatus]
    symbols: list[SymbolStatus]


class PositionAnswer(Answer):
    """The position of one symbol, from its fills."""

    symbol: str
    size: str = Field(description="signed, base currency; negative is short")
    entry_price: str | None = Field(description="average price of the open position, to 8 places")
    mark_price: str | None = Field(description="the venue's mark where it sends one, else middle of the book")
    unrealized: str | None
    opened: Time | None = Field(description="first fill since the position was flat")
    venue_size: str | None = Field(description="what the venue said last in its account report")
    reconciled: bool | None = Field(description="whether the venue agreed at the last reconciliation")
    disagreements: int = Field(description="reconciliations in which it did not")


class OrderAnswer(Answer):
    """One order, from decision to fills."""

    symbol: str
    client_id: str
    order_id: int | None = Field(description="the venue's id")
    decision_id: str = Field(description="the entry of `decisions` that asked for it")
    cause: str = Field(description="the entry that led to the decision, <stream>/<id>")
    purpose: str = Field(description="enter, exit, flatten, quote, demonstration")
    side: str = Field(description="buy or sell")
    kind: str = Field(description="MARKET or LIMIT; empty where the decision is not known")
    time_in_force: str
    price: str | None = Field(description="limit price; null for a market order")
    size: str | None
    filled: str
    average_price: str | None = Field(description="of what was filled, to 8 places")
    fees: dict[str, str] = Field(description="asset -> amount")
    reduce_only: bool
    status: str = Field(description="the state of the order; `requested` before the venue said anything")
    event: str = Field(description="the last event reported")
    reason: str
    decided: Time | None = Field(description="market time of the decision")
    updated: Time | None = Field(description="the venue's time of the last event")
    trade_ids: list[int]


class Orders(Answer):
    """A page of orders, newest first."""

    total: int = Field(description="orders that match, of the newest 20,000 a symbol")
    limit: int
    offset: int
    orders: list[OrderAnswer]


class Trade(Answer):
    """A round trip: from flat to flat."""

    time: Time = Field(description="the venue's time of the fill that closed it")
    pnl: str = Field(description="gross less fees, quote currency")
    win: bool = Field(description="pnl above 0")
    symbol: str
    number: int = Field(description="1 for the symbol's first")
    side: str = Field(description="long or short")
    size: str = Field(description="all that was opened, base currency")
    opened: Time
    held_seconds: float
    entry_price: str | None = Field(description="average, to 8 places")
    exit_price: str | None = Field(description="average, to 8 places")
    gross: str
    fees: str = Field(description="in the quote asset")
    gross_win: bool = Field(description="gross above 0")
    fills: int
    opened_by: str = Field(description="decision that opened it")
    closed_by: str = Field(description="decision that closed it")
    cause: str = Field(description="what led to the decision that opened it, <stream>/<id>")


class Trades(Answer):
    """A page of round trips, newest first."""

    total: int
    limit: int
    offset: int
    trades: list[Trade]


class PnlAnswer(Answer):
    """Profit and loss, quote currency."""

    gross: str = Field(description="realized, before fees")
    unrealized: str | None = Field(description="open position at its mark price")
    fees: str = Field(description="paid in the quote asset")
    funding: str = Field(description="of the account; 0 for single symbols")
    net: str | None = Field(description="gross + unrealized - fees + funding")


class VenuePnl(Answer):
    """What the venue's own account says, from its newest report."""

    at: Time
    opening_wallet: str = Field(description="wallet in the first report")
    wallet: str
    unrealized: str = Field(description="at the venue's own mark, when it reported")
    net: str = Field(description="wallet + unrealized - opening wallet - opening unrealized")


class PnlTotals(Answer):
    """All symbols together, each symbol, and the venue's word."""

    total: PnlAnswer
    symbols: dict[str, PnlAnswer]
    other_fees: dict[str, str] = Field(description="fees in other assets; not part of net")
    venue: VenuePnl | None


class ResultsAnswer(Answer):
    """Closed round trips in figures."""

    round_trips: int
    wins: int
    win_rate: float | None = Field(description="wins / round_trips, after fees")
    gross_wins: int
    gross_win_rate: float | None
    average_win: str | None = Field(description="net, quote currency, to 8 places")
    average_loss: str | None = Field(description="net of the round trips that are no win, to 8 places")


class HitsAnswer(Answer):
    """How often the direction was right at one horizon, since this service started."""

    horizon_s: int
    hits: int
    misses: int
    unchanged: int = Field(description="the mid was the same: neither hit nor miss")
    no_direction: int = Field(description="the predicted move was exactly 0")
    void: int = Field(description="a gap lies between prediction and outcome")
    waiting: int = Field(description="outcome not known yet")
    hit_rate: float | None = Field(description="hits / (hits + misses)")
    signal_hits: int = Field(description="the same for moves at or above the model's threshold")
    signal_misses: int
    signal_unchanged: int
    signal_hit_rate: float | None


class SymbolStats(Answer):
    """Counts of one symbol."""

    results: ResultsAnswer
    entries: dict[str, int] = Field(
        description="entries by kind; the ledger from its start, others since this service's"
    )
    predictions: int
    predictions_unmade: dict[str, int] = Field(description="predictions that could not be made, by reason")
    hits: list[HitsAnswer]
    decisions: int
    requests: int = Field(description="orders and cancels sent")
    refusals: dict[str, int] = Field(description="requests refused by our own limits, by reason")
    venue_rejects: dict[str, int] = Field(description="orders refused by the venue, by reason")
    order_events: dict[str, int]
    fills: int
    fill_repeats: int = Field(description="fills reported more than once, counted once")


class Stats(Answer):
    """Counts of everything."""

    results: ResultsAnswer
    entries: dict[str, int] = Field(description="account and control entries by kind")
    symbols: dict[str, SymbolStats]


class Command(BaseModel):
    """What a person orders."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["halt", "reduce_only", "flatten", "resume", "promote"]
    who: Text = Field(description="who orders it")
    why: Text = Field(description="the reason")
    symbol: str | None = Field(None, description="promote only: the symbol to serve the model for")
    version: Text | None = Field(None, description="promote only: the model's version")
    from_id: str | None = Field(
        None,
        pattern=r"^\d{1,18}-\d{1,18}$",
        description="promote only: first id it applies to; 2 s after the newest market id where left out",
    )


class ControlEntry(Answer):
    """One entry of `control`."""

    id: str
    action: str
    at: Time
    who: str
    why: str
    symbol: str | None = None
    version: str | None = None
    from_id: str | None = None


class Controls(Answer):
    """The newest control entries, newest first."""

    trading: str
    controls: list[ControlEntry]
