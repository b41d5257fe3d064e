"""From the core's state to the answers of REST about models. Pure."""

from __future__ import annotations

from math import isfinite
from typing import Literal

from services.monitor.model_answers import DriftAnswer, GateAnswer, ModelsAnswer, StandingAnswer
from services.monitor.models import Models
from services.monitor.standing import BASELINES, Standing
from services.monitor.views import time_of

Role = Literal["champion", "shadow", "baseline"]


def role(name: str, champion: str) -> Role:
    """What a row of the standings is."""
    if name in BASELINES:
        return "baseline"
    return "champion" if name == champion else "shadow"


def gate(models: Models, version: str) -> GateAnswer:
    """What the gate says of a version now."""
    verdict, told = models.verdict(version), models.gates.get(version)
    return GateAnswer(
        version=version,
        verdict="shown" if verdict.is_shown else "undetermined",
        why=verdict.why,
        trades=verdict.trades,
        days=verdict.days,
        tried=verdict.tried,
        mean_bps=verdict.mean_bps,
        lower_bps=verdict.lower_bps,
        told=None if told is None else time_of(told.at_ns),
    )


def champion_gate(models: Models) -> GateAnswer | None:
    """Of the version that serves; None before any prediction."""
    return gate(models, models.champion) if models.champion else None


def worst_drift(models: Models) -> DriftAnswer | None:
    """The quantity of the version that serves that lies farthest from its training."""
    rows = drift(models).get(models.champion)
    return rows[0] if rows else None


def drift(models: Models) -> dict[str, list[DriftAnswer]]:
    """By version, the farthest first."""
    out: dict[str, list[DriftAnswer]] = {}
    for row in models.drift():
        out.setdefault(row.model, []).append(DriftAnswer(name=row.name, psi=row.psi, rows=row.rows))
    return {version: sorted(rows, key=lambda one: (-one.psi, one.name)) for version, rows in out.items()}


def answer(symbol: str, models: Models) -> ModelsAnswer:
    """Everything about the models of a symbol."""
    names = [*([models.champion] if models.champion else []), *models.evidence.versions()]
    return ModelsAnswer(
        symbol=symbol,
        champion=models.champion or None,
        gates=[gate(models, version) for version in dict.fromkeys(names)],
        standings=[_standing(row, models.champion) for row in models.standings()],
        drift=drift(models),
    )


def _standing(row: Standing, champion: str) -> StandingAnswer:
    return StandingAnswer(
        name=row.name,
        role=role(row.name, champion),
        horizon_s=row.horizon_s,
        coverage_asked=row.asked,
        coverage=row.coverage,
        rows=row.rows,
        zero_share=_known(row.zero_share),
        hit_rate=_known(row.hit_rate),
        hit_rate_with_zeros=_known(row.hit_rate_with_zeros),
        lower=_known(row.low),
        upper=_known(row.high),
        blocks=row.blocks,
        is_reliable=row.is_reliable,
        skill=_known(row.skill),
        ic=_known(row.ic),
        gross_edge=_known(row.gross_edge),
        net_edge=_known(row.net_edge),
        difference=_known(row.difference),
        difference_error=_known(row.difference_error),
    )


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
