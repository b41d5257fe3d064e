"""Before the first frame: which sockets, within which limits, and what must come of them."""

from __future__ import annotations

from services.collector.boot import Boot, Overdue, is_excused
from services.collector.routes import CHUNK, URL_LIMIT, routes
from shared.units import SECOND
from shared.venues import ALL_KINDS

PUBLIC, MARKET = "wss://venue/public", "wss://venue/market/"


def test_two_sockets_for_few_symbols_with_everything_in_the_url() -> None:
    book, tape = routes(PUBLIC, MARKET, ["BTCUSDT", "ETHUSDT"])
    assert book.url == (
        "wss://venue/public/stream?streams="
        "btcusdt@depth@100ms/btcusdt@bookTicker/ethusdt@depth@100ms/ethusdt@bookTicker"
    )
    assert tape.url.startswith("wss://venue/market/stream?streams=btcusdt@aggTrade/btcusdt@markPrice@1s/")
    assert (book.name, tape.name, book.later, tape.later) == ("book", "tape", (), ())


def test_many_symbols_keep_every_limit_and_none_is_lost() -> None:
    symbols = [f"SYMBOL{number:04}USDT" for number in range(1300)]
    found = routes(PUBLIC, MARKET, symbols, 1024)
    for what in ("book", "tape"):
        rows = [route for route in found if route.what == what]
        assert [symbol for route in rows for symbol in route.symbols] == symbols
        assert len({route.name for route in rows}) == len(rows) == 3
        for route in rows:
            assert len(route.streams) <= 1024
            assert len(route.url) <= URL_LIMIT
            in_url = route.url.partition("=")[2].split("/")
            assert (*in_url, *(stream for chunk in route.later for stream in chunk)) == route.streams
            assert all(len(chunk) <= CHUNK for chunk in route.later)


def test_streams_that_have_not_begun_are_named_with_their_url() -> None:
    found = routes(PUBLIC, MARKET, ["BTCUSDT"])
    boot = Boot(found, ALL_KINDS, 5.0, SECOND)
    assert boot.unopened(5 * SECOND) == []
    assert boot.unopened(6 * SECOND) == found
    for route in found:
        boot.opened(route, 6 * SECOND)
    boot.heard("btcusdt@depth@100ms")
    boot.heard("btcusdt@bookTicker")
    assert boot.unopened(60 * SECOND) == boot.overdue(10 * SECOND) == []
    boot.opened(found[1], 100 * SECOND)  # reconnects: the first time counts
    assert boot.overdue(11 * SECOND) == [
        Overdue("btcusdt@aggTrade", "wss://venue/market/stream", is_routed=False),
        Overdue("btcusdt@markPrice@1s", "wss://venue/market/stream", is_routed=False),
    ]
    boot.heard("btcusdt@markPrice@1s")
    assert boot.overdue(11 * SECOND) == [
        Overdue("btcusdt@aggTrade", "wss://venue/market/stream", is_routed=True)
    ]
    boot.excuse("btcusdt@aggTrade")
    assert boot.overdue(11 * SECOND) == []


def test_kinds_that_are_not_demanded_are_not_waited_for() -> None:
    boot = Boot(routes(PUBLIC, MARKET, ["BTCUSDT"]), ("depth",), 5.0, 0)
    assert boot.waiting == {"btcusdt@depth@100ms"}


def test_only_rare_events_on_a_proven_socket_are_excused() -> None:
    trade = Overdue("x@aggTrade", "url", is_routed=True)
    assert is_excused(trade, 1000, 20.0)
    assert not is_excused(trade, 1_000_000, 20.0)
    assert not is_excused(trade._replace(is_routed=False), 1000, 20.0)
    assert not is_excused(Overdue("x@markPrice@1s", "url", is_routed=True), 0, 20.0)
    assert is_excused(trade, None, 20.0)  # the venue does not tell how often it trades
    assert not is_excused(Overdue("x@depth@100ms", "url", is_routed=True), None, 20.0)
    assert is_excused(Overdue("x@depth@100ms", "url", is_routed=True), 1000, 20.0)
