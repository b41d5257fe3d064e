"""What the services say, line by line under their names, for a person and into files of bounded size."""

from __future__ import annotations

import json
import logging.handlers
from collections.abc import Callable
from pathlib import Path

FILE_BYTES = 5_000_000
FILES = 3  # older ones that are kept beside the one written to
OUR_KEYS = ("time", "service", "level", "text", "trace")


class ServiceLogs:
    """Takes raw lines; `show(name, text, level)` is called with each as a person reads it. Disk that is used:
    at most `file_bytes` times (FILES + 1) a service."""

    def __init__(
        self, folder: Path, show: Callable[[str, str, str], None], file_bytes: int = FILE_BYTES
    ) -> None:
        self._folder = folder
        self._show = show
        self._file_bytes = file_bytes
        self._files: dict[str, logging.handlers.RotatingFileHandler] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def line(self, name: str, raw: bytes) -> None:
        """Keep and show one line of a service."""
        text = raw.decode(errors="replace").rstrip("\n")
        file = self._files.get(name)
        if file is None:
            path = self._folder / f"{name}.log"
            file = self._files[name] = logging.handlers.RotatingFileHandler(
                path, maxBytes=self._file_bytes, backupCount=FILES, encoding="utf-8"
            )
        file.emit(logging.LogRecord(name, logging.INFO, "", 0, text, None, None))
        self._show(name, *readable(text))

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()


def readable(line: str) -> tuple[str, str]:
    """(text, level) of a line: what a person wants of the services' JSON, anything else as it is."""
    try:
        record = json.loads(line)
    except ValueError:
        return line, ""
    if not isinstance(record, dict) or "text" not in record:
        return line, ""
    rest = " ".join(f"{name}={_value(value)}" for name, value in record.items() if name not in OUR_KEYS)
    parts = [str(record["text"]), rest, str(record.get("trace", ""))]
    return "  ".join(part for part in parts if part), str(record.get("level", ""))


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
