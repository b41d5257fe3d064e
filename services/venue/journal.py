"""What took effect at the venue since a checkpoint, one JSON line each, written before it is told.

A `promise` says how far the market may have gone: nothing later was ever told to anybody. A line that was cut
short by the end of the process was never told either.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from shared.errors import BadInput


class Effect(msgspec.Struct):
    """One request that took effect at `at_ns`: the call's name and its parameters; or, without a call, a
    promise."""

    at_ns: int
    call: str = ""
    params: dict[str, str] = {}


_decoder = msgspec.json.Decoder(Effect)


class Journal:
    """One file, appended to. Lines reach the kernel's page cache: they outlive the process, not the host."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def effect(self, at_ns: int, call: str, params: Mapping[str, str]) -> None:
        """A request is about to take effect."""
        self._write(Effect(at_ns, call, dict(params)))

    def promise(self, until_ns: int) -> None:
        """The market may go on up to `until_ns`."""
        self._write(Effect(until_ns))

    def close(self) -> None:
        """Write no more."""
        os.close(self._file)

    def _write(self, effect: Effect) -> None:
        os.write(self._file, msgspec.json.encode(effect) + b"\n")


def read(path: Path) -> Iterator[Effect]:
    """The lines of a journal in their order. Raises BadInput where one that is whole cannot be read."""
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            return
        try:
            yield _decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise BadInput(f"{path}, line {number}: {error}") from error
