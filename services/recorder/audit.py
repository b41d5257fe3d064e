"""A run's files read again, entry by entry: is each readable, does each id follow the last, do the ledgers
say what the files hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from services.recorder.core import date_of, to_message
from services.recorder.days import date_of_file, load
from services.recorder.layout import PACK, PART, first_id_of, folder_of, label_of, ledger_name
from services.recorder.ledger import Carry, Fold, Ledger, differences, encode
from services.recorder.place import Place, replace
from services.recorder.reader import entries, files_of
from shared.errors import BadInput
from shared.streams import ZERO_ID, Stream, format_id, parse_id

STEP = 4096  # entries between two words on the progress


class Problem(NamedTuple):
    """What is wrong, and in which file."""

    file: str
    what: str


def check_files(
    run: Place,
    label: str,
    on_entry: Callable[[str, bytes], None],
    on_progress: Callable[[int], None],
) -> Iterator[Problem]:
    """Read all files of one stream. `on_entry` is told each entry; `on_progress` how many more were read."""
    files = files_of(run, label)
    yield from _strangers(run, label)
    last = parse_id(ZERO_ID)
    done: set[str] = set()
    is_listed_anew = False
    while todo := [path for path in files if str(path) not in done]:
        path = todo[0]
        done.add(str(path))
        # A pack that came while we read holds entries that we have had from its parts.
        had = last if is_listed_anew else None
        read = 0
        try:
            for entry_id, data in entries(path):
                read += 1
                at = parse_id(entry_id)
                if had is not None and at <= had:
                    continue
                if read == 1 and had is None and entry_id != first_id_of(path.name):
                    yield Problem(str(path), f"begins with id {entry_id}, not with that of its name")
                if date_of(at[0]) != date_of_file(path):
                    yield Problem(str(path), f"id {entry_id} is of {date_of(at[0])}")
                    break
                if at <= last:
                    yield Problem(str(path), f"id {entry_id} does not follow {format_id(*last)}")
                    break
                last = at
                on_entry(entry_id, data)
                if read % STEP == 0:
                    on_progress(STEP)
        except FileNotFoundError:
            now = files_of(run, label)
            if str(path) in {str(other) for other in now}:
                raise
            files, is_listed_anew = now, True
        except BadInput as error:
            yield Problem(str(path), str(error).removeprefix(f"{path}: "))
        on_progress(read % STEP)


class Pages:
    """The ledgers of one symbol, folded from its files, beside those that were kept."""

    def __init__(self, run: Place, symbol: str) -> None:
        self.run = run
        self.symbol = symbol
        self.kept = kept_pages(run, symbol)
        self.folded: list[Ledger] = []
        self.behind: list[
            str
        ] = []  # days whose page lacks the last file: a recorder is at work, or was killed
        self._upto: dict[str, Ledger] = {}  # the fold at the last entry that the kept page speaks of
        self._fold: Fold | None = None

    def add(self, entry_id: str, data: bytes) -> None:
        """One entry of the market stream."""
        date = date_of(parse_id(entry_id)[0])
        if self._fold is None or self._fold.date != date:
            self._fold = Fold(Ledger(self.symbol, date, self._before(date)))
        self._fold.add(entry_id, to_message(data))
        page = self.kept.get(date)
        if page is not None and page.last_id == entry_id:
            self._upto[date] = self._fold.page()

    def problems(self) -> Iterator[Problem]:
        """What the kept pages say that the files do not."""
        self._close()
        newest = self.folded[-1].date if self.folded else ""
        for folded in self.folded:
            name = str(self.run / str(ledger_name(self.symbol, folded.date)))
            page = self.kept.get(folded.date)
            if page is None:
                yield Problem(name, "no ledger of this day; --repair writes it from the files")
                continue
            if page.is_dropped:
                continue  # a drop that was cut off; the recorder goes on with it
            if folded.last_id != page.last_id and folded.date == newest and folded.date in self._upto:
                self.behind.append(folded.date)
                folded = self._upto[folded.date]
            for difference in differences(page, folded):
                yield Problem(name, difference)
        held = {folded.date for folded in self.folded}
        for date, page in self.kept.items():
            if date not in held and not page.is_dropped:
                yield Problem(
                    str(self.run / str(ledger_name(self.symbol, date))), "the files of this day are gone"
                )

    def remaining(self) -> list[Problem]:
        """The problems after a repair: of the pages as they are kept now, and the same fold."""
        self.kept = kept_pages(self.run, self.symbol)
        self.behind.clear()
        return list(self.problems())

    def repair(self) -> int:
        """Write the pages that are missing or wrong from the files. Returns how many. No recorder may be at
        work on the folder."""
        self._close()
        written = 0
        for folded in self.folded:
            page = self.kept.get(folded.date)
            if page is not None and page.is_dropped:
                continue
            if page is None or differences(page, folded):
                folded.duplicates_dropped = page.duplicates_dropped if page is not None else 0
                replace(self.run / str(ledger_name(self.symbol, folded.date)), encode(folded))
                written += 1
        return written

    def _before(self, date: str) -> Carry | None:
        """As the day began: from the day before, or, where its files were dropped, from what was kept."""
        self._close()
        dropped = [page for kept, page in sorted(self.kept.items()) if kept < date and page.is_dropped]
        earlier = [*dropped[-1:], *self.folded[-1:]]
        return max(earlier, key=lambda page: page.date).after if earlier else None

    def _close(self) -> None:
        if self._fold is not None:
            self.folded.append(self._fold.page())
            self._fold = None


def write_ledgers(run: Place, symbol: str, on_progress: Callable[[int], None] = lambda _: None) -> int:
    """Write the ledgers of one symbol from its files, where they are missing or wrong: for files that came
    another way than through a recorder. Returns how many. Raises BadInput, naming the file, where one is
    not what it must be."""
    pages = Pages(run, symbol)
    for problem in check_files(run, label_of(Stream.MARKET, symbol), pages.add, on_progress):
        raise BadInput(f"{problem.file}: {problem.what}")
    return pages.repair()


def kept_pages(run: Place, symbol: str) -> dict[str, Ledger]:
    """The pages that were kept, by date. Raises BadInput where one cannot be read."""
    folder = run / "ledger" / f"symbol={symbol}"
    dates = sorted(
        path.name.removeprefix("date=").removesuffix(".json") for path in folder.glob("date=*.json")
    )
    found = {date: load(run, symbol, date) for date in dates}
    return {date: page for date, page in found.items() if page is not None}


def _strangers(run: Place, label: str) -> Iterator[Problem]:
    for path in (run / str(folder_of(label))).glob("date=*/*.parquet"):
        if not path.name.startswith(".") and not PART.match(path.name) and not PACK.match(path.name):
            yield Problem(str(path), "no file of the recorder, and not read")
