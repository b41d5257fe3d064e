"""`python -m services.features.compile`: the kernel of the features; see `shared.compiling`."""

from __future__ import annotations

import sys
from typing import Any

from shared.compiling import fill_cache


def load() -> list[Any]:
    """The functions that others call; each brings those that it calls itself."""
    from services.features import kernel

    return [kernel.reset, kernel.on_lob, kernel.on_trade, kernel.emit, kernel.run]


if __name__ == "__main__":
    sys.exit(fill_cache("features kernel", load))
