"""Fits on compressed rows are the fits on all rows: weights, penalties, predictions."""

from __future__ import annotations

import numpy as np
import pytest

from research import penalty, prior, shrinkage
from research.days.evidence import Evidence, evidence
from research.days.fits import fit
from research.days.units import units
from research.estimators import LINEAR, PRIORS, SPARSE, Believed, estimator
from research.sigmas import row_weights, scales
from research.splits import purged_blocks
from shared.errors import BadInput
from shared.units import SECOND

HORIZON_S = 5
REACH_NS, EMBARGO_NS = 5 * SECOND + 100_000_000, 6 * SECOND
NAMES = ("imbalance_1", "imbalance_exp", "ofi_1_1s", "trades_5s", "imbalance_5", "imbalance_10")
RAW = tuple(kind for kind in LINEAR if kind not in PRIORS)
FOLDS = 5


class Drawn:
    """Rows of which the first feature says something and the last never varies."""

    def __init__(self, rows: int = 6000, strength: float = 0.3, seed: int = 5) -> None:
        draw = np.random.default_rng(seed)
        self.recv_ns = np.arange(rows) * SECOND
        self.X = draw.uniform(-1.0, 1.0, (rows, len(NAMES)))
        # Both ends of the range lie in each fold, so that nothing held out would be clipped.
        self.X[::50] = np.sign(self.X[::50])
        self.X[:, 1] = 0.7 * self.X[:, 0] + 0.3 * self.X[:, 1]
        self.X[:, -1] = 0.25
        self.sigmas = draw.uniform(1.0, 4.0, (rows, 2))
        noise = draw.normal(0.0, 1.0, rows)
        self.y = self.sigmas[:, 0] * (strength * self.X[:, 0] + noise) + 0.4

    def evidence(self, is_scaled: bool, cuts: int = FOLDS) -> Evidence:
        span = (0, int(self.recv_ns[-1]) + 1)
        sigmas, powers = (self.sigmas, (1.0, -0.5)) if is_scaled else (None, (1.0,))
        cut = units(self.X, sigmas, self.y, self.recv_ns, HORIZON_S, span, cuts, REACH_NS, EMBARGO_NS, powers)
        return evidence([cut], None)

    def on_rows(self, kind: str, is_scaled: bool, weight: float = 1.0) -> tuple[object, float | None]:
        """The fit of all rows at once, with the penalty chosen there."""
        X, alpha, believed = self.X[:, :-1], None, None
        target = self.y / scales(self.sigmas, HORIZON_S) if is_scaled else self.y
        if kind == "ridge" or kind in SPARSE:
            splits = purged_blocks(self.recv_ns, FOLDS, REACH_NS, EMBARGO_NS)
            alpha = penalty.choose(X, target, splits, is_scaled, kind)
            if alpha is None:
                return None, None
        if kind in PRIORS:
            directions = prior.directions(NAMES[:-1])
            believed = Believed(tuple(directions.tolist()), len(X) / HORIZON_S, weight)
            alpha = 0.3 if weight < 1.0 else None
        table = np.column_stack([X, self.sigmas]) if is_scaled else X
        return estimator(kind, HORIZON_S, is_scaled, alpha, believed).fit(table, self.y), alpha


def weights(model: object, is_scaled: bool) -> np.ndarray:
    pipeline = model.regressor_ if is_scaled else model  # type: ignore[attr-defined]
    return pipeline["regress"].coef_


@pytest.mark.parametrize(
    ("kind", "is_scaled"), [*((kind, True) for kind in (*RAW, "prior")), *((kind, False) for kind in RAW)]
)
def test_a_fit_is_that_of_all_rows(kind: str, is_scaled: bool) -> None:
    drawn = Drawn()
    found = fit(kind, drawn.evidence(is_scaled), NAMES, is_scaled, HORIZON_S, 1.0)
    expected, alpha = drawn.on_rows(kind, is_scaled)
    assert found.used.tolist() == [True] * 5 + [False]
    assert found.rows == len(drawn.y)
    assert found.alpha == (None if alpha is None else pytest.approx(alpha, rel=1e-12))
    # Coordinate descent stops at a tolerance, on both sides.
    loose = {"rtol": 1e-9, "atol": 1e-9}
    np.testing.assert_allclose(weights(found.model, is_scaled), weights(expected, is_scaled), **loose)
    sigmas = drawn.sigmas if is_scaled else None
    table = np.column_stack([drawn.X[:, :-1], drawn.sigmas]) if is_scaled else drawn.X[:, :-1]
    told, moves = found.predict(drawn.X, sigmas), expected.predict(table)  # type: ignore[attr-defined]
    np.testing.assert_allclose(told, moves, **loose)
    wild = np.full((3, 6), 50.0) * [[1.0], [-1.0], [0.0]]
    np.testing.assert_allclose(
        found.predict(wild, sigmas[:3] if is_scaled else None),
        expected.predict(np.column_stack([wild[:, :-1], sigmas[:3]]) if is_scaled else wild[:, :-1]),  # type: ignore
        **loose,
    )


def test_a_mixture_is_that_of_all_rows() -> None:
    drawn = Drawn(40_000, strength=0.5)
    found = fit("shrunk", drawn.evidence(True, 40), NAMES, True, HORIZON_S, 1.0)
    directions = prior.directions(NAMES[:-1])
    power = -0.5
    splits = list(purged_blocks(drawn.recv_ns, FOLDS, REACH_NS, EMBARGO_NS))
    chosen = shrinkage.choose(
        drawn.X[:, :-1], drawn.y / scales(drawn.sigmas, HORIZON_S, power), row_weights(drawn.sigmas, power),
        drawn.recv_ns, splits, directions, len(drawn.y) / HORIZON_S, 1000 * SECOND,
    )  # fmt: skip
    assert chosen.weight < 1.0
    assert (found.prior_weight, found.alpha) == (chosen.weight, chosen.penalty)
    believed = Believed(tuple(directions.tolist()), len(drawn.y) / HORIZON_S, chosen.weight)
    expected = estimator("shrunk", HORIZON_S, True, chosen.penalty, believed)
    expected.fit(np.column_stack([drawn.X[:, :-1], drawn.sigmas]), drawn.y)
    np.testing.assert_allclose(weights(found.model, True), weights(expected, True), rtol=1e-9)


def test_few_units_leave_the_prior() -> None:
    found = fit("shrunk", Drawn().evidence(True), NAMES, True, HORIZON_S, 1.0)
    assert (found.prior_weight, found.alpha) == (1.0, None)


def test_noise_leaves_no_model_of_a_sparse_kind() -> None:
    kept = [
        fit("lasso", Drawn(2000, 0.0, seed).evidence(True), NAMES, True, HORIZON_S, 1.0) for seed in range(4)
    ]
    nothing = [one for one in kept if one.model is None]
    assert nothing
    assert not nothing[0].predict(Drawn(10).X, Drawn(10).sigmas).any()


def test_constant_features_are_refused() -> None:
    drawn = Drawn(200)
    drawn.X[:] = 0.5
    with pytest.raises(BadInput, match="every feature is constant"):
        fit("linear", drawn.evidence(True), NAMES, True, HORIZON_S, 1.0)
