"""Level updates and trades per second through book and all features, beside hftbacktest on the same events.

Ours: each diff's levels into the collector's compiled book, its best 20 tiers to the kernel of the features,
and a vector of all features after every diff; each trade into its windows. Theirs: the backtest of the
hftbacktest package with its HashMap depth, without a strategy or orders, in steps of one second of market
time, in a process and an environment of its own (`make peers`). Both hold the recording in memory, as
integers or as the package's own array; what is counted are the levels and trades in it, once each, for both.
One core is used, processor time is counted, and rounds of both alternate; what is reported are medians, and
the ratio of the two rates in each round.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from bench.feature_loop import run
from bench.feature_tape import Tape, hft_events, load
from services.collector.ladder import Ladder
from services.features.kernel import TRADE
from services.features.schema import WIDTH, WINDOWS_NS
from services.features.state import Floats, grown, new_state
from shared.errors import BadInput, LobflowError
from shared.units import E9

PEERS = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
ROUND_S = 0.25  # processor time of a round, about

Progress = Callable[[str, float], None]


class Peer(NamedTuple):
    """A running `hft_steps.py`, and what it said of itself at first."""

    process: subprocess.Popen[str]
    about: dict[str, Any]

    def passes(self, count: int) -> dict[str, Any]:
        """Its answer to so many passes. Raises LobflowError where it gives none."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return _answer(self.process)


def measure(
    files: Sequence[Path], symbol: str | None, rounds: int, peers: Path, progress: Progress
) -> dict[str, Any]:
    """The figures. `files` are one capture in sequence, `symbol` is needed where they hold several, `peers`
    is the Python of an environment with hftbacktest. Raises BadInput for files without a whole book,
    LobflowError where hftbacktest is not there."""
    tape = load(files, symbol, progress)
    if not tape.updates:
        raise BadInput(f"{tape.symbol}: no diff and no trade follows the first whole book")
    progress("exporting for hftbacktest", 0.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.npz"
        np.savez(path, data=hft_events(tape))
        with peer(peers, path, tape) as other:
            return _measure(tape, other, files, rounds, progress)


def _measure(
    tape: Tape, other: Peer, files: Sequence[Path], rounds: int, progress: Progress
) -> dict[str, Any]:
    progress("first pass of each", 0.0)
    values = np.zeros((tape.vectors, WIDTH), np.float64)
    vectors(tape, values)  # both compile, or load what is compiled
    seconds, book = vectors(tape, values)
    their = other.passes(1)
    mine, theirs, ratios = [], [], []
    own_passes = max(1, round(ROUND_S / seconds))
    their_passes = max(1, round(ROUND_S / other.passes(1)["seconds"]))
    for done in range(rounds):
        gc.collect()
        seconds = sum(vectors(tape, values)[0] for _ in range(own_passes)) / own_passes
        mine.append(tape.updates / seconds)
        theirs.append(tape.updates * their_passes / other.passes(their_passes)["seconds"])
        ratios.append(mine[-1] / theirs[-1])
        progress("measuring", (done + 1) / rounds)
    tick = tape.scale.tick_e9 / E9
    their_touch = round(their["bid"] / tick), round(their["ask"] / tick)
    own_touch = tuple(side[0] for side in (book.best_bid, book.best_ask) if side)
    return {
        "bench": "features",
        "files": [path.name for path in files],
        "symbol": tape.symbol,
        "level_updates": len(tape.levels) // 2,
        "trades": tape.updates - len(tape.levels) // 2,
        "vectors": tape.vectors,
        "features": WIDTH,
        "rounds": rounds,
        "cores": os.cpu_count(),
        "updates_per_second": round(median(mine)),
        "microseconds_per_vector": round(1e6 * tape.updates / median(mine) / tape.vectors, 3),
        "hftbacktest": other.about["version"],
        "hftbacktest_steps": their["steps"],
        "hftbacktest_updates_per_second": round(median(theirs)),
        "same_touch_at_the_end": their_touch == own_touch,
        "ratio": round(median(ratios), 3),
        "ratio_least": round(min(ratios), 3),
        "ratio_most": round(max(ratios), 3),
    }


def vectors(tape: Tape, values: Floats) -> tuple[float, Ladder]:
    """Seconds of the processor for one pass, and the book at the end. The vectors are written to `values`,
    (m, `WIDTH`), which is there before: asking the system for memory is not what is measured."""
    book, state = Ladder(tape.symbol, tape.scale), new_state(WINDOWS_NS)
    book.load(tape.bids, tape.asks)
    scale = tape.scale.tick_e9, tape.scale.lot_e9
    start, done = time.thread_time(), 0
    while True:
        done = run(*book.arrays(), state, done, tape.events, tape.levels, *scale, values)
        if done == len(tape.events):
            break
        state = grown(state)
        if tape.events[done, 0] != TRADE:  # it may be the table of far levels
            book.make_room(int(tape.events[done, 4:6].max()))
    seconds = time.thread_time() - start
    book.refresh()
    return seconds, book


@contextmanager
def peer(python: Path, path: Path, tape: Tape) -> Iterator[Peer]:
    """A running hftbacktest with the events of `path` in memory."""
    if not python.exists():
        raise LobflowError(f"{python}: no hftbacktest there; `make peers` installs it")
    script = Path(__file__).with_name("hft_steps.py")
    scale = (str(tape.scale.tick_e9 / E9), str(tape.scale.lot_e9 / E9))
    with subprocess.Popen(
        [python, script, path, *scale], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Peer(process, _answer(process))
        finally:
            process.kill()


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise LobflowError(f"hftbacktest ended with {process.wait()}; its own words are above")
    answer: dict[str, Any] = json.loads(line)
    return answer
