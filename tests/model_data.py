"""Data with a known answer for the tests of training and serving: drawn here, not recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from research.dataset import Dataset
from research.export import save
from research.labels import Track
from research.microprice import Quotes
from research.train import train_horizons
from services.features import schema
from services.model.manifest import Manifest
from shared import codec
from shared.messages import FeatureVector
from shared.units import SECOND

START_NS = 1_723_161_255 * SECOND
SIGMA = 2.0


def drawn(
    rows: int = 400, seed: int = 7, strength: float = 1.0, symbol: str = "BTCUSDT", start_ns: int = START_NS
) -> Dataset:
    """One row a second; the mid moves by `strength` * sigma * imbalance_1 of the second before, and noise."""
    draw = np.random.default_rng(seed)
    values = draw.uniform(-1.0, 1.0, (rows, schema.WIDTH))
    sigma, slow = schema.indices(schema.SIGMAS)
    (imbalance,) = schema.indices(["imbalance_1"])
    values[:, sigma] = SIGMA * draw.uniform(0.5, 2.0, rows)
    values[:, slow] = SIGMA * draw.uniform(0.8, 1.25, rows)
    # Signs that last: a signal must live as long as the horizon to be worth something there.
    values[:, imbalance] = np.repeat(draw.uniform(-1.0, 1.0, rows // 20 + 1), 20)[:rows]
    noise = draw.normal(0.0, SIGMA, rows)
    moves = strength * values[:, sigma] * values[:, imbalance] + noise
    mid = 60_000.0 + np.concatenate([[0.0], np.cumsum(moves)[:-1]])
    recv_ns = start_ns + np.arange(rows, dtype=np.int64) * SECOND
    return Dataset(
        symbol=symbol,
        sample_ms=1000,
        schema=schema.SCHEMA_HASH,
        values=values,
        recv_ns=recv_ns,
        clean_ns=np.full(rows, 60 * SECOND, dtype=np.int64),
        breaks_before=np.zeros(rows, dtype=np.int64),
        mid=mid,
        spread=np.full(rows, 0.1),
        spread_ticks=np.ones(rows, dtype=np.int64),
        imbalance_1=values[:, imbalance],
        imbalance_5=draw.uniform(-1.0, 1.0, rows),
        last_return=np.diff(mid, prepend=mid[0]),
        quotes=Quotes(
            recv_ns,
            np.round(mid * 20.0).astype(np.int64),
            values[:, imbalance],
            np.ones(rows, dtype=np.int64),
            np.zeros(rows, dtype=np.int64),
        ),
        track=Track(recv_ns, mid, np.empty(0, dtype=np.int64), int(recv_ns[-1])),
        from_ns=int(recv_ns[0]),
        until_ns=int(recv_ns[-1]),
        entries=rows,
        sha256=f"{seed:064x}",
    )


def trained(folder: Path, seed: int = 7, symbol: str = "BTCUSDT") -> Manifest:
    """A linear model of drawn data, written into `folder`."""
    return save(train_horizons(drawn(seed=seed, symbol=symbol), model="linear"), folder)


def two_versions(folder: Path) -> Path:
    """Two linear models of other data, in `one` and `two` of `folder`, which is returned."""
    trained(folder / "one", seed=1)
    trained(folder / "two", seed=2)
    return folder


def vector(recv_ns: int, values: list[float] | None = None, **changes: object) -> FeatureVector:
    """A whole vector of the published schema; its values are a function of the time alone."""
    if values is None:
        values = np.random.default_rng(recv_ns % 2**32).uniform(-1.0, 1.0, schema.WIDTH).tolist()
        for index in schema.indices(schema.SIGMAS):
            values[index] = SIGMA
    facts: dict[str, object] = {
        "recv_ns": recv_ns,
        "schema": schema.SCHEMA_HASH,
        "clean_ns": 60 * SECOND,
        "bid_ticks": 600_000,
        "ask_ticks": 600_001,
        "tick_e9": 100_000_000,
        "values": codec.pack_values(values),
        **changes,
    }
    return FeatureVector(**facts)  # type: ignore[arg-type]
