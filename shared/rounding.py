"""How exactly floats are published."""

from __future__ import annotations

DIGITS = 10  # libraries of different processors differ in the last place of a power


def rounded(value: float) -> float:
    """To `DIGITS` significant digits."""
    return float(f"{value:.{DIGITS}g}")
