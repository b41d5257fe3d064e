"""A model to serve from any number of days: walked over by days, then fitted on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from research import microprice
from research.dataset import Dataset
from research.days.backend import Crew
from research.days.evidence import evidence
from research.days.fits import Fit, fit
from research.days.forward import Compressed, Progress, compressed, walk
from research.days.job import Job, job
from research.days.tasks import TREES, sample
from research.days.trees import fit_trees
from research.fit import Features, Fitted, described
from research.labels import Floats, Ints, Track
from research.microprice import Quotes
from research.reference import histogram
from research.rows.store import Store
from research.sigmas import SIGMAS, scales
from research.tape import check_moves, check_shares
from research.train import TRADED_QUANTILE, HorizonFit, Staged, Training
from research.walk import AUTO, kinds_of, serve
from services.features import schema
from services.model.manifest import SIGMA_NAMES, Reference, residual_name
from services.recorder.layout import first_id_of, label_of
from services.recorder.reader import files_of
from shared.errors import BadInput
from shared.streams import Stream, parse_id
from shared.units import MS, SECOND

LONG_NS = 26 * 3600 * SECOND  # above it recordings are staged instead of held


def is_long(paths: Sequence[Path], symbol: str | None) -> bool:
    """Whether a recorder's folders hold more than about a day, told by the names of their files."""
    ids: list[int] = []
    for folder in paths:
        if not folder.is_dir():
            return False
        for place in (folder / "stream=market").glob("symbol=*"):
            name = place.name.removeprefix("symbol=")
            if symbol is None or symbol == name:
                firsts = (first_id_of(path.name) for path in files_of(folder, label_of(Stream.MARKET, name)))
                ids += [parse_id(first)[0] for first in firsts if first is not None]
    return bool(ids) and (max(ids) - min(ids)) * MS > LONG_NS


def train_days(
    store: Store,
    feature_set: str,
    model: str,
    threshold: float,
    crew: Crew,
    work: Path,
    files: tuple[str, ...] = (),
    progress: Progress = lambda what, share: None,
) -> Training:
    """As `research.train.train_horizons`, over staged rows; predictions and samples go to `work`. Raises
    BadInput where there are fewer than two days, too few rows, or no feature varies."""
    columns = job(store, feature_set, (), work).columns
    kinds = kinds_of(model, described(feature_set, columns.names, columns.sigmas, ()))
    others = tuple(kind for kind in reversed(kinds) if kind != "shrunk")
    asked = job(store, feature_set, (*others, AUTO) if model == AUTO else (model,), work)
    days = compressed(store, asked, crew, progress, is_sampled=True)
    _check(store, asked)
    walked = walk(store, asked, crew, threshold, progress, days)
    progress("fitting on all days", 0.0)
    fits = {h: _fits(kinds, h, store, asked, days) for h in asked.horizons_s}
    used = [one.used for by_kind in fits.values() for one in by_kind.values()]
    if any((other != used[0]).any() for other in used):
        raise BadInput(f"{store.folder}: a feature varies among the rows of some horizons only")
    names = [name for name, is_used in zip(columns.names, used[0], strict=True) if is_used]
    dropped = [name for name in columns.names if name not in names]
    features = described(feature_set, names, columns.sigmas, dropped)
    horizons, references = [], _references(store, asked, features)
    for h, by_kind in fits.items():
        fitted = {kind: _fitted(one, h, features) for kind, one in by_kind.items()}
        served, reason = serve(model, fitted, features)
        rows = sample(store.days, asked, h)
        width = len(columns.names)
        X = rows[:, [*np.flatnonzero(used[0]).tolist(), *range(width, width + len(columns.sigmas))]]
        moves = served.predict(X)
        if served.model is not None:
            unit = scales(X[:, -SIGMAS:], h) if features.is_scaled else np.ones(len(X))
            references.append(histogram(residual_name(h), (rows[:, -1] - moves) / unit))
        horizons.append(
            HorizonFit(
                horizon_s=h,
                fitted=fitted,
                served=served,
                reason=reason,
                threshold=None
                if served.model is None
                else float(np.quantile(np.abs(moves), TRADED_QUANTILE)),
                majority=float(np.sign(sum(unit.body.ups for one in days for unit in one[h]))),
                scores=[row for row in walked.scores if row.horizon_s == h],
                pairs=[row for row in walked.pairs if row.horizon_s == h],
            )
        )
    quotes = microprice.no_counts()
    for day in store.days:
        quotes = quotes.plus(day.page().quotes)
    staged = Staged(store.rows(), tuple(microprice.solved(quotes).tolist()), tuple(references))
    progress("fitting on all days", 1.0)
    return Training(_described(store, files), features, horizons, staged)


def _check(store: Store, asked: Job) -> None:
    """As `research.tape` of data in memory, by the sample of rows. Raises BadInput."""
    symbol, names = store.source.symbol, asked.columns.names
    rows = [sample(store.days, asked, h) for h in asked.horizons_s]
    flows = [at for at, name in enumerate(names) if name.startswith("trades_")]
    for at in flows[-1:]:  # the longest window
        check_shares(symbol, rows[0][:, at])
    check_moves(symbol, np.concatenate([one[:, -1] for one in rows]))


def _fits(kinds: Sequence[str], h: int, store: Store, asked: Job, days: Compressed) -> dict[str, Fit]:
    known, names = evidence([one[h] for one in days], None), asked.columns.names
    return {
        kind: fit_trees(sample(store.days, asked, h), names, asked.is_scaled, h)
        if kind == TREES
        else fit(kind, known, names, asked.is_scaled, h, asked.step_s)
        for kind in kinds
    }


def _fitted(one: Fit, horizon_s: int, features: Features) -> Fitted:
    kept = 0
    if one.model is not None:
        pipeline = one.model.regressor_ if features.is_scaled else one.model
        coefficients = getattr(pipeline[-1], "coef_", None)
        kept = len(features.names) if coefficients is None else int(np.count_nonzero(coefficients))
    return Fitted(one.kind, one.model, one.alpha, kept, horizon_s, features, one.prior_weight)


def _references(store: Store, asked: Job, features: Features) -> list[Reference]:
    """Of the features, over the sample of rows that trees are fitted on."""
    rows = sample(store.days, asked, asked.horizons_s[0])
    found = [histogram(name, rows[:, asked.columns.names.index(name)]) for name in features.names]
    found += [
        histogram(name, rows[:, asked.columns.read.index(sigma)])
        for name, sigma in zip(SIGMA_NAMES, asked.columns.sigmas, strict=False)
    ]
    return found


def _described(store: Store, files: tuple[str, ...]) -> Dataset:
    """What the rows are of, without the rows."""
    source = store.source
    none: Ints = np.empty(0, np.int64)
    empty: Floats = np.empty(0)
    return Dataset(
        symbol=source.symbol,
        sample_ms=source.sample_ms,
        schema=source.schema,
        values=np.empty((0, schema.WIDTH)),
        recv_ns=none,
        clean_ns=none,
        breaks_before=none,
        mid=empty,
        spread=empty,
        spread_ticks=none,
        imbalance_1=empty,
        imbalance_5=empty,
        last_return=empty,
        quotes=Quotes(none, none, empty, none, none),
        track=Track(none, empty, none, source.until_ns),
        from_ns=source.from_ns,
        until_ns=source.until_ns,
        entries=source.entries,
        sha256=source.sha256,
        files=files,
    )
