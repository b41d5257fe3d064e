"""`python -m services.features.compile`: the kernels of features and probes; see `shared.compiling`."""

from __future__ import annotations

import sys
from typing import Any

from shared.compiling import fill_cache


def load() -> list[Any]:
    """The functions that others call; each brings those that it calls itself."""
    from services.features import kernel
    from services.features.flow import queue

    return [
        *(kernel.reset, kernel.on_lob, kernel.on_trade, kernel.emit, kernel.run),
        *(queue.pass_time, queue.on_lob, queue.on_trade, queue.give_up, queue.run),
    ]


if __name__ == "__main__":
    sys.exit(fill_cache("features kernel", load))
