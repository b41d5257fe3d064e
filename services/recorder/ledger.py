"""The ledger of one symbol and day, folded from its market entries (pure): what is covered, what is missing.

It is written while recording and can be folded again from the files; the two are equal but for
`duplicates_dropped`, which only the recorder saw.

Covered is the time in which the book was whole and entries came: from `live` (or a first `Lob`) to what ended
it. A gap begins with whatever the feed says that is not `live`, with a jump of `seq` (entries lost on the
way here), or with a second without any entry (the collector beats every 100 ms, so it or its clock stood
still). It ends with the next `live`, or the next `Lob`.
"""

from __future__ import annotations

import msgspec

from shared.errors import BadInput
from shared.messages import AggTrade, AnyMessage, FeedStatus, Lob, Market
from shared.units import SECOND

SILENCE_NS = SECOND
MOST_LISTED = 5000  # intervals and gaps of one day; all are counted
LONGEST_REASON = 500
NOTHING_YET = "the recording begins"
VERSION = 1
ONLY_RECORDER = ("duplicates_dropped", "is_dropped")  # what cannot be folded from the files again


class Gap(msgspec.Struct):
    """One gap, in `recv_ns`."""

    from_ns: int
    to_ns: int
    reason: str


class Carry(msgspec.Struct, frozen=True):
    """Where a stream stands, between two entries or two days."""

    seq: int
    epoch: int
    recv_ns: int
    agg_id: int | None
    is_live: bool
    was_live: bool  # at any time before
    reason: str  # why it is not live; empty while it is


class Ledger(msgspec.Struct):
    """One symbol and day. Times are `recv_ns`. At each moment between the first entry and the last the book
    is covered or in a gap."""

    symbol: str
    date: str
    before: Carry | None  # as the day began; None where nothing is known of it
    version: int = VERSION
    is_dropped: bool = False  # the files were dropped by age or size; this page stays
    first_id: str = ""
    last_id: str = ""
    from_ns: int = 0  # of the first entry
    until_ns: int = 0  # of the last entry
    entries: dict[str, int] = {}
    unreadable: int = 0
    duplicates_dropped: int = 0  # entries that came to the recorder again
    covered_ns: int = 0
    gap_ns: int = 0
    intervals: int = 0
    covered: list[tuple[int, int]] = []
    gaps: int = 0
    gap_list: list[Gap] = []
    live_since_ns: int = 0  # where the last interval begins, if the book is whole at the end
    open_gap: Gap | None = None  # the gap that has not ended, if it is not; it is none of `gap_list`
    resyncs: int = 0  # how often the feed became live again
    seq_jumps: int = 0
    seq_lost: int = 0  # entries that the jumps lost; a jump back loses none
    trade_id_gaps: int = 0  # the venue also skips an id where it tells a trade of nothing
    trade_ids_missing: int = 0
    after: Carry | None = None  # as it stands


def decode(data: bytes, name: str) -> Ledger:
    """A ledger from its JSON. Raises BadInput, naming the file, where it is none."""
    try:
        found = msgspec.json.decode(data, type=Ledger)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadInput(f"{name}: no ledger: {error}") from error
    if found.version != VERSION:
        raise BadInput(f"{name}: version {found.version}; this lobflow reads {VERSION}")
    return found


def encode(ledger: Ledger) -> bytes:
    """Its JSON, indented: people read it too."""
    return msgspec.json.format(msgspec.json.encode(ledger), indent=1) + b"\n"


def differences(kept: Ledger, folded: Ledger) -> list[str]:
    """The fields in which a ledger differs from the one folded from the files."""
    return [
        f"{name} is {_short(getattr(kept, name))}, the files say {_short(getattr(folded, name))}"
        for name in Ledger.__struct_fields__
        if name not in ONLY_RECORDER and getattr(kept, name) != getattr(folded, name)
    ]


