"""The ledgers of one run while it is recorded: one fold a symbol, its pages beside the data."""

from __future__ import annotations

from services.recorder.core import date_of, to_message
from services.recorder.layout import first_id_of, ledger_name
from services.recorder.ledger import Carry, Fold, Ledger, decode, encode
from services.recorder.place import Place, replace
from services.recorder.reader import read
from shared.errors import BadInput
from shared.messages import AnyMessage
from shared.streams import parse_id


class Days:
    """The ledger of one symbol, day after day."""

    def __init__(self, root: Place, symbol: str) -> None:
        self._root = root
        self._symbol = symbol
        self._fold: Fold | None = None
        self._duplicates = 0  # since the last page of this day was read or begun

    def resume(self, files: list[Place]) -> None:
        """Go on after a stop or a crash: from the last page, with the entries of `files` that it lacks."""
        if not files:
            return
        date = date_of_file(files[-1])
        page = load(self._root, self._symbol, date)
        if page is None:
            before = load(self._root, self._symbol, _date_before(files, date))
            page = Ledger(self._symbol, date, before.after if before is not None else None)
        self._fold = Fold(page)
        done = self._fold.last_id
        day = [path for path in files if date_of_file(path) == date]
        if done:  # files before the one that holds `done` have been folded whole
            begun = [path for path in day if _first(path) <= parse_id(done)]
            day = day[max(len(begun) - 1, 0) :]
        is_new = False
        for entry_id, data in read(day):
            if not done or parse_id(entry_id) > parse_id(done):
                self._fold.add(entry_id, to_message(data))
                is_new = True
        if is_new:
            self.write()

    def add(self, id_ms: int, entry_id: str, message: AnyMessage | None) -> None:
        """One entry of a day that is the last one's or a later."""
        date = date_of(id_ms)
        if self._fold is None or self._fold.date != date:
            carry: Carry | None = self._fold.page().after if self._fold is not None else None
            self._fold = Fold(Ledger(self._symbol, date, carry))
            self._duplicates = 0
        self._fold.add(entry_id, message)

    def drop_duplicate(self) -> None:
        """An entry came again and was not taken."""
        self._duplicates += 1

    def write(self) -> None:
        """Write the page of the day as it stands."""
        if self._fold is not None:
            page = self._fold.page(self._duplicates)
            replace(self._root / str(ledger_name(self._symbol, page.date)), encode(page))


def load(root: Place, symbol: str, date: str) -> Ledger | None:
    """The page of one day, or None where there is none. Raises BadInput where it cannot be read."""
    path = root / str(ledger_name(symbol, date))
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return decode(data, str(path))


def date_of_file(path: Place) -> str:
    """The date in the name of a file's folder."""
    return path.parent.name.removeprefix("date=")


def _first(path: Place) -> tuple[int, int]:
    first = first_id_of(path.name)
    if first is None:
        raise BadInput(f"{path}: no file of the recorder")
    return parse_id(first)


def _date_before(files: list[Place], date: str) -> str:
    earlier = [found for path in files if (found := date_of_file(path)) < date]
    return max(earlier, default="")
