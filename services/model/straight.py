"""All horizons of a linear model as one straight line of Python, written out and compiled when it is loaded.

    def line(v, sigma, slow):
        a0 = v[3]; a1 = v[7]; ...
        if not (-1.0 <= a0 <= 1.0 and ...): return None
        m0 = sigma * 2.23606797749979 * (0.031 * a0 + -0.2 * a1 + ...)
        ...
        return (m0, m1, m2) if m0 + m1 + m2 - (m0 + m1 + m2) == 0.0 else None

Values inside the bounds of every horizon need no clipping, and are finite. Everything else (None) is
`Fold`'s. Loops over the same weights take three times as long, numpy's calls more for some 20 of them; and
the order of the sum is that of the manifest, so two copies publish the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

from services.model.manifest import NO_BOUND, Horizon

Line = Callable[[Sequence[float], float, float], tuple[float, ...] | None]


def straight(horizons: Sequence[Horizon], indices: Sequence[int]) -> Line:
    """The function (values, sigma, slow sigma) -> moves per horizon in quote currency, NaN for a horizon
    without model; None where a value lies outside of what training saw or is not finite."""
    served = [row for row in horizons if row.kind]
    low = [max(row.low[place] for row in served) for place in range(len(indices))] if served else []
    high = [min(row.high[place] for row in served) for place in range(len(indices))] if served else []
    body = [f"a{place} = v[{index}]" for place, index in enumerate(indices)] if served else []
    inside, unseen = [], []
    for place, (least, most) in enumerate(zip(low, high, strict=True)):
        if (least, most) != (-NO_BOUND, NO_BOUND):
            inside.append(f"{least!r} <= a{place} <= {most!r}")
        elif not any(row.weights[place] for row in served):
            unseen.append(f"a{place}")  # no move tells whether it is finite
    if inside:
        body.append(f"if not ({' and '.join(inside)}): return None")
    names = []
    for at, row in enumerate(horizons):
        names.append(f"m{at}" if row.kind else "nan")
        if row.kind:
            body.append(f"m{at} = {_sum(row)}")
    checked = " + ".join([name for name in names if name != "nan"] + unseen) or "0.0"
    body += [f"t = {checked}", "if t - t != 0.0: return None", f"return ({''.join(n + ', ' for n in names)})"]
    source = "def line(v, sigma, slow, nan=float('nan')):\n" + "".join(f"    {text}\n" for text in body)
    made: dict[str, Line] = {"sqrt": sqrt}  # type: ignore[dict-item]
    exec(compile(source, "<model>", "exec"), made)  # of nothing but numbers: the manifest is typed
    return made["line"]


def _sum(row: Horizon) -> str:
    terms = [f"{weight!r} * a{place}" for place, weight in enumerate(row.weights) if weight != 0.0]
    if row.offset != 0.0 or not terms:
        terms.append(repr(row.offset))
    total = " + ".join(terms)
    if not row.is_scaled:
        return total
    volatility = "sigma"
    if row.sigma_power != 1.0:  # as in `Horizon.scale`
        volatility = "slow * sqrt(slow / sigma)" if row.slow_power else "1.0 / sqrt(sigma)"
    return f"{volatility} * {sqrt(row.horizon_s)!r} * ({total})"
