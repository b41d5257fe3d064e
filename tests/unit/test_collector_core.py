"""Frames in, market entries out."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from services.collector.core import CollectorCore
from services.collector.feed import Out, Output, Resume, WantSnapshot
from shared.codec import unpack_tiers
from shared.errors import BadFrame, Conflict
from shared.messages import AggTrade, FeedStatus, Heartbeat, Lob, MarkPrice, Message
from shared.streams import parse_id
from shared.units import MS, Scale

T0 = 1_700_000_000_000 * MS
BTC = Scale(100_000_000, 1_000_000)


def depth(first: int, last: int, previous: int, bids: object = (), asks: object = ()) -> bytes:
    body = {"e": "depthUpdate", "E": 5, "T": 4, "s": "BTCUSDT", "U": first, "u": last, "pu": previous}
    return json.dumps({**body, "st": 1, "b": bids, "a": asks}).encode()


def trade(agg_id: int, price: str = "100.0", size: str = "0.500", is_buyer_maker: bool = False) -> bytes:
    body = {"e": "aggTrade", "E": 7, "T": 6, "s": "BTCUSDT", "a": agg_id, "p": price, "q": size, "nq": size}
    return json.dumps({**body, "f": agg_id, "l": agg_id, "m": is_buyer_maker, "new": {"key": 1}}).encode()


def ticker(update_id: int, bid: str, ask: str) -> bytes:
    body = {"e": "bookTicker", "u": update_id, "s": "BTCUSDT", "b": bid, "B": "1.000", "a": ask, "A": "1.000"}
    return json.dumps(body).encode()


def snapshot(last_id: int, bid: str = "99.9", ask: str = "100.1") -> bytes:
    return json.dumps({"lastUpdateId": last_id, "bids": [[bid, "1.000"]], "asks": [[ask, "1.000"]]}).encode()


class Feeder:
    """A core with a clock, for short tests."""

    def __init__(self, resume: Resume | None = None, symbols: tuple[str, ...] = ("BTCUSDT",)) -> None:
        self.counts: defaultdict[str, int] = defaultdict(int)
        resumes = {"BTCUSDT": resume} if resume else None
        self.core = CollectorCore({symbol: BTC for symbol in symbols}, self.counts, resumes)
        self.seen: list[Output] = []

    def frame(self, at_ms: int, kind: str, data: bytes) -> list[Output]:
        return self._keep(self.core.frame(T0 + at_ms * MS, f"btcusdt@{kind}", data))

    def snapshot(self, at_ms: int, data: bytes) -> list[Output]:
        return self._keep(self.core.snapshot(T0 + at_ms * MS, "BTCUSDT", data))

    def tick(self, at_ms: int) -> list[Output]:
        return self._keep(self.core.tick(T0 + at_ms * MS))

    def live(self) -> Feeder:
        self.frame(0, "depth@100ms", depth(95, 105, 90))
        self.snapshot(1, snapshot(100))
        return self

    def _keep(self, outputs: list[Output]) -> list[Output]:
        self.seen += outputs
        return outputs


def messages(outputs: list[Output]) -> list[Message]:
    return [output.message for output in outputs if isinstance(output, Out)]


def kinds(outputs: list[Output]) -> list[str]:
    return [type(output.message).__name__ if isinstance(output, Out) else "want" for output in outputs]


def test_first_diff_asks_for_a_snapshot_and_the_book_goes_live_with_it() -> None:
    feeder = Feeder()
    first = feeder.frame(0, "depth@100ms", depth(95, 105, 90, bids=[["99.8", "2.000"]]))
    assert kinds(first) == ["FeedStatus", "want"]
    assert first[1] == WantSnapshot("BTCUSDT")
    status, lob = messages(feeder.snapshot(1, snapshot(100)))
    assert isinstance(status, FeedStatus)
    assert status.state == "live"
    assert isinstance(lob, Lob)
    assert unpack_tiers(lob.bids) == [999, 1000, 998, 2000]
    assert unpack_tiers(lob.asks) == [1001, 1000]
    assert (lob.update_id, lob.exchange_ns, lob.tick_e9) == (105, 4 * MS, 100_000_000)


def test_lost_diff_is_said_and_opens_a_new_epoch() -> None:
    feeder = Feeder().live()
    out = feeder.frame(50, "depth@100ms", depth(120, 130, 119))
    assert kinds(out) == ["FeedStatus", "want"]
    gap = messages(out)[0]
    assert isinstance(gap, FeedStatus)
    assert (gap.state, gap.epoch) == ("gap", 1)
    assert "119" in gap.reason
    assert kinds(feeder.frame(60, "depth@100ms", depth(131, 140, 130))) == []
    status, lob = messages(feeder.snapshot(70, snapshot(125)))
    assert isinstance(status, FeedStatus)
    assert isinstance(lob, Lob)
    assert (status.state, lob.epoch, lob.update_id) == ("live", 1, 140)
    assert feeder.counts["gaps"] == 1


def test_crossed_book_is_never_published() -> None:
    feeder = Feeder().live()
    out = feeder.frame(50, "depth@100ms", depth(106, 110, 105, bids=[["100.2", "1.000"]]))
    assert kinds(out) == ["FeedStatus"]
    status = messages(out)[0]
    assert isinstance(status, FeedStatus)
    assert status.state == "crossed"
    assert kinds(feeder.frame(60, "depth@100ms", depth(111, 112, 110))) == ["want"]


def test_failed_snapshot_is_asked_for_again_after_a_second() -> None:
    feeder = Feeder()
    feeder.frame(0, "depth@100ms", depth(95, 105, 90))
    feeder.core.snapshot_failed(T0, "BTCUSDT")
    assert "want" not in kinds(feeder.frame(900, "depth@100ms", depth(106, 107, 105)))
    assert "want" in kinds(feeder.frame(1000, "depth@100ms", depth(108, 109, 107)))


def test_snapshot_older_than_the_buffer_is_asked_for_again_at_once() -> None:
    feeder = Feeder()
    feeder.frame(0, "depth@100ms", depth(95, 105, 90))
    assert kinds(feeder.snapshot(1, snapshot(50))) == ["want"]
    assert feeder.counts["snapshots_too_old"] == 1


def test_tape_gap_voids_windows_but_not_the_book() -> None:
    feeder = Feeder().live()
    feeder.frame(10, "aggTrade", trade(7))
    out = messages(feeder.frame(20, "aggTrade", trade(9)))
    assert [type(message).__name__ for message in out] == ["FeedStatus", "FeedStatus", "AggTrade"]
    assert [message.state for message in out if isinstance(message, FeedStatus)] == ["gap", "live"]
    assert {message.epoch for message in out if isinstance(message, FeedStatus | AggTrade)} == {1}


def test_old_and_empty_trades_are_counted_not_published() -> None:
    feeder = Feeder().live()
    feeder.frame(10, "aggTrade", trade(7))
    assert feeder.frame(11, "aggTrade", trade(7)) == []
    assert feeder.frame(12, "aggTrade", trade(8, price="0", size="0")) == []
    (after,) = messages(feeder.frame(13, "aggTrade", trade(9, is_buyer_maker=True)))
    assert isinstance(after, AggTrade)
    assert (after.side, after.epoch) == (-1, 0)
    assert (feeder.counts["agg_trade_old"], feeder.counts["agg_trade_zero"]) == (1, 1)


def test_mark_price_of_an_expiring_contract_has_no_funding_rate() -> None:
    data = {
        "e": "markPriceUpdate",
        "E": 5,
        "s": "BTCUSDT",
        "p": "100.12345678",
        "ap": "1",
        "i": "99.5",
        "r": "",
    }
    feeder = Feeder().live()
    (mark,) = messages(feeder.frame(10, "markPrice@1s", json.dumps({**data, "T": 9}).encode()))
    assert isinstance(mark, MarkPrice)
    assert (mark.mark_e9, mark.funding_rate_e9) == (100_123_456_780, 0)


def test_top_of_book_is_compared_wherever_the_ids_meet() -> None:
    feeder = Feeder().live()
    feeder.frame(10, "bookTicker", ticker(110, "99.9", "100.1"))
    feeder.frame(11, "depth@100ms", depth(106, 110, 105))  # the ticker came first, and agrees
    feeder.frame(12, "depth@100ms", depth(111, 120, 110))
    feeder.frame(13, "bookTicker", ticker(120, "99.9", "100.2"))  # it came late, and does not
    feeder.frame(14, "bookTicker", ticker(121, "1.0", "2.0"))  # meets nothing
    assert {name: feeder.counts[name] for name in ("bbo_checked", "bbo_agree")} == {
        "bbo_checked": 1,
        "bbo_agree": 1,
    }
    assert (feeder.counts["bbo_late_checked"], feeder.counts["bbo_late_agree"]) == (1, 0)


def test_heartbeats_are_multiples_of_100_ms_after_the_last_entry() -> None:
    feeder = Feeder().live()  # the last entry is at 1 ms
    assert kinds(feeder.tick(100)) == []
    beats = messages(feeder.tick(350))
    assert [message.recv_ns for message in beats if isinstance(message, Heartbeat)] == [
        T0 + ms * MS for ms in (101, 201, 301)
    ]


def test_heartbeats_due_before_a_frame_come_before_it_and_one_due_with_it_does_not() -> None:
    feeder = Feeder().live()
    assert kinds(feeder.frame(202, "aggTrade", trade(1))) == ["Heartbeat", "Heartbeat", "AggTrade"]
    assert kinds(feeder.frame(302, "aggTrade", trade(2))) == ["AggTrade"]


def test_frame_stamped_before_a_published_heartbeat_is_restamped_to_it() -> None:
    feeder = Feeder().live()
    feeder.tick(101)
    (late,) = messages(feeder.frame(50, "aggTrade", trade(1)))
    assert isinstance(late, AggTrade)
    assert late.recv_ns == T0 + 101 * MS


def test_ids_rise_and_seq_counts_every_entry() -> None:
    feeder = Feeder().live()
    for n in range(5):
        feeder.frame(10, "aggTrade", trade(n))
    feeder.tick(500)
    entries = [output for output in feeder.seen if isinstance(output, Out)]
    ids = [parse_id(output.entry_id) for output in entries]
    assert ids == sorted(set(ids))
    assert [output.message.seq for output in entries] == list(range(len(entries)))  # type: ignore[attr-defined]


def test_all_symbols_begin_with_the_first_frame_of_any() -> None:
    feeder = Feeder(symbols=("BTCUSDT", "ETHUSDT"))
    out = feeder.frame(0, "aggTrade", trade(1))
    assert [(output.symbol, kind) for output, kind in zip(out, kinds(out), strict=True)] == [
        ("BTCUSDT", "FeedStatus"),
        ("ETHUSDT", "FeedStatus"),
        ("BTCUSDT", "AggTrade"),
    ]


def test_restart_continues_seq_and_opens_a_new_epoch() -> None:
    feeder = Feeder(resume=Resume(seq=41, epoch=3, recv_ns=T0 - 5 * MS, ms=T0 // MS + 2, n=4))
    (status,) = messages(feeder.frame(0, "depth@100ms", depth(1, 2, 0)))[:1]
    assert isinstance(status, FeedStatus)
    assert (status.seq, status.epoch) == (42, 4)
    first = next(output for output in feeder.seen if isinstance(output, Out))
    assert first.entry_id == f"{T0 // MS + 2}-5"


def test_clock_behind_the_stream_is_refused_by_name() -> None:
    feeder = Feeder(resume=Resume(seq=1, epoch=0, recv_ns=T0 + 60_000 * MS, ms=T0 // MS + 60_000, n=0))
    with pytest.raises(Conflict, match=r"below the stream's last.*LOBFLOW_RUN_ID"):
        feeder.frame(0, "depth@100ms", depth(1, 2, 0))


BAD_FRAMES = [
    ("depth@100ms", b'{"e":"depthUpdate","E":1', "malformed depth frame"),
    ("depth@100ms", b'{"e":"depthUpdate","E":1,"U":1}', "malformed depth frame"),
    ("depth@100ms", depth(106, 107, 105, bids=[["99.85", "1.000"]]), "no multiple of the tick"),
    ("depth@100ms", depth(106, 107, 105, bids=[["99.8", "-1.000"]]), "negative"),
    ("depth@100ms", depth(106, 107, 105, bids=[["nan", "1"]]), "not a decimal"),
    ("aggTrade", trade(1).replace(b"BTCUSDT", b"ETHUSDT"), "carried"),
    ("bookTicker", trade(1), "malformed bookTicker"),
    ("liquidation", b"{}", "unknown event type 'liquidation'"),
]


@pytest.mark.parametrize(("kind", "data", "reason"), BAD_FRAMES)
def test_bad_frame_is_refused_and_changes_nothing(kind: str, data: bytes, reason: str) -> None:
    feeder, twin = Feeder().live(), Feeder().live()
    with pytest.raises(BadFrame, match=reason):
        feeder.frame(250, kind, data)
    following = depth(106, 110, 105)
    assert feeder.frame(300, "depth@100ms", following) == twin.frame(300, "depth@100ms", following)


def test_frame_of_a_symbol_not_asked_for_is_refused() -> None:
    with pytest.raises(BadFrame, match="DOGEUSDT"):
        Feeder().core.frame(T0, "dogeusdt@aggTrade", trade(1))


def test_malformed_snapshot_counts_as_failed() -> None:
    feeder = Feeder()
    feeder.frame(0, "depth@100ms", depth(95, 105, 90))
    with pytest.raises(BadFrame, match="malformed depth snapshot"):
        feeder.snapshot(1, b"<html>")
    assert feeder.counts["snapshots_failed"] == 1


def test_lost_sockets_are_gaps() -> None:
    feeder = Feeder().live()
    feeder.frame(10, "aggTrade", trade(5))
    tape = messages(feeder.core.lost(T0 + 20 * MS, "tape", "tape socket lost"))
    assert [message.state for message in tape if isinstance(message, FeedStatus)] == ["gap"]
    assert kinds(feeder.frame(25, "aggTrade", trade(9))) == ["FeedStatus", "AggTrade"]  # live again
    book = messages(feeder.core.lost(T0 + 30 * MS, "book", "book socket lost"))
    assert [message.state for message in book if isinstance(message, FeedStatus)] == ["gap"]
    assert kinds(feeder.frame(40, "aggTrade", trade(10))) == ["AggTrade"]  # the tape is another matter


def test_snapshot_ahead_of_the_stream_is_kept_and_not_asked_for_again() -> None:
    feeder = Feeder()
    feeder.frame(0, "depth@100ms", depth(1, 10, 0))
    assert kinds(feeder.snapshot(1, snapshot(30))) == []
    assert kinds(feeder.frame(2, "depth@100ms", depth(11, 20, 10))) == []
    assert kinds(feeder.frame(3, "depth@100ms", depth(21, 35, 20))) == ["FeedStatus", "Lob"]
    # One that comes when the book is whole already (asked for before) must not replace it.
    assert kinds(feeder.snapshot(4, snapshot(38))) == []
    assert kinds(feeder.frame(5, "depth@100ms", depth(36, 40, 35))) == ["Lob"]
    assert feeder.counts["gaps"] == 0


def states_of(outputs: list[Output]) -> list[str]:
    return [message.state for message in messages(outputs) if isinstance(message, FeedStatus)]


def mark(event_ms: int) -> bytes:
    body = {
        "e": "markPriceUpdate",
        "E": event_ms,
        "s": "BTCUSDT",
        "p": "100",
        "i": "100",
        "r": "0.0001",
        "T": 9,
    }
    return json.dumps(body).encode()


def test_silent_book_is_stale_and_begins_anew_from_a_snapshot() -> None:
    feeder = Feeder().live()
    stale = feeder.core.stale(T0 + 10 * MS, "BTCUSDT", "depth", "btcusdt@depth: no frame")
    assert states_of(stale) == ["stale"]
    assert messages(stale)[0].epoch == 1  # type: ignore[attr-defined]
    assert feeder.core.stale(T0 + 20 * MS, "BTCUSDT", "depth", "again") == []
    assert kinds(feeder.frame(30, "depth@100ms", depth(106, 110, 105))) == [
        "want"
    ]  # though nothing is missing
    assert kinds(feeder.snapshot(40, snapshot(108))) == ["FeedStatus", "Lob"]


def test_silent_tape_holds_the_book_back_until_it_sends_again() -> None:
    feeder = Feeder().live()
    feeder.frame(5, "aggTrade", trade(5))
    assert states_of(feeder.core.stale(T0 + 10 * MS, "BTCUSDT", "aggTrade", "silent")) == ["stale"]
    assert kinds(feeder.frame(20, "depth@100ms", depth(106, 110, 105))) == []  # applied all the same
    assert kinds(feeder.frame(30, "aggTrade", trade(5))) == []  # an old one proves nothing
    assert kinds(feeder.frame(30, "aggTrade", trade(6))) == ["FeedStatus", "AggTrade"]
    assert kinds(feeder.frame(40, "depth@100ms", depth(111, 120, 110))) == ["Lob"]


def test_trades_missing_after_a_silence_are_a_gap() -> None:
    feeder = Feeder().live()
    feeder.frame(5, "aggTrade", trade(5))
    feeder.core.stale(T0 + 10 * MS, "BTCUSDT", "aggTrade", "silent")
    out = feeder.frame(30, "aggTrade", trade(9))
    assert states_of(out) == ["gap", "live"]
    assert kinds(out)[-1] == "AggTrade"


def test_everything_silent_is_live_only_when_everything_is_back() -> None:
    feeder = Feeder().live()
    feeder.frame(2, "aggTrade", trade(5))
    feeder.frame(3, "markPrice@1s", mark(1000))
    for kind in ("depth", "aggTrade", "markPrice"):
        assert states_of(feeder.core.stale(T0 + 10 * MS, "BTCUSDT", kind, "silent")) == ["stale"]
    assert kinds(feeder.frame(20, "markPrice@1s", mark(2000))) == ["MarkPrice"]
    feeder.frame(30, "depth@100ms", depth(106, 110, 105))
    assert kinds(feeder.snapshot(40, snapshot(108))) == []  # whole, but the tape is silent
    assert kinds(feeder.frame(50, "aggTrade", trade(6))) == ["FeedStatus", "AggTrade"]


def test_lost_tape_is_back_with_its_first_frame_of_any_kind() -> None:
    feeder = Feeder().live()
    assert states_of(feeder.core.lost(T0 + 10 * MS, "tape", "tape socket lost")) == ["gap"]
    assert kinds(feeder.frame(20, "depth@100ms", depth(106, 110, 105))) == []
    assert kinds(feeder.frame(30, "markPrice@1s", mark(1000))) == ["FeedStatus", "MarkPrice"]


def test_only_the_symbols_of_a_lost_socket_have_a_gap() -> None:
    feeder = Feeder(symbols=("BTCUSDT", "ETHUSDT")).live()
    out = feeder.core.lost(T0 + 10 * MS, "tape", "tape socket lost", ["ETHUSDT"])
    assert [output.symbol for output in out if isinstance(output, Out)] == ["ETHUSDT"]


def test_mark_price_that_was_overtaken_or_comes_twice_is_dropped() -> None:
    feeder = Feeder().live()
    assert kinds(feeder.frame(10, "markPrice@1s", mark(20_000))) == ["MarkPrice"]
    assert kinds(feeder.frame(20, "markPrice@1s", mark(20_000))) == []
    assert kinds(feeder.frame(30, "markPrice@1s", mark(19_000))) == []
    assert feeder.counts["mark_price_old"] == 2
    assert kinds(feeder.frame(40, "markPrice@1s", mark(5_000))) == ["MarkPrice"]  # the venue's clock was set


def test_heartbeats_due_before_a_loss_come_before_it() -> None:
    feeder = Feeder().live()
    out = feeder.core.lost(T0 + 250 * MS, "book", "book socket lost")
    assert kinds(out) == ["Heartbeat", "Heartbeat", "FeedStatus"]
