"""What the services say, line by line: for a person under their names, and into files of bounded size."""

from __future__ import annotations

import json
import logging.handlers
from collections.abc import Callable
from pathlib import Path

FILE_BYTES = 5_000_000
FILES = 3  # older ones that are kept beside the one written to
COLORS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


class ServiceLogs:
    """Takes raw lines; `show(name, text, level)` is called with each as a person reads it."""

    def __init__(self, folder: Path, show: Callable[[str, str, str], None]) -> None:
        self._folder = folder
        self._show = show
        self._files: dict[str, logging.handlers.RotatingFileHandler] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def line(self, name: str, raw: bytes) -> None:
        """Keep and show one line of a service."""
        text = raw.decode(errors="replace").rstrip("\n")
        file = self._files.get(name)
        if file is None:
            path = self._folder / f"{name}.log"
            file = self._files[name] = logging.handlers.RotatingFileHandler(
                path, maxBytes=FILE_BYTES, backupCount=FILES, encoding="utf-8"
            )
        file.emit(logging.LogRecord(name, logging.INFO, "", 0, text, None, None))
        self._show(name, *readable(text))

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()


def readable(line: str) -> tuple[str, str]:
    """(text, level) of a line: of the services' JSON what a person wants, else the line itself."""
    try:
        record = json.loads(line)
    except ValueError:
        return line, ""
    if not isinstance(record, dict) or "text" not in record:
        return line, ""
    known = ("at", "time", "service", "level", "text", "trace")
    rest = " ".join(f"{name}={value}" for name, value in record.items() if name not in known)
    parts = [str(record["text"]), rest, str(record.get("trace", ""))]
    return " ".join(part for part in parts if part), str(record.get("level", "")).upper()
