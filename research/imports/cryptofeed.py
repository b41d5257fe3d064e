"""cryptofeed's raw data collection: one file a connection, what was asked and what came, with seconds.

    <url> -> <seconds>: <answer>       REST
    <url> <-> <seconds>                a socket was opened
    <url> <- <seconds>: <message>      sent
    <seconds>: <frame>                 received
    configuration: <json>

Source: cryptofeed/raw_data_collection.py. The answers hold what a book needs: depth snapshots by symbol, and
exchangeInfo with the tick and lot sizes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from research.imports.reading import Reading, symbol_of
from research.imports.recorded import Frames
from research.imports.values import time_ns
from services.venue.lines import Line
from shared.errors import BadFrame
from shared.units import Scale, e9

RECEIVED = re.compile(rb"(\d{9,11}(?:\.\d+)?): (.*)")
ANSWERED = re.compile(rb"(https?://\S+) -> (\d{9,11}(?:\.\d+)?): (.*)")
NO_DATA = re.compile(rb"configuration: |\S+ <-> \d|\S+ <- \d|\s*$")


class _Filter(msgspec.Struct):
    filterType: str
    tickSize: str = ""
    stepSize: str = ""


class _Instrument(msgspec.Struct):
    symbol: str
    filters: list[_Filter] = []


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Instrument]


_info = msgspec.json.Decoder(_ExchangeInfo)


def read(paths: Sequence[Path], reading: Reading) -> Iterator[Line]:
    """The frames and depth answers of one connection's files, in sequence."""
    for path in paths:
        frames = Frames(path, None)
        for number, text in reading.lines(path):
            if NO_DATA.match(text):
                continue
            try:
                line = _line(frames, text, number, reading)
            except BadFrame as error:
                reading.skips.add(str(error), path, number)
                continue
            if line is not None and reading.wants(line.symbol):
                yield line


def _line(frames: Frames, text: bytes, number: int, reading: Reading) -> Line | None:
    received = RECEIVED.match(text)
    if received is not None:
        return frames.line(time_ns(received[1].decode()), received[2], number)
    answered = ANSWERED.match(text)
    if answered is None:
        raise BadFrame("neither a frame nor an answer of cryptofeed's raw data")
    url = urlsplit(answered[1].decode(errors="replace"))
    if url.path.endswith("/exchangeInfo"):
        reading.scales.update(_scales(answered[3]))
        return None
    if not url.path.endswith("/depth"):
        raise BadFrame("an answer that is not used")
    (symbol,) = parse_qs(url.query).get("symbol", [""])
    recv_ns = time_ns(answered[2].decode())
    return Line(recv_ns, symbol_of(symbol), "snapshot", _with_symbol(answered[3], symbol_of(symbol)))


def _with_symbol(answer: bytes, symbol: str) -> bytes:
    try:
        body = msgspec.json.decode(answer, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise BadFrame("no JSON of a depth answer") from error
    return msgspec.json.encode({**body, "symbol": symbol})


def _scales(answer: bytes) -> dict[str, Scale]:
    try:
        info = _info.decode(answer)
    except msgspec.MsgspecError as error:
        raise BadFrame("no JSON of exchangeInfo") from error
    out: dict[str, Scale] = {}
    for row in info.symbols:
        tick = next((rule.tickSize for rule in row.filters if rule.filterType == "PRICE_FILTER"), "")
        lot = next((rule.stepSize for rule in row.filters if rule.filterType == "LOT_SIZE"), "")
        if tick and lot and e9(tick) and e9(lot):
            out[row.symbol] = Scale(e9(tick), e9(lot))
    return out
