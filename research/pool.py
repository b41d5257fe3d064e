"""Rows of several symbols fitted together: in order of time, each symbol weighing as much as another.

Splits are cut by time through all of them. What moves in the same second is not independent: a second counts
once, however many symbols have a row in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from research.fit import MIN_ROWS, Features, Fitted, fit
from research.labels import Flags, Floats, Ints
from research.scores import Outcomes
from research.table import outcomes
from research.weights import Pool
from shared.errors import BadInput
from shared.units import MS

if TYPE_CHECKING:  # importing it loads the compiled features, and workers are to stay small
    from research.dataset import Dataset


class Part(NamedTuple):
    """The labelled rows of one symbol for one horizon."""

    rows: Dataset
    after: Outcomes
    known: Flags  # which of the rows asked for have a label


@dataclass(frozen=True)
class Stack:
    """The rows of one horizon of one symbol or several, ascending in time."""

    parts: tuple[Part, ...]
    features: Features
    X: Floats  # (n, k), as `Features.matrix`
    y: Floats  # (n,), quote currency
    recv_ns: Ints  # (n,)
    owners: Ints  # (n,), the number of each row's part

    @property
    def horizon_s(self) -> int:
        """Of the labels."""
        return self.parts[0].after.horizon_s

    def of(self, number: int, mask: Flags) -> Flags:
        """What `mask`, (n,), says of the rows of one part, in the order that these have there."""
        own: Flags = mask[self.owners == number]
        return own

    def check_rows(self, chosen: Flags) -> None:
        """Raises BadInput where `chosen`, (n,), has too few rows of a part to fit several together."""
        for number, part in enumerate(self.parts if len(self.parts) > 1 else ()):
            count = self.of(number, chosen).sum()
            if count < MIN_ROWS:
                raise BadInput(
                    f"{part.rows.symbol}: {count} labelled rows for {self.horizon_s} s; training needs "
                    f"{MIN_ROWS}"
                )

    def weighable(self, chosen: Flags) -> Flags:
        """`chosen`, (n,), without the rows of parts that have but a few in it, each of which would weigh as
        much as hundreds of another's."""
        if len(self.parts) == 1:
            return chosen
        counts = np.bincount(self.owners[chosen], minlength=len(self.parts))
        mask: Flags = chosen & (counts >= MIN_ROWS)[self.owners]
        return mask

    def fit(self, kind: str, chosen: Flags) -> Fitted:
        """Fit one kind on the rows of the mask `chosen`."""
        pool = None
        if len(self.parts) > 1:
            pool = Pool(self.owners[chosen], self.parts[0].rows.sample_ms * MS)
        rows = self.X[chosen], self.y[chosen], self.recv_ns[chosen]
        return fit(kind, *rows, self.horizon_s, self.features, pool)


def stacked(data: Sequence[Dataset], horizon_s: int, features: Features) -> Stack:
    """The labelled rows of all of `data`, which hold rows on which the features are whole."""
    parts = []
    for one in data:
        after, known = outcomes(one, horizon_s)
        parts.append(Part(one.rows(known), after, known))
    if len(parts) == 1:
        ((rows, after, _),) = parts
        owners = np.zeros(len(rows.recv_ns), dtype=np.int64)
        return Stack(tuple(parts), features, features.matrix(rows), after.moves, rows.recv_ns, owners)
    recv_ns = np.concatenate([part.rows.recv_ns for part in parts])
    order = np.argsort(recv_ns, kind="stable")
    counts = [len(part.rows.recv_ns) for part in parts]
    return Stack(
        tuple(parts),
        features,
        np.concatenate([features.matrix(part.rows) for part in parts])[order],
        np.concatenate([part.after.moves for part in parts])[order],
        recv_ns[order],
        np.repeat(np.arange(len(parts)), counts)[order],
    )


def check_poolable(data: Sequence[Dataset], feature_set: str) -> None:
    """Raises BadInput for what cannot be fitted together."""
    symbols = [one.symbol for one in data]
    if len(set(symbols)) < 2 or len(set(symbols)) < len(symbols):
        raise BadInput(
            f"pooling takes two symbols at least, each once; given: {', '.join(symbols) or 'none'}"
        )
    if feature_set == "seed":
        raise BadInput(
            "feature set seed is in raw units, which differ by symbol: only set flow can be pooled"
        )
    if len({one.sample_ms for one in data}) > 1:
        raise BadInput("pooled symbols need rows at the same distance in time")


def shares_of_time(data: Sequence[Dataset], from_share: float, to_share: float) -> list[Dataset]:
    """The rows in a part of the time from the first entry of all symbols to the last: the same for all."""
    if not 0.0 <= from_share < to_share <= 1.0:
        raise BadInput(f"{from_share:g} to {to_share:g} is no part of 0 to 1")
    start_ns = min(one.from_ns for one in data)
    span = max(one.until_ns for one in data) - start_ns
    from_ns, until_ns = start_ns + int(span * from_share), start_ns + int(span * to_share)
    return [one.between(from_ns, until_ns) for one in data]
