"""`python -m bench.fuzz_frames FILE...`: damaged frames against the collector's frame parser.

Recorded frames are cut, their bits are flipped, keys swapped, numbers mangled, blanks and escapes put in.
Each goes to the compiled scanner and to msgspec, which must agree wherever both accept; what msgspec refuses
the scanner must refuse too, and the core as BadFrame, with nothing else raised. Diffs that are accepted are
applied to the compiled book and to `shared.book.Book`, whose best tiers must be equal.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from services.collector.core import CollectorCore
from services.collector.facts import Diff, convert
from services.collector.feed import Out
from services.collector.ladder import APPLIED, NO_ID, UNKNOWN, Ladder
from services.collector.wire import parse
from services.venue.lines import read
from services.venue.recording import scan
from shared.book import Book
from shared.codec import encode, pack_tiers
from shared.errors import BadFrame, LobflowError
from shared.units import MS, Parser, Scale

KEPT = 2_000  # recorded frames of each kind and symbol that are damaged again and again
RESET_EVERY = 2_000
NUMBERS = (
    b"", b"-1", b"-0", b"+1", b"1e3", b"1E-2", b"00", b"01", b".5", b"1.", b"0.", b"1..2", b"0x10", b"nan",
    b"null", b"true", b"1_000", b" 1", b"1 ", b"\xd9\xa1", b"9" * 18, b"9" * 19, b"9" * 40, b"1." + b"0" * 30,
    b"0." + b"0" * 12 + b"1", b"123456789.9", b"1234567890.1", b"\\u0031", b"18446744073709551616",
)  # fmt: skip
_number = re.compile(rb"\d+(?:\.\d+)?")
_member = re.compile(rb'"[A-Za-z]{1,2}":(?:"[^"]*"|\d+|true|false|\[\[.*?\]\]|\[\])')


class Mutator:
    """Damages frames; the same seed gives the same damage."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._kinds: list[Callable[[bytes], bytes]] = [
            self._cut, self._flip, self._drop, self._insert, self._mangle, self._mangle, self._swap,
            self._digit, self._digit, self._digit, self._digit, self._twice, self._stranger, self._blank,
        ]  # fmt: skip

    def choose(self, frames: Sequence[tuple[str, str, bytes]]) -> tuple[str, str, bytes]:
        """One of the frames, damaged once, twice or three times."""
        symbol, kind, data = self._random.choice(frames)
        for _ in range(self._random.choice((1, 1, 1, 2, 3))):
            data = self._random.choice(self._kinds)(data)
        return symbol, kind, data

    def _place(self, data: bytes) -> int:
        return self._random.randrange(len(data) + 1)

    def _cut(self, data: bytes) -> bytes:
        return data[: self._place(data)]

    def _flip(self, data: bytes) -> bytes:
        if not data:
            return data
        damaged = bytearray(data)
        damaged[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
        return bytes(damaged)

    def _drop(self, data: bytes) -> bytes:
        at = self._place(data)
        return data[:at] + data[at + self._random.randrange(1, 4) :]

    def _insert(self, data: bytes) -> bytes:
        at = self._place(data)
        return (
            data[:at]
            + self._random.choice((b'"', b",", b"]", b"[", b"0", b"\x00", b"\xff", b"\\"))
            + data[at:]
        )

    def _mangle(self, data: bytes) -> bytes:
        return self._replace(_number, data, lambda old: self._random.choice(NUMBERS))

    def _digit(self, data: bytes) -> bytes:
        """Another number of the same look: what both should accept."""
        return self._replace(
            _number, data, lambda old: re.sub(rb"\d", lambda _: b"%d" % self._random.randrange(10), old)
        )

    def _swap(self, data: bytes) -> bytes:
        members = _member.findall(data)
        self._random.shuffle(members)
        return b"{" + b",".join(members) + b"}"

    def _twice(self, data: bytes) -> bytes:
        return self._replace(_member, data, lambda old: old + b"," + old)

    def _stranger(self, data: bytes) -> bytes:
        return self._replace(_member, data, lambda old: old + b',"zz":[1,{"u":2}]')

    def _blank(self, data: bytes) -> bytes:
        return self._replace(re.compile(rb"[,:]"), data, lambda old: old + b" ")

    def _replace(self, pattern: re.Pattern[bytes], data: bytes, new: Callable[[bytes], bytes]) -> bytes:
        found = list(pattern.finditer(data))
        if not found:
            return data
        one = self._random.choice(found)
        return data[: one.start()] + new(one.group()) + data[one.end() :]


class Judge:
    """Gives each frame to all who read it, and raises AssertionError where they disagree."""

    def __init__(self, scales: dict[str, Scale]) -> None:
        self.counts: defaultdict[str, int] = defaultdict(int)
        self._scales = scales
        self._parsers = {symbol: Parser(scale) for symbol, scale in scales.items()}
        self._reset()

    def _reset(self) -> None:
        self._core = CollectorCore(self._scales, defaultdict(int))
        self._ladders = {symbol: Ladder(symbol, scale) for symbol, scale in self._scales.items()}
        self._books = {symbol: Book() for symbol in self._scales}

    def frame(self, symbol: str, kind: str, data: bytes) -> None:
        """One damaged frame of a stream of `symbol`."""
        self.counts["frames"] += 1
        if self.counts["frames"] % RESET_EVERY == 0:
            self._reset()
        try:
            fact = convert(parse(kind, symbol, data), self._parsers[symbol])
        except BadFrame:
            fact = None
        if kind == "depth":
            self._scanned(symbol, data, fact)
        self._through_core(symbol, kind, data, is_good=fact is not None)

    def _scanned(self, symbol: str, data: bytes, fact: object) -> None:
        ladder, book = self._ladders[symbol], self._books[symbol]
        if ladder.take(data, NO_ID)[0] == UNKNOWN:
            self.counts["left_to_msgspec" if fact else "refused_by_both"] += 1
            return
        first, last, previous, ms, bids, asks = ladder.scanned()
        scanned = Diff(first, last, previous, ms * MS, bids, asks)
        assert fact == scanned, f"scanner and msgspec differ: {data!r}"
        assert isinstance(fact, Diff)
        self.counts["accepted_by_both"] += 1
        book.apply(fact.bids, fact.asks)
        if ladder.take(data, fact.previous)[0] != APPLIED:  # no room: the way over lists makes some
            ladder.apply(fact.bids, fact.asks)
        assert ladder.packed() == (pack_tiers(book.bids(20)), pack_tiers(book.asks(20))), (
            f"books differ: {data!r}"
        )
        assert ladder.is_crossed == book.is_crossed

    def _through_core(self, symbol: str, kind: str, data: bytes, is_good: bool) -> None:
        try:
            outputs = self._core.frame(self.counts["frames"] * MS, f"{symbol.lower()}@{kind}", data)
        except BadFrame:
            self.counts["parked"] += 1
            assert not is_good, f"the core refused what can be read: {data!r}"
            return
        assert is_good, f"the core took what cannot be read: {data!r}"
        for output in outputs:
            if isinstance(output, Out):
                encode(output.message)


def recorded(files: Sequence[Path]) -> tuple[dict[str, Scale], list[tuple[str, str, bytes]]]:
    """The scales of the symbols in files, and frames (symbol, kind, data) to be damaged; most are diffs."""
    scales: dict[str, Scale] = {}
    frames: list[tuple[str, str, bytes]] = []
    for path in files:
        scales |= {symbol: row.scale for symbol, row in scan([path]).items()}
        kept: defaultdict[tuple[str, str], int] = defaultdict(int)
        for line in read(path):
            limit = KEPT if line.kind == "depth" else KEPT // 20
            if line.kind in ("depth", "bookTicker", "aggTrade", "markPrice") and kept[line[1:3]] < limit:
                kept[line[1:3]] += 1
                frames.append((line.symbol, line.kind, line.data))
    return scales, frames


def main() -> int:
    """Damage frames of recordings and print the counts as one JSON line."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("files", nargs="+", type=Path, help="raw recordings, each of symbols of its own")
    arguments.add_argument("--frames", type=int, default=1_000_000)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    try:
        scales, frames = recorded(given.files)
    except LobflowError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 1
    mutator, judge, start = Mutator(given.seed), Judge(scales), time.monotonic()
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("damaging frames", total=given.frames)
        for number in range(given.frames):
            judge.frame(*mutator.choose(frames))
            if number % 1000 == 999:
                bar.update(task, advance=1000)
    print(json.dumps({"fuzz": "frames", **judge.counts, "seconds": round(time.monotonic() - start, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
