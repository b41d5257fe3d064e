"""A folder of models beside each other: which serves a symbol, and naming another.

The service reads it (`services/model/artifact.py`); here is who writes it. The file `serving` is renamed into
place, as a model's manifest is: who reads sees the old state or the new one.
"""

from __future__ import annotations

from fcntl import LOCK_EX, flock
from pathlib import Path

from lobflow.serving_history import Change, append
from services.features.schema import SCHEMA_HASH
from services.model.artifact import MANIFEST, SERVING, Registry, load, read_manifest
from services.model.predictor import Predictor
from shared.errors import BadSetting


class ModelFolder:
    """The models of `folder`, one folder each. Raises BadSetting where `folder` itself is a model."""

    def __init__(self, folder: Path) -> None:
        if (folder / MANIFEST).exists():
            raise BadSetting(f"{folder} is a model itself; name a folder that holds a folder for each model")
        self.folder = folder

    def place(self, symbol: str, hours: float, seed: int) -> Path:
        """Where the model of a synthetic history lies."""
        return self.folder / f"{symbol}-synthetic-{hours:g}h-seed{seed}"

    def serving(self, symbol: str) -> Predictor | None:
        """The model that serves `symbol`; None where there is none, or none of the features of today."""
        if not any(self.folder.glob(f"*/{MANIFEST}")):
            return None
        one = Registry(self.folder).default(symbol)
        if one is None or symbol not in one.manifest.symbols or one.manifest.schema != SCHEMA_HASH:
            return None
        return one

    def at(self, folder: Path) -> Predictor | None:
        """The model in `folder`, one of this folder's; None where there is none of the features of today."""
        if not (folder / MANIFEST).exists() or read_manifest(folder).schema != SCHEMA_HASH:
            return None
        return load(folder)

    def has(self, version: str) -> bool:
        """Whether a model of this version lies here, and is of the features of today."""
        found = (read_manifest(path.parent) for path in self.folder.glob(f"[!.]*/{MANIFEST}"))
        return any((one.version, one.schema) == (version, SCHEMA_HASH) for one in found)

    def name(self, symbol: str, version: str, change: Change | None = None) -> None:
        """Let `version` serve `symbol` from the next start of the service on. A `change` is kept in the
        history, with what served before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f".{SERVING}.lock").open("w") as lock:
            flock(lock, LOCK_EX)  # symbols are fitted in processes of their own
            path = self.folder / SERVING
            lines = path.read_text().splitlines() if path.exists() else []
            if change is not None:
                append(self.folder, change)
            others = [line for line in lines if line.split()[:1] != [symbol]]
            fresh = self.folder / f".{SERVING}.new"
            fresh.write_text("\n".join([*others, f"{symbol} {version}"]) + "\n")
            fresh.replace(path)
