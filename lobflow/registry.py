"""The versions in a folder of models: put in once, never changed, verified whenever they are read.

A version lies in a folder of its own name, which is the hash of its content; folders of other names (of a
first model, of `lobflow train -o`) count as well and are verified in the same way.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lobflow.model_folder import ModelFolder
from research.forecast import CHALLENGER
from services.features.schema import SCHEMA_HASH
from services.model.artifact import MANIFEST, Registry, load, read_manifest
from services.model.manifest import Manifest
from shared.errors import BadInput, BadSetting

READ_ONLY = 0o444
FEWEST_DIGITS = 4  # of a version that is named by its beginning


@dataclass(frozen=True)
class Entry:
    """One folder with a manifest; `defect` is why it cannot be used, empty where it can."""

    folder: Path
    manifest: Manifest | None
    defect: str


def entries(root: Path) -> list[Entry]:
    """All of `root`, oldest first, damaged ones last. Raises BadInput where there is no such folder."""
    if not root.is_dir():
        raise BadInput(f"{root}: no folder of models; --models or LOBFLOW_MODEL_DIR names one")
    found = []
    for path in sorted([*root.glob(MANIFEST), *root.glob(f"*/{MANIFEST}")]):
        if path.parent.name.startswith("."):
            continue  # under way, or left by an interruption
        try:
            found.append(Entry(path.parent, load(path.parent).manifest, ""))
        except BadInput as error:
            found.append(Entry(path.parent, None, str(error)))
    return sorted(found, key=lambda one: (one.manifest is None, one.manifest.created if one.manifest else ""))


def manifest_of(root: Path, version: str) -> Manifest:
    """The manifest of what `find` finds, which is never a damaged one."""
    manifest = find(root, version).manifest
    assert manifest is not None
    return manifest


def find(root: Path, version: str) -> Entry:
    """The whole version, or the one that begins so. Raises BadInput: none, several, or damaged."""
    everything = entries(root)
    known = {one.manifest.version: one for one in everything if one.manifest is not None}
    if version in known:
        return known[version]
    damaged = [one for one in everything if one.manifest is None and _claims(one.folder, version)]
    if damaged:
        raise BadInput(f"model {version} is damaged: {damaged[0].defect}")
    like = [one for name, one in known.items() if name.startswith(version)]
    if len(version) >= FEWEST_DIGITS and len(like) == 1:
        return like[0]
    what = "no model" if not like else f"{len(like)} models"
    raise BadInput(f"{root}: {what} of version {version}; there are {', '.join(sorted(known)) or 'none'}")


def _claims(folder: Path, version: str) -> bool:
    return folder.name == version or f'"{version}"' in (folder / MANIFEST).read_text(errors="replace")


def register(root: Path, source: Path) -> Entry:
    """Put the model in `source` into its folder, unless it lies there. Raises BadInput for a damaged one.

    A challenger of trees becomes a version like any other, which may not serve.
    It is complete when its name appears, and cannot be written to afterwards.
    """
    described = CHALLENGER if (source / CHALLENGER).exists() else MANIFEST
    manifest = load(source, described).manifest
    place = root / manifest.version
    if place.exists():
        return Entry(place, load(place).manifest, "")
    root.mkdir(parents=True, exist_ok=True)
    _keep_serving(ModelFolder(root), manifest)
    fresh = Path(tempfile.mkdtemp(prefix=".registering-", dir=root))
    try:
        for name, kept in ((manifest.joblib_file, manifest.joblib_file), (described, MANIFEST)):
            shutil.copyfile(source / name, fresh / kept)
            (fresh / kept).chmod(READ_ONLY)
        load(fresh)
        fresh.chmod(0o755)
        fresh.rename(place)
    except OSError as error:
        if not place.exists():  # somebody else was first: theirs is the same by its name
            raise BadInput(f"{place}: {error.strerror}") from error
    finally:
        if fresh.exists():
            shutil.rmtree(fresh)
    return Entry(place, read_manifest(place), "")


def _keep_serving(folder: ModelFolder, fresh: Manifest) -> None:
    """Name what serves by being the only one: it is about to be one of two."""
    for symbol in fresh.symbols:
        try:
            serving = Registry(folder.folder).default(symbol)
        except BadSetting:
            continue  # nothing serves, or nobody can tell which: the next start says so
        if serving is not None:
            folder.name(symbol, serving.version)


def may_serve(manifest: Manifest, symbol: str) -> str:
    """Why a version cannot serve a symbol, or an empty text."""
    if symbol not in manifest.symbols:
        return f"model {manifest.version} is of {', '.join(manifest.symbols)}, not of {symbol}"
    if manifest.schema != SCHEMA_HASH:
        return (
            f"model {manifest.version} was fitted on features of schema {manifest.schema}, today's are "
            f"{SCHEMA_HASH}: it would predict nothing"
        )
    if not manifest.is_linear:
        return f"model {manifest.version} holds trees: it can only be a shadow"
    if not any(row.kind for row in manifest.horizons):
        return f"model {manifest.version} has no model for any horizon"
    return ""
