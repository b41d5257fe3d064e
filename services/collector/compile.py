"""`python -m services.collector.compile`: scanner and book; see `shared.compiling`."""

from __future__ import annotations

import sys
from typing import Any

from shared.compiling import fill_cache


def load() -> list[Any]:
    """The functions that others call; each brings those that it calls itself."""
    from services.collector import ladder, levels, scanner

    return [
        scanner.scan,
        levels.set_levels,
        levels.write_tiers,
        levels.far_move,
        ladder.apply_rows,
        ladder._take,
    ]


if __name__ == "__main__":
    sys.exit(fill_cache("collector kernel", load))
