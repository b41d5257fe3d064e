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
SERVING = "serving"  # in a folder of several versions: names the one that serves by default

_decoder = msgspec.json.Decoder(Manifest)


def read_manifest(folder: Path) -> Manifest:
    """The manifest in `folder`, checked. Raises BadInput with the file and what is wrong with it."""
    path = folder / MANIFEST
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


def load(folder: Path) -> Predictor:
    """The model in `folder`. Raises BadInput where manifest and joblib file do not belong together."""
    manifest = read_manifest(folder)
    path = folder / manifest.joblib_file
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    if digest != manifest.joblib_sha256:
        raise BadInput(f"{path}: its sha256 is not the one in {MANIFEST}")
    return Predictor(manifest)


class Registry:
    """The versions at hand. `folder` holds one model, or one folder per version and a file `serving`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_single = (folder / MANIFEST).exists()

    def default(self) -> Predictor:
        """The version that serves until another is promoted. Raises BadSetting where none is named."""
        if self.is_single:
            return load(self.folder)
        try:
            version = (self.folder / SERVING).read_text().strip()
        except OSError as error:
            raise BadSetting(
                f"LOBFLOW_MODEL_DIR: {self.folder} holds neither {MANIFEST} nor {SERVING}; "
                "`lobflow train --data FILE -o DIR` writes a model"
            ) from error
        return self.find(version)

    def find(self, version: str) -> Predictor:
        """The model whose manifest carries `version`, whatever its folder is called. Raises BadInput."""
        beside = self.folder.resolve().parent if self.is_single else self.folder
        for path in sorted(beside.glob(f"*/{MANIFEST}")):
            if _version(path) == version:
                return load(path.parent)
        raise BadInput(f"{beside}: no model of version {version}")


def _version(path: Path) -> str:
    """The version a manifest claims; a broken one beside the one sought is not in its way."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Claim).version
    except (OSError, msgspec.MsgspecError):
        return ""


class _Claim(msgspec.Struct):
    version: str