class Fold:
    """Folds market entries, in the order of their ids, into the ledger of one day."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._last = ledger.after or ledger.before
        if ledger.live_since_ns and ledger.after is not None:
            # What is open counts again when the next page is asked for.
            ledger.covered_ns -= ledger.after.recv_ns - ledger.live_since_ns
            ledger.intervals -= 1
            if ledger.covered and ledger.covered[-1][0] == ledger.live_since_ns:
                ledger.covered.pop()
        if ledger.open_gap is not None:
            ledger.gap_ns -= ledger.open_gap.to_ns - ledger.open_gap.from_ns

    @property
    def date(self) -> str:
        """The day."""
        return self._ledger.date

    @property
    def last_id(self) -> str:
        """The last entry's id; empty where there was none."""
        return self._ledger.last_id

    def add(self, entry_id: str, message: AnyMessage | None) -> None:
        """One entry; `message` is None for bytes that are no message."""
        ledger, last = self._ledger, self._last
        ledger.first_id = ledger.first_id or entry_id
        ledger.last_id = entry_id
        if not isinstance(message, Market):
            ledger.unreadable += 1
            return
        kind = type(message).__name__
        ledger.entries[kind] = ledger.entries.get(kind, 0) + 1
        now_ns = message.recv_ns
        ledger.from_ns = ledger.from_ns or now_ns
        ledger.until_ns = now_ns
        if last is None:
            last = Carry(message.seq - 1, message.epoch, now_ns, None, False, False, NOTHING_YET)
        is_live, reason = last.is_live, last.reason
        if broken := self._broken(last, message):
            is_live, reason = False, broken
            self._lose(last.recv_ns, broken)
        if isinstance(message, FeedStatus) and message.state != "live":
            is_live, reason = False, f"{message.state}: {message.reason}"
            self._lose(now_ns, reason)
        elif isinstance(message, FeedStatus | Lob) and not is_live:
            is_live = True
            ledger.resyncs += last.was_live
            self._regain(now_ns)
        elif is_live:
            ledger.live_since_ns = ledger.live_since_ns or now_ns  # a day may begin in the middle
        else:
            self._lose(now_ns, reason)
        agg_id = last.agg_id
        if isinstance(message, AggTrade):
            if agg_id is not None and message.agg_id > agg_id + 1:
                ledger.trade_id_gaps += 1
                ledger.trade_ids_missing += message.agg_id - agg_id - 1
            agg_id = message.agg_id
        reason = "" if is_live else reason
        self._last = Carry(
            message.seq, message.epoch, now_ns, agg_id, is_live, is_live or last.was_live, reason
        )

    def page(self, duplicates_dropped: int = 0) -> Ledger:
        """The ledger up to here; it does not change any more with what is added."""
        page = msgspec.structs.replace(
            self._ledger,
            after=self._last,
            duplicates_dropped=self._ledger.duplicates_dropped + duplicates_dropped,
            entries=dict(sorted(self._ledger.entries.items())),
            covered=list(self._ledger.covered),
            gap_list=list(self._ledger.gap_list),
        )
        if page.live_since_ns:
            _count_interval(page, page.live_since_ns, page.until_ns)
        if page.open_gap is not None:
            page.open_gap = Gap(page.open_gap.from_ns, page.until_ns, page.open_gap.reason)
            page.gap_ns += page.until_ns - page.open_gap.from_ns
        return page

    def _broken(self, last: Carry, message: Market) -> str:
        """Why the entry does not follow the last; empty where it does."""
        lost = message.seq - last.seq - 1
        silent_ns = message.recv_ns - last.recv_ns
        if lost:
            self._ledger.seq_jumps += 1
            self._ledger.seq_lost += max(lost, 0)
            return f"seq {message.seq} after {last.seq}"
        return f"no entry for {silent_ns / SECOND:.3f} s" if silent_ns >= SILENCE_NS else ""

    def _lose(self, at_ns: int, reason: str) -> None:
        """What was covered ends and a gap begins, or the gap that is open has one more reason."""
        ledger = self._ledger
        if ledger.live_since_ns:
            _count_interval(ledger, ledger.live_since_ns, at_ns)
            ledger.live_since_ns = 0
        gap = ledger.open_gap
        if gap is None:
            ledger.gaps += 1
            ledger.open_gap = Gap(at_ns, at_ns, reason)
        elif reason not in gap.reason and len(gap.reason) < LONGEST_REASON:
            ledger.open_gap = Gap(gap.from_ns, at_ns, f"{gap.reason}; {reason}")

    def _regain(self, at_ns: int) -> None:
        """The book is whole: the gap that is open ends."""
        ledger = self._ledger
        if ledger.open_gap is not None:
            gap = Gap(ledger.open_gap.from_ns, at_ns, ledger.open_gap.reason)
            ledger.gap_ns += gap.to_ns - gap.from_ns
            if len(ledger.gap_list) < MOST_LISTED:
                ledger.gap_list.append(gap)
            ledger.open_gap = None
        ledger.live_since_ns = at_ns


def _count_interval(ledger: Ledger, from_ns: int, to_ns: int) -> None:
    ledger.intervals += 1
    ledger.covered_ns += to_ns - from_ns
    if len(ledger.covered) < MOST_LISTED:
        ledger.covered.append((from_ns, to_ns))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
