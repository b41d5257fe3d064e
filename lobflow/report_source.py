"""What a report is made of: which files, and whether their data were recorded, imported or are synthetic."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from research.dataset import Dataset
from research.flow.source import TABLES, Source
from research.imports.columns import AGG_ID, find
from research.imports.detect import detect
from research.imports.source import table
from research.report.market import gaps_of
from research.report.verdict import KINDS, Origin
from services.features.flow.orders import Tape
from shared.errors import BadInput, BadSetting
from shared.units import MS

IMPORTS = "imports.json"  # beside the Parquet of an import
LIVE_RUN = "live"  # run id of `lobflow up` on its synthetic market
CHUNK = 1 << 20


def has_books(paths: Sequence[Path]) -> bool:
    """Whether the files can hold books: raw recordings and folders can, tables of trades cannot. Raises
    BadInput for what a report cannot be made of."""
    for path in paths:
        if not path.exists():
            raise BadInput(f"{path}: no such file or folder")
    if all(path.is_dir() for path in paths):
        for path in paths:
            if not (path / "stream=market").is_dir():
                runs = sorted(place.parent.name for place in path.glob("*/stream=market"))
                told = f"; name one of its runs: {', '.join(runs)}" if runs else ""
                raise BadInput(f"{path}: holds no recorded market data{told}")
        return True
    if any(path.is_dir() for path in paths):
        raise BadInput("give files or recorder's folders, not both")
    kinds = {path: detect(path).kind for path in paths}
    for path, kind in kinds.items():
        if kind != "hftbacktest" and kind not in TABLES:
            raise BadInput(
                f"{path}: is {kind}; `lobflow data import auto {path} -o DIR` makes of it what a report reads"
            )
    if len({kind == "hftbacktest" for kind in kinds.values()}) > 1:
        raise BadInput("give raw recordings or tables of trades, not both")
    return kinds[paths[0]] == "hftbacktest"


def kind_of(paths: Sequence[Path], said: str | None) -> tuple[str, str]:
    """What the data are, and a remark. `said` is the user's word. Raises BadSetting for one that is none."""
    if said is not None:
        if said not in KINDS:
            raise BadSetting(f"--source {said}: one of {', '.join(KINDS)}")
        return said, ""
    first = paths[0].resolve()
    if first.is_dir():
        if (first / IMPORTS).exists():
            return "imported", _imported(first / IMPORTS)
        if first.name == LIVE_RUN:
            return "synthetic", (
                f"The run {LIVE_RUN!r} is that of `lobflow up` on its synthetic market; if it was recorded "
                "from a real one, say so with --source recorded."
            )
        return "recorded", ""
    if (first.parent.parent / IMPORTS).exists():  # the capture that an import keeps
        return "imported", _imported(first.parent.parent / IMPORTS)
    return ("recorded", "") if detect(first).kind == "hftbacktest" else ("imported", "")


def _imported(path: Path) -> str:
    try:
        records = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: {error}") from error
    files = [str(file["file"]) for record in records for file in record["files"]]
    return (
        f"Imported from {', '.join(Path(name).name for name in files[:8])}{' ...' if len(files) > 8 else ''}."
    )


def origin_of_books(paths: Sequence[Path], data: Dataset, said: str | None) -> Origin:
    """Of data with books."""
    kind, remark = kind_of(paths, said)
    return Origin(
        kind,
        data.symbol,
        _names(paths),
        data.from_ns,
        data.until_ns,
        gaps_of(data),
        data.sha256,
        data.entries,
        remark,
    )


def origin_of_trades(paths: Sequence[Path], source: Source, said: str | None) -> Origin:
    """Of tables of trades: the hash is of the files."""
    kind, remark = kind_of(paths, said)
    tape: Tape = next(iter(source.tapes.values()))
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    return Origin(
        kind,
        source.symbol,
        _names(paths),
        int(tape.times_ms[0]) * MS,
        int(tape.times_ms[-1]) * MS,
        _lost(paths),
        digest.hexdigest(),
        len(tape.times_ms),
        remark,
    )


def _lost(paths: Sequence[Path]) -> int | None:
    """Jumps of the aggregates' ids; None where the tables have none."""
    jumps, last = 0, None
    for path in paths:
        found = detect(path)
        names, rows = table(path, found.header, None)
        at = find(names, AGG_ID)
        if at is None:
            return None
        for _, row in rows:
            number = int(row[at])
            jumps += last is not None and number != last + 1
            last = number
    return jumps


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(path.name or str(path) for path in (each.resolve() for each in paths))
