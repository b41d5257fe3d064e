"""Funding: announced with the mark, paid once when it falls due, remembered and told."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from services.venue.account_api import AccountApi
from services.venue.boards import recorded
from services.venue.core import Exchange
from services.venue.events import Event, Instrument
from services.venue.funding import Marks
from services.venue.orders import Order, OrderRequest, Refusal
from shared.units import E9, MS, SECOND, Scale

SCALE = Scale(E9 // 10, E9 // 1000)
DUE_MS = 28_800_000


def mark(price: str, rate: str, due_ms: int = DUE_MS) -> bytes:
    return msgspec.json.encode({"e": "markPriceUpdate", "p": price, "r": rate, "T": due_ms})


def exchange(sign: int) -> Exchange:
    """One with a position of 0.5 bought or sold at 100."""
    found = Exchange({"BTCUSDT": recorded(Instrument("BTCUSDT", SCALE, 0, 0, 1))}, Decimal(1000))
    book = {"lastUpdateId": 1, "bids": [["100", "9"]], "asks": [["100.1", "9"]]}
    found.handle(Event(1, 1, "BTCUSDT", "snapshot", msgspec.json.encode(book)))
    order = found.place(OrderRequest("BTCUSDT", "c", sign, "MARKET", "GTC", 0, 1500, False), 2)
    assert isinstance(order, Order)
    found.take_events()
    return found


def send(found: Exchange, at_ms: int, data: bytes) -> None:
    found.handle(Event(2, at_ms * MS, "BTCUSDT", "markPrice", data))


@pytest.mark.parametrize(
    ("sign", "rate", "received"),
    [(1, "0.0001", "-0.0165"), (-1, "0.0001", "0.0165"), (1, "-0.0002", "0.033")],
)
def test_the_rate_announced_before_is_paid_once_at_the_mark(sign: int, rate: str, received: str) -> None:
    found = exchange(sign)
    before = found.account.wallet
    send(found, DUE_MS - 1000, mark("105", rate))
    assert found.account.wallet == before
    send(found, DUE_MS, mark("110", "0.5", 2 * DUE_MS))
    send(found, DUE_MS + 1000, mark("111", "0.5", 2 * DUE_MS))
    assert found.account.wallet == before + Decimal(received)
    assert found.account.funding == Decimal(received)
    ((at_ns, told),) = found.take_events()
    assert at_ns == DUE_MS * MS
    assert told["a"]["m"] == "FUNDING_FEE"
    assert Decimal(told["a"]["B"][0]["bc"]) == Decimal(received)
    assert Decimal(told["a"]["B"][0]["wb"]) == found.account.wallet
    api = AccountApi(found)
    (row,) = api.income({"incomeType": "FUNDING_FEE"}, DUE_MS * MS + SECOND)  # type: ignore[misc]
    assert (Decimal(row["income"]), row["time"]) == (Decimal(received), DUE_MS)
    assert api.income({"startTime": str(DUE_MS + 1)}, DUE_MS * MS + SECOND) == []
    assert isinstance(api.income({"startTime": "then"}, 0), Refusal)


def test_without_a_position_nothing_is_paid_or_told() -> None:
    found = Exchange({"BTCUSDT": recorded(Instrument("BTCUSDT", SCALE, 0, 0, 1))}, Decimal(1000))
    send(found, 1, mark("105", "0.01"))
    send(found, DUE_MS, mark("105", "0.01", 2 * DUE_MS))
    assert (found.account.wallet, found.take_events(), list(found.history.payments)) == (1000, [], [])


def test_a_mark_that_cannot_be_read_changes_nothing() -> None:
    marks = Marks()
    assert marks.take(mark("105", "0.01"), 0) is None
    for bad in (b"{}", b'{"p":"x"}', b'{"p":"1","r":"y"}', b"nothing"):
        assert marks.take(bad, DUE_MS * MS) is None
    assert (marks.price, marks.due_ns) == (Decimal(105), DUE_MS * MS)
