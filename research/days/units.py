"""Any number of rows in a few numbers: all that a linear model needs of a span of time.

A QR decomposition of [X y] has a triangle R with R'R = [X y]'[X y], so every least-squares fit, penalized or
not, is the same on the rows of R as on the rows themselves; and the triangle of two parts is that of their
triangles, one upon the other (a tall-skinny QR: Demmel, Grigori, Hoemmen, Langou 2012). Unlike sums of
products it squares no condition number, so the fits agree to about 1e-12.

For a target in units of sigma (see `research.estimators.VolatilityTarget`) rows are X (slow / sigma)^(1-p)
and y / (sigma sqrt(h)), p the power of sigma: what the weights of the rows make of both. In raw units a
column of ones goes first, so that the rest of its triangle is X and y less their means.

A unit of time is cut at its ends: rows whose label reaches beyond it (`tail`), and rows too near its start
to be trained on beside held-out rows before (`head`). Leaving those out is purging and embargo.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from research.labels import Flags, Floats, Ints
from research.sigmas import calm, scales
from shared.units import SECOND


class Columns(NamedTuple):
    """What a model is fitted on."""

    names: tuple[str, ...]  # features
    sigmas: tuple[str, ...]  # what the target is divided by, nothing in raw units
    window_ns: int  # the longest look back: how soon after a gap a row is whole
    powers: tuple[float, ...]  # of sigma, see above; one of 1.0 in raw units

    @property
    def read(self) -> tuple[str, ...]:
        """The features to read, the sigmas last."""
        return (*self.names, *self.sigmas)


class Part(NamedTuple):
    """Some rows. `triangles` by power of sigma: (m, k + 1), with ones first (m, k + 2), m at most that."""

    rows: int
    triangles: dict[float, Floats]
    low: Floats  # (k,), smallest value of each feature; infinite where there are no rows
    high: Floats  # (k,)
    ups: int  # moves up less moves down


class Unit(NamedTuple):
    """The rows with start <= recv_ns < end."""

    start_ns: int
    end_ns: int
    head: Part
    body: Part
    tail: Part


def part(X: Floats, sigmas: Floats | None, y: Floats, horizon_s: int, powers: Sequence[float]) -> Part:
    """X of shape (n, k), sigmas (n, 2), y (n,) in quote currency."""
    triangles: dict[float, Floats] = {}
    for power in powers:
        if sigmas is None:
            table = np.column_stack([np.ones(len(y)), X, y])
        else:
            target = y / scales(sigmas, horizon_s)
            table = np.column_stack([X * calm(sigmas, power)[:, None], target])
        triangles[power] = _triangle(table)
    width = X.shape[1]
    return Part(
        rows=len(y),
        triangles=triangles,
        low=X.min(axis=0) if len(y) else np.full(width, np.inf),
        high=X.max(axis=0) if len(y) else np.full(width, -np.inf),
        ups=int(np.sign(y).sum()),
    )


def _triangle(table: Floats) -> Floats:
    found: Floats = np.linalg.qr(table, mode="r")  # type: ignore[assignment]  # "r" gives the triangle alone
    return found


def merged(parts: Iterable[Part]) -> Part:
    """All rows of all parts, at least one. The order of parts changes signs and last digits only."""
    given = list(parts)
    powers = given[0].triangles
    return Part(
        rows=sum(one.rows for one in given),
        triangles={
            power: _triangle(np.concatenate([one.triangles[power] for one in given])) for power in powers
        },
        low=np.min([one.low for one in given], axis=0),
        high=np.max([one.high for one in given], axis=0),
        ups=sum(one.ups for one in given),
    )


def units(
    X: Floats,
    sigmas: Floats | None,
    y: Floats,
    recv_ns: Ints,
    horizon_s: int,
    span_ns: tuple[int, int],
    count: int,
    reach_ns: int,
    embargo_ns: int,
    powers: Sequence[float],
) -> list[Unit]:
    """The span cut into `count` equal units. Rows as in `part`, ascending in time, all within the span."""
    edges = np.linspace(*span_ns, count + 1).astype(np.int64).tolist()
    found = []
    for start_ns, end_ns in pairwise(edges):
        inside = slice(*np.searchsorted(recv_ns, (start_ns, end_ns), "left").tolist())
        times = recv_ns[inside]
        is_tail = times + reach_ns >= end_ns
        is_head = ~is_tail & (times < start_ns + reach_ns + embargo_ns)

        def _of(mask: Flags, inside: slice = inside) -> Part:
            scale = None if sigmas is None else sigmas[inside][mask]
            return part(X[inside][mask], scale, y[inside][mask], horizon_s, powers)

        found.append(Unit(start_ns, end_ns, _of(is_head), _of(~is_head & ~is_tail), _of(is_tail)))
    return found


def joined(parts_of: Sequence[Unit]) -> Unit:
    """Units that follow each other without a gap, as one."""
    if len(parts_of) == 1:
        return parts_of[0]
    first, last = parts_of[0], parts_of[-1]
    inner = [first.body, first.tail, last.head, last.body]
    inner += [one for unit in parts_of[1:-1] for one in (unit.head, unit.body, unit.tail)]
    return Unit(first.start_ns, last.end_ns, first.head, merged(inner), last.tail)


def kept(chosen: Sequence[Unit], held_out: Sequence[tuple[int, int]]) -> list[Part]:
    """The parts of `chosen` to train on when the spans [start, end) of `held_out` are tested: no tail before
    one, no head after one. They do not overlap; what lies between them is longer than any label."""
    starts, ends = {start for start, _ in held_out}, {end for _, end in held_out}
    out = []
    for unit in chosen:
        out.append(unit.body)
        if unit.end_ns not in starts:
            out.append(unit.tail)
        if unit.start_ns not in ends:
            out.append(unit.head)
    return out


def reach(horizon_s: int, latency_ns: int) -> int:
    """How far after a row its label looks, ns."""
    return horizon_s * SECOND + latency_ns
