"""The newest hours that a recorder wrote, of one symbol, as rows; what lies before them is not read."""

from __future__ import annotations

from research.dataset import Dataset, sample
from services.recorder.layout import first_id_of, label_of
from services.recorder.place import Place
from services.recorder.reader import files_of, last_id, read
from shared import codec
from shared.errors import BadInput
from shared.streams import Stream, parse_id

HOUR_MS = 3_600_000


def recent(run_root: Place, symbol: str, hours: float, sample_ms: int = 1000) -> Dataset:
    """The last `hours` up to the newest entry that was recorded. Raises BadInput where there is nothing."""
    files = files_of(run_root, label_of(Stream.MARKET, symbol))
    if not files:
        raise BadInput(f"{run_root}: nothing was recorded of {symbol} yet")
    from_ms = parse_id(last_id(files[-1]))[0] - round(hours * HOUR_MS)
    firsts = [parse_id(first_id_of(path.name) or "0-0")[0] for path in files]
    # The file before the first that begins inside may reach into it.
    begin = max(0, next((at for at, first in enumerate(firsts) if first >= from_ms), len(files)) - 1)
    entries = [
        (entry_id, codec.decode(data))
        for entry_id, data in read(files[begin:])
        if parse_id(entry_id)[0] >= from_ms
    ]
    return sample(symbol, entries, sample_ms)
