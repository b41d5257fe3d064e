"""The hit-rate table as rows of JSON: one name a column, whoever prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from research.finite import without_nan
from research.pairs import Pair
from research.permutation import Null
from research.scores import Score
from research.table import BASELINES, COVERAGES, LEARNED, Selection, row_name, selections


def score_rows(
    symbol: str,
    scores: Sequence[Score],
    pairs: Sequence[Pair],
    threshold: float,
    coverages: Sequence[float] = COVERAGES,
    nulls: Mapping[tuple[int, str], Null] | None = None,
) -> list[dict[str, Any]]:
    """One row per horizon, selection and model; baselines are named `baseline:...`. Predicting zero, a
    baseline for r2 alone, comes once a horizon. What has no value is null."""
    asked = {one.name: one for one in selections(threshold, coverages)}
    against: dict[tuple[int, str, str], dict[str, Any]] = {}
    for pair in pairs:
        found = {"difference": pair.difference, "lower": pair.low, "upper": pair.high, "error": pair.error}
        key = (pair.horizon_s, pair.selection, pair.name)
        against.setdefault(key, {})[row_name(pair.against)] = {
            **without_nan(found), "blocks": pair.blocks, "reliable": pair.is_reliable
        }  # fmt: skip
    rows: list[dict[str, Any]] = []
    zeros: set[int] = set()
    for score in scores:
        key = (score.horizon_s, score.selection, score.name)
        row = _row(symbol, score, asked[score.selection])
        if key in against:
            row["against"] = against[key]
        null = (nulls or {}).get(key[:2])
        if null is not None and score.name not in (*BASELINES, *LEARNED):
            row["permutation"] = without_nan(
                {"shifts": null.shifts, "center": null.center, "p_value": null.p_value}
            )
        rows.append(row)
        if score.horizon_s not in zeros:
            zeros.add(score.horizon_s)
            rows.append(_zero(row))
    return rows


def _row(symbol: str, score: Score, asked: Selection) -> dict[str, Any]:
    return {
        "model": row_name(score.name),
        "symbol": symbol,
        "horizon": score.horizon_s,
        "threshold": asked.threshold,
        "coverage_asked": asked.coverage,
        **without_nan(
            {
                "coverage": score.coverage,
                "hit_rate": score.hit_rate,
                "hit_rate_with_zeros": score.hit_rate_with_zeros,
                "zero_share": score.zero_share,
                "skill": score.skill,
                "lower": score.low,
                "upper": score.high,
                "skill_lower": score.skill_low,
                "skill_upper": score.skill_high,
                "blocks": score.blocks,
                "block_s": score.block_s,
                "r2": score.r2,
                "ic": score.ic,
                "gross_edge": score.gross_edge,
                "net_edge": score.net_edge,
            }
        ),
        "reliable": score.is_reliable,
        "rows": score.rows,
        "selected": score.selected,
    }


def _zero(row: dict[str, Any]) -> dict[str, Any]:
    """Predicting no move: it selects nothing, and its R2 is zero."""
    kept = ("symbol", "horizon", "rows")
    empty = {name: None for name in row if name not in ("against", "permutation")}
    known = {"model": "baseline:zero", "coverage_asked": 1.0, "coverage": 0.0, "selected": 0}
    return empty | {name: row[name] for name in kept} | known | {"blocks": 0, "r2": 0.0, "reliable": False}
