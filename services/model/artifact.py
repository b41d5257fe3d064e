"""Models on disk: `manifest.json` beside the joblib file it names, alone or several side by side.

The joblib file holds the pipelines as trained; it is checked, never unpickled here. What is served are the
folded weights of the manifest.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from services.model.manifest import Manifest, defect
from services.model.predictor import Predictor
from shared.errors import BadInput, BadSetting

MANIFEST = "manifest.json"
SERVING = "serving"

_decoder = msgspec.json.Decoder(Manifest)


def read_manifest(folder: Path, name: str = MANIFEST) -> Manifest:
    """The manifest in `folder`, checked. Raises BadInput with the file and what is wrong with it."""
    path = folder / name
    try:
        manifest = _decoder.decode(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise BadInput(f"{path}: {error}") from error
    wrong = defect(manifest)
    if wrong:
        raise BadInput(f"{path}: {wrong}")
    return manifest


def load(folder: Path, name: str = MANIFEST) -> Predictor:
    """The model in `folder`. Raises BadInput where manifest and joblib file do not belong together."""
    manifest = read_manifest(folder, name)
    path = folder / manifest.joblib_file
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    if digest != manifest.joblib_sha256:
        raise BadInput(f"{path}: its sha256 is not the one in {MANIFEST}")
    return Predictor(manifest)


class Registry:
    """The models at hand. `folder` holds one model, or a folder for each of several.

    Of several, the file `serving` names which serves by default: a line with a version, for all symbols, or
    lines of symbol and version. Without it a symbol is served by the one model that was fitted on it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_single = (folder / MANIFEST).exists()

    def default(self, symbol: str) -> Predictor | None:
        """What serves `symbol` until another version is promoted; None where no model is of it.

        Raises BadSetting where there is no model at all or no telling which, BadInput for a damaged one, or
        one of trees.
        """
        found = self._default(symbol)
        if found is not None and not found.manifest.is_linear:
            raise BadInput(
                f"{self.folder}: version {found.version} holds trees: it can only be a shadow; name another "
                f"in {self.folder / SERVING}"
            )
        return found

    def _default(self, symbol: str) -> Predictor | None:
        if self.is_single:
            return load(self.folder)
        named = self._serving()
        version = named.get(symbol, named.get("", ""))
        if version:
            return self.find(version)
        claims = [(path.parent, _claim(path)) for path in self._manifests()]
        if not claims:
            raise BadSetting(
                f"LOBFLOW_MODEL_DIR: {self.folder} holds no {MANIFEST}, nor does a folder in it; "
                "`lobflow train --data FILE -o DIR` writes a model"
            )
        fitted = [folder for folder, claim in claims if symbol in claim.symbols]
        if len(fitted) > 1:
            raise BadSetting(
                f"LOBFLOW_MODEL_DIR: {self.folder} holds {len(fitted)} models of {symbol}; "
                f"name the one that serves in {self.folder / SERVING}"
            )
        return load(fitted[0]) if fitted else None

    def find(self, version: str) -> Predictor:
        """The model whose manifest carries `version`, whatever its folder is called. Raises BadInput."""
        for path in self._manifests():
            if _claim(path).version == version:
                return load(path.parent)
        raise BadInput(f"{self.folder}: no model of version {version}")

    def shadows(self, symbol: str, count: int) -> tuple[list[Predictor], list[str]]:
        """The newest `count` versions fitted on `symbol`, newest first, and why others cannot be loaded."""
        claims = [(_claim(path), path.parent) for path in self._manifests()]
        newest = sorted(
            ((one.created, one.version, folder) for one, folder in claims if symbol in one.symbols),
            reverse=True,
        )
        found: dict[str, Predictor] = {}
        defects = []
        for _, version, folder in newest:
            if len(found) == count:
                break
            try:
                found.setdefault(version, load(folder))
            except BadInput as error:
                defects.append(str(error))
        return list(found.values()), defects

    def signature(self) -> tuple[tuple[str, int], ...]:
        """Changes whenever a model is added, replaced or removed."""
        return tuple((str(path), path.stat().st_mtime_ns) for path in self._manifests())

    def _manifests(self) -> list[Path]:
        beside = self.folder.resolve().parent if self.is_single else self.folder
        # A hidden folder is one that is being put in, or was left by that.
        return sorted(path for path in beside.glob(f"*/{MANIFEST}") if path.parent.name[0] != ".")

    def _serving(self) -> dict[str, str]:
        """Symbol (empty for all) to version, as the file `serving` has it; empty where there is none."""
        path = self.folder / SERVING
        if not path.exists():
            return {}
        named: dict[str, str] = {}
        for line in path.read_text().splitlines():
            words = line.split()
            if len(words) > 2:
                raise BadInput(f"{path}: {line!r} is neither a version nor a symbol and a version")
            if words:
                named[words[0] if len(words) == 2 else ""] = words[-1]
        return named


class _Claim(msgspec.Struct):
    """What a manifest says of itself, before it is checked."""

    version: str = ""
    created: str = ""
    symbols: tuple[str, ...] = ()


def _claim(path: Path) -> _Claim:
    """A damaged manifest claims nothing, and so is not in the way of the one sought."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Claim)
    except (OSError, msgspec.MsgspecError):
        return _Claim()
