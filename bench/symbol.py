"""Which symbol of a recording is measured."""

from __future__ import annotations

from collections.abc import Collection

from shared.errors import BadInput


def symbol_of(held: Collection[str], asked: str | None) -> str:
    """The one asked for, or the only one held. Raises BadInput where there is no such one, or several."""
    if asked is None and len(held) != 1:
        raise BadInput(f"holds {', '.join(held)}: say which with --symbol")
    symbol = next(iter(held)) if asked is None else asked
    if symbol not in held:
        raise BadInput(f"holds {', '.join(held)}, not {symbol}")
    return symbol
