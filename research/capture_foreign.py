"""Recordings of other formats, checked: they become the venue's frames first, as in an import, and then what
`research.capture` checks. Nothing is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from research.capture import verify
from research.imports import sources
from research.imports.capture import Captures
from research.imports.detect import detect
from research.imports.reading import Reading
from shared.errors import BadInput

RAW = "hftbacktest"


def is_foreign(files: Sequence[Path]) -> bool:
    """Whether any file is no raw capture. What cannot be told passes as one: its check names the line."""
    return any(_format(path) != RAW for path in files)


def verify_foreign(
    files: Sequence[Path], symbol: str | None, progress: Callable[[str, int], None]
) -> dict[str, Any]:
    """What `research.capture.verify` finds in the frames that an import makes of `files`; `imported` has
    their formats, and what was left out by reason. `symbol` names it where the files do not.

    Raises BadInput where nothing can be imported."""
    reading = Reading(symbol)
    groups = sources.groups(files)
    with TemporaryDirectory(prefix="lobflow-verify-") as folder:
        with Captures(Path(folder)) as captures:
            for number, line in enumerate(sources.merged(groups, reading), 1):
                captures.add(line)
                if number % 20_000 == 0:
                    progress("importing", 20_000)
        if not captures.by_symbol:
            raise BadInput(f"{', '.join(map(str, files))}: nothing to import")
        found = verify([one.path for one in captures.by_symbol.values()], symbol, progress)
    imported = {
        "formats": {str(path): group.kind for group, paths in groups for path in paths},
        "skipped": [skip.plain() for skip in reading.skips],
        "restamped": sum(one.restamped for one in captures.by_symbol.values()),
    }
    return {**found, "files": [str(path) for path in files], "imported": imported}


def _format(path: Path) -> str:
    try:
        return detect(path).kind
    except BadInput:
        return RAW
