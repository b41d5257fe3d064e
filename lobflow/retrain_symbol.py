"""One symbol fitted anew on what was recorded: registered, contested, and promoted where it wins.

What is imported here takes seconds and hundreds of megabytes; it runs in a process of its own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from lobflow import registry
from lobflow.model_folder import ModelFolder
from lobflow.model_options import serving_of
from lobflow.promotion import Monitor
from lobflow.retrain_contest import contest
from lobflow.serving_history import promotion
from research.comparison import compared
from research.dataset import Dataset
from research.export import save
from research.train import train_horizons
from services.model.manifest import Manifest
from shared.errors import BadInput
from shared.units import SECOND

FITTED_SHARE = 0.75  # the rest is for the contest
FEWEST_SECONDS = 1800.0
PROMOTION_SECONDS = 90.0
WHO = "retrain"


class Outcome(NamedTuple):
    """What came of it; `version` is empty where nothing was fitted."""

    symbol: str
    version: str
    why: str
    is_promoted: bool
    from_id: str

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return self._asdict()


def retrain(data: Dataset, folder: ModelFolder, monitor: Monitor) -> Outcome:
    """Fit on the older part of `data`. Raises LobflowError where the monitor or the data fail."""
    symbol = data.symbol
    seconds = (data.until_ns - data.from_ns) / SECOND
    if seconds < FEWEST_SECONDS:
        return _nothing(symbol, f"{seconds:.0f} s were recorded, {FEWEST_SECONDS:.0f} are needed")
    serving = monitor.serves(symbol) or serving_of(folder.folder, symbol) or ""
    old = registry.manifest_of(folder.folder, serving) if serving else None
    split_ns = data.from_ns + int((data.until_ns - data.from_ns) * FITTED_SHARE)
    ends = [] if old is None or symbol not in old.data else [one.until_ns for one in old.data.values()]
    if any(data.from_ns <= until_ns > split_ns for until_ns in ends):
        return _nothing(symbol, f"model {serving} was fitted on some of the newest quarter: too early")
    fresh = _fitted(data, folder)
    if not any(row.kind for row in fresh.horizons):
        return Outcome(symbol, fresh.version, "no model for any horizon", False, "")
    if fresh.version == serving:
        return Outcome(symbol, fresh.version, "the same as the one that serves", False, "")
    is_won, why = _contested(fresh, old, data)
    if is_won and _has_shown(monitor, symbol):
        is_won, why = False, f"{why}; the one that serves has shown an edge and this one has not, yet"
    if not is_won:
        return Outcome(symbol, fresh.version, f"{why}: it goes on in shadow", False, "")
    from_id = monitor.promote(symbol, fresh.version, WHO, why[:200], PROMOTION_SECONDS)
    folder.name(symbol, fresh.version, promotion(symbol, fresh.version, serving, WHO, why, from_id))
    return Outcome(symbol, fresh.version, why, True, from_id)


def _fitted(data: Dataset, folder: ModelFolder) -> Manifest:
    training = train_horizons(data.part(0.0, FITTED_SHARE))
    with tempfile.TemporaryDirectory() as place:
        save(training, Path(place))
        entry = registry.register(folder.folder, Path(place))
    assert entry.manifest is not None
    return entry.manifest


def _contested(fresh: Manifest, old: Manifest | None, data: Dataset) -> tuple[bool, str]:
    if old is None:
        return True, "no model served"
    useless = registry.may_serve(old, data.symbol)
    if useless:
        return True, useless
    try:
        found = compared([old, fresh], data)
    except BadInput as error:
        return False, f"no contest: {error}"
    result = contest(found, fresh.version, old.version)
    if result is None:
        return False, "no contest: no horizon of both"
    return result.is_won, result.sentence


def _has_shown(monitor: Monitor, symbol: str) -> bool:
    """Whether the gate is enforced and open: a change of the version would shut it."""
    status = monitor.status()
    gate = status["gates"].get(symbol)
    return status["gate"] == "enforce" and gate is not None and gate["verdict"] == "shown"


def _nothing(symbol: str, why: str) -> Outcome:
    return Outcome(symbol, "", why, False, "")
