"""What REST answers about models: how each version stands, what the gate says of it, how far it drifted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.monitor.answers import Answer, Status, Time


class GateAnswer(Answer):
    """Whether a version has shown an edge after costs."""

    version: str
    verdict: Literal["shown", "undetermined"]
    why: str = Field(description="what the verdict rests on, in words")
    trades: int = Field(description="trades that do not overlap, as the threshold strategy would make them")
    days: int
    tried: int = Field(description="versions looked at: the confidence is shared among them")
    mean_bps: float | None = Field(description="mean of a trade after two fees and two half spreads")
    lower_bps: float | None = Field(description="its one-sided lower bound")
    told: Time | None = Field(
        description="market time of the newest entry in `control`, which the trader sees"
    )


class DriftAnswer(Answer):
    """How far a quantity lies from its distribution in training."""

    name: str = Field(description="a feature, `sigma`, `slow sigma`, or `residual 5 s`")
    psi: float = Field(description="population stability index: above 0.1 look at it, above 0.25 act")
    rows: int


class SystemStatus(Status):
    """How the system is, and what stands for and against the models that serve."""

    gates: dict[str, GateAnswer | None] = Field(
        description="symbol -> what the gate says of its champion; null before the first prediction"
    )
    drift: dict[str, DriftAnswer | None] = Field(
        description="symbol -> the champion's quantity that lies farthest from its training, where known"
    )


class StandingAnswer(Answer):
    """How a version or baseline did on the newest hour."""

    name: str = Field(description="a version, or a baseline: imbalance 1, last return, majority")
    role: Literal["champion", "shadow", "baseline"]
    horizon_s: int
    coverage_asked: float
    coverage: float
    rows: int = Field(description="labelled rows that it predicted, one a second")
    zero_share: float | None = Field(description="share of the selected whose mid did not change")
    hit_rate: float | None
    hit_rate_with_zeros: float | None = Field(description="an unchanged mid counted as a miss")
    lower: float | None = Field(description="95 % interval of the hit rate, by blocks of time")
    upper: float | None
    blocks: int
    is_reliable: bool = Field(description="at least 30 blocks")
    skill: float | None = Field(description="hit rate less what the shares of up and down give alone")
    ic: float | None = Field(description="correlation of prediction and outcome")
    gross_edge: float | None = Field(description="quote currency, at mid after 100 ms")
    net_edge: float | None = Field(description="the same less two taker fees and two half spreads")
    difference: float | None = Field(description="of hit rates to the champion's, on the rows of both")
    difference_error: float | None = Field(description="its standard error, by blocks")


class ModelsAnswer(Answer):
    """The models of one symbol."""

    symbol: str
    champion: str | None = Field(description="the version that serves")
    gates: list[GateAnswer] = Field(description="of the champion first")
    standings: list[StandingAnswer]
    drift: dict[str, list[DriftAnswer]] = Field(description="version -> quantities, the farthest first")
