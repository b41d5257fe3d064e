"""`lobflow model`: the versions at hand, what each is, and which serves."""

from __future__ import annotations

from dataclasses import fields
from math import nan
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich import box
from rich.table import Table

from lobflow import registry, serving_history
from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.model_command_compare import compare
from lobflow.model_command_promote import promote, rollback
from lobflow.model_options import AsJson, Models, models_folder, serving_of
from lobflow.train import hit_rates
from research.scores import Score
from services.features.schema import SCHEMA_HASH
from services.model.manifest import Manifest
from shared.units import SECOND

app = typer.Typer(
    help="Model versions: list, show, register, promote, roll back, compare.", no_args_is_help=True
)


@app.command()
def ls(
    models: Models = None,
    symbol: Annotated[str | None, typer.Option(help="Only models of this symbol.")] = None,
    as_json: AsJson = False,
) -> None:
    """All versions, oldest first, with what they were fitted on and which serves; damaged ones too."""
    root = models_folder(models)
    rows: list[dict[str, Any]] = []
    for one in registry.entries(root):
        if one.manifest is None:
            if symbol is None:
                rows.append({"folder": str(one.folder), "defect": one.defect})
        elif symbol is None or symbol.upper() in one.manifest.symbols:
            rows.append(_row(root, one.folder, one.manifest))
    console = console_for(as_json)
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("version", "symbol", "created", "kinds", "rows", "serves", "folder"):
        table.add_column(name, no_wrap=name != "folder")
    for row in rows:
        if "defect" in row:
            table.add_row("damaged", "", "", "", "", "", row["defect"], style="red")
            continue
        kinds = ", ".join(f"{h['horizon_s']} s {h['kind'] or 'none'}" for h in row["horizons"])
        stale = "" if row["is_current"] else " (features of another schema)"
        table.add_row(
            row["version"],
            ", ".join(row["symbols"]),
            row["created"][:19],
            kinds + stale,
            str(sum(one["rows"] for one in row["data"].values())),
            ", ".join(row["serves"]),
            Path(row["folder"]).name,
        )
    console.print(table if rows else f"{root}: no models")
    if as_json:
        print_json({"folder": str(root), "models": rows})


@app.command()
def show(
    version: Annotated[str, typer.Argument(help="A version, or the beginning of one.")],
    models: Models = None,
    as_json: AsJson = False,
) -> None:
    """One version: its data, horizons, libraries, scores in training, and when it served."""
    root = models_folder(models)
    entry = registry.find(root, version)
    manifest = entry.manifest
    assert manifest is not None
    changes = [one for one in serving_history.read(root) if one.version == manifest.version]
    console = console_for(as_json)
    console.print(f"model {manifest.version} in {entry.folder}, made {manifest.created}", style="bold")
    for symbol, data in manifest.data.items():
        hours = (data.until_ns - data.from_ns) / SECOND / 3600.0
        console.print(f"{symbol}: {data.rows} rows of {hours:.2f} h, sha256 {data.sha256[:12]}")
    console.print(
        f"features {manifest.feature_set} ({len(manifest.names)}), schema {manifest.schema}, "
        f"code {manifest.git_revision[:12] or 'unknown'}, "
        + ", ".join(f"{name} {number}" for name, number in sorted(manifest.libraries.items()))
    )
    for row in manifest.horizons:
        console.print(f"{row.horizon_s:>3} s  {row.kind or 'no model'}: {row.reason}")
    for symbol in manifest.symbols:
        scores = [_score(score) for row in manifest.of(symbol).horizons for score in row.scores]
        if scores:
            console.print(hit_rates(f"{symbol}: walking forward inside the data fitted on", scores))
    for change in changes:
        console.print(f"{change.action} for {change.symbol} by {change.who}: {change.why}")
    if as_json:
        print_json(
            {
                **_row(root, entry.folder, manifest),
                "libraries": manifest.libraries,
                "git_revision": manifest.git_revision,
                "features": list(manifest.names),
                "scores": [
                    {**score, "symbol": symbol}
                    for symbol in manifest.symbols
                    for row in manifest.of(symbol).horizons
                    for score in row.scores
                ],
                "history": [msgspec.to_builtins(change) for change in changes],
            }
        )


@app.command()
def register(
    source: Annotated[Path, typer.Argument(help="A model folder, as `lobflow train -o` writes it.")],
    models: Models = None,
    as_json: AsJson = False,
) -> None:
    """Put a model into the folder of models, under its version, for good: it then predicts in shadow."""
    root = models_folder(models)
    entry = registry.register(root, source)
    assert entry.manifest is not None
    console_for(as_json).print(f"model {entry.manifest.version} of {', '.join(entry.manifest.symbols)}")
    if as_json:
        print_json(_row(root, entry.folder, entry.manifest))


app.command()(promote)
app.command()(rollback)
app.command()(compare)


def _row(root: Path, folder: Path, manifest: Manifest) -> dict[str, Any]:
    return {
        "version": manifest.version,
        "folder": str(folder),
        "symbols": list(manifest.symbols),
        "created": manifest.created,
        "data": {symbol: msgspec.to_builtins(one) for symbol, one in manifest.data.items()},
        "feature_set": manifest.feature_set,
        "schema": manifest.schema,
        "is_current": manifest.schema == SCHEMA_HASH,
        "horizons": [
            {"horizon_s": row.horizon_s, "kind": row.kind, "reason": row.reason, "threshold": row.threshold}
            for row in manifest.horizons
        ],
        **(
            {"thresholds": {one: own.thresholds for one, own in manifest.own.items()}} if manifest.own else {}
        ),
        "serves": [s for s in manifest.symbols if serving_of(root, s) == manifest.version],
    }


def _score(plain: dict[str, Any]) -> Score:
    """A row of the manifest. What JSON holds as null was not a number; what came later is not known."""
    values: dict[str, Any] = {one.name: plain.get(one.name) for one in fields(Score)}
    values |= {name: nan for name, value in values.items() if value is None}
    return Score(**values)
