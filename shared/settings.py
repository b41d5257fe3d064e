"""All settings, from the environment (`LOBFLOW_...`) or a `.env` file; nothing else reads the environment.

`LOBFLOW_SECRETS_DIR` may name a folder with a file per setting, named like its variable, for what must not
stand in an environment; variables win over files.

Each has a default that works on one machine against the local venue. A wrong one ends the process with one
line that names it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import BadSetting, LobflowError
from shared.streams import check_run_id, check_symbol
from shared.venues import MAINNET_TRADING_HOSTS, PRESETS

NO_DOTENV = "LOBFLOW_NO_DOTENV"  # set for processes that we start: all their settings come from us
SECRETS_DIR = "LOBFLOW_SECRETS_DIR"


class Settings(BaseSettings):
    """Settings of all services; each uses what it needs."""

    model_config = SettingsConfigDict(
        env_prefix="LOBFLOW_", extra="ignore", frozen=True, populate_by_name=True
    )

    # Bus
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0", validation_alias=AliasChoices("LOBFLOW_REDIS_URL", "REDIS_URL")
    )
    redis_start_seconds: float = Field(10.0, ge=0, description="how long to wait for Redis at start")
    run_id: str = Field("live", description="first part of every key; a replay has its own")
    instance: str = Field(
        "0", pattern=r"^[A-Za-z0-9_-]{1,20}$", description="tells copies of a service apart"
    )
    retention_minutes: float = Field(60.0, gt=0, description="how long market-like streams are kept in Redis")

    # Market
    symbols: Annotated[tuple[str, ...], NoDecode] = ("BTCUSDT",)
    lockstep: bool = Field(False, description="replay: follow the venue's recorded order and pace")

    # Venue: where data comes from and where orders go, chosen separately. A URL that is set wins.
    data_venue: Literal["local", "demo", "production"] = "local"
    trade_venue: Literal["local", "demo", "production"] = "local"
    data_rest_url: str = ""
    data_public_url: str = ""
    data_market_url: str = ""
    trade_rest_url: str = ""
    trade_private_url: str = ""
    api_key: SecretStr = SecretStr("local-key")
    api_secret: SecretStr = SecretStr("local-secret")
    recv_window_ms: int = Field(5000, ge=1, le=60000)

    # Collector
    first_frame_seconds: float = Field(20.0, gt=0, description="each stream must have sent a frame by then")
    silent_seconds: float = Field(3.0, gt=0, description="the shortest silence of a stream that is a failure")
    socket_seconds: float = Field(
        82_800.0, gt=0, description="a socket is renewed at this age: 23 of its 24 h"
    )
    overlap_seconds: float = Field(
        10.0, gt=0, description="how long old and new socket run side by side at most"
    )
    socket_streams: int = Field(200, ge=2, le=1024, description="streams on one socket at most")
    snapshot_weight: int = Field(
        1000, ge=20, description="request weight a minute for snapshots, all symbols"
    )
    raw_dir: Path | None = Field(None, description="archive raw frames here; unset: no archive")
    raw_file_seconds: float = Field(3600.0, gt=0, description="an archive file is closed after this time")
    raw_file_mb: float = Field(
        256.0, gt=0, description="an archive file is closed at this size, uncompressed"
    )

    # The local venue
    venue_port: int = Field(8080, ge=0, le=65535)
    venue_files: Annotated[tuple[Path, ...], NoDecode] = ()  # recordings; none: a synthetic market
    venue_seed: int = Field(
        10, ge=0, lt=1 << 63, description="of the synthetic market; this one moves in its first minute"
    )
    venue_state_dir: Path | None = Field(
        None, description="where the venue keeps a synthetic market and the account; unset: nowhere"
    )
    venue_speed: float = Field(0.0, ge=0, description="market seconds per second; 0 is as fast as it goes")
    venue_latency_ms: int = Field(100, ge=100, le=450, description="modelled one-way latency to the venue")
    venue_limits: bool = Field(True, description="apply the venue's order-rate and weight limits")
    venue_balance: Decimal = Field(Decimal(10_000), gt=0, description="opening wallet balance, USDT")

    # Features, model
    parity_seconds: float = Field(
        60.0, ge=0, description="how often published features are computed again and compared; 0: never"
    )
    model_dir: Path = Field(Path("models/default"), description="a folder that `lobflow train` wrote")

    shadow_models: int = Field(
        3, ge=0, le=8, description="how many of the newest other versions predict in shadow"
    )
    retrain_hours: float = Field(
        0.0, ge=0, description="fit on what was recorded so often, and have what is better promoted; 0: never"
    )
    retrain_window_hours: float = Field(
        6.0, ge=0.5, description="how much of what was recorded is fitted on and contested"
    )

    # Trader
    strategy: Literal["threshold", "maker", "bench", "none"] = "threshold"
    threshold: float | None = Field(
        None, gt=0, description="USDT; unset: what the model brings, the 80 % quantile in training"
    )
    size: Decimal = Field(Decimal("0.01"), gt=0, description="order size, base currency")
    period: int = Field(10, gt=0, description="seconds a position is held; also the horizon that is traded")
    max_position: Decimal = Field(Decimal("0.1"), gt=0, description="largest position, base currency")
    max_orders_10s: int = Field(
        100, gt=0, description="our own limit on orders in 10 s, under the venue's 300"
    )
    gate: Literal["off", "warn", "enforce"] = Field(
        "warn", description="whether entries need an edge after costs that was shown; enforce refuses others"
    )
    gate_confidence: float = Field(
        0.95, gt=0.5, lt=1, description="one-sided, of the edge after costs, for all versions tried together"
    )
    maker_fee: float = Field(0.0002, ge=-0.01, le=0.01, description="share of the price, to value quotes by")
    taker_fee: float = Field(
        0.0005, ge=-0.01, le=0.01, description="share of the price, in the costs of quotes and of the gate"
    )
    maker_trust: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = Field(
        "auto",
        description="how much of a predicted move a quote believes, 0 to 1; auto: as far as they came true",
    )
    maker_aversion: float = Field(
        0.0,
        ge=0,
        description="basis points of the price that a position's growth by one quote must earn more",
    )
    maker_demonstration: bool = Field(
        False, description="maker quotes whatever it is worth; on the local venue and demo trading only"
    )
    stale_ms: int = Field(1000, gt=0, description="a book or prediction older than this opens nothing")

    # Recorder, monitor, telemetry
    record_dir: str = Field("data", description="a folder, or a URL that fsspec knows: s3://bucket/lobflow")
    record_keep_days: int | None = Field(
        None, gt=0, description="recorded days of market, features, predictions, health kept; unset: all"
    )
    record_keep_gb: float | None = Field(
        None, gt=0, description="the oldest of them are dropped above this size of all; unset: never"
    )
    record_upkeep_seconds: float = Field(
        300.0, gt=0, description="how often closed days are packed and old ones dropped"
    )
    record_seconds: float = Field(60.0, gt=0, le=900, description="a Parquet file is closed after this time")
    host: str = "127.0.0.1"
    monitor_port: int = Field(8000, ge=0, le=65535)
    metrics_port: int = Field(0, ge=0, le=65535, description="0 takes a free port")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    parent_pid: int = Field(0, ge=0, description="stop when this process is gone; set by what starts us")
    stamps_file: Path | None = Field(None, description="bench: where to write the times of each hop")

    @field_validator("symbols", mode="before")
    @classmethod
    def _split_symbols(cls, value: object) -> object:
        if isinstance(value, str):
            value = tuple(part.strip().upper() for part in value.split(",") if part.strip())
        if isinstance(value, tuple) and (not value or len(set(value)) != len(value)):
            raise ValueError("name at least one symbol, each once, with commas between")
        return value

    @field_validator("venue_files", mode="before")
    @classmethod
    def _split_files(cls, value: object) -> object:
        return tuple(part for part in value.split(",") if part) if isinstance(value, str) else value

    @field_validator("symbols")
    @classmethod
    def _check_symbols(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_checked(check_symbol, symbol) for symbol in value)

    @field_validator("run_id")
    @classmethod
    def _check_run(cls, value: str) -> str:
        return _checked(check_run_id, value)

    @field_validator("trade_rest_url", "trade_private_url")
    @classmethod
    def _no_mainnet(cls, value: str) -> str:
        host = (urlsplit(value).hostname or "").lower().rstrip(".")
        if host in MAINNET_TRADING_HOSTS or (host.endswith(".binance.com") and not host.startswith("demo-")):
            raise ValueError(
                f"{host} trades real money; lobflow trades on the local venue and demo trading only"
            )
        return value

    @field_validator("trade_venue")
    @classmethod
    def _no_trading_on_production(cls, value: str) -> str:
        if value == "production":
            raise ValueError(
                "production trades real money; lobflow trades on the local venue and demo trading only"
            )
        return value

    @model_validator(mode="after")
    def _demonstrate_on_play_money_only(self) -> Self:
        if self.maker_demonstration and self.trade_venue not in ("local", "demo"):
            raise ValueError(
                "maker_demonstration: quotes at a loss, on the local venue and demo trading only"
            )
        return self

    @model_validator(mode="after")
    def _fill_urls(self) -> Self:
        data, trade = PRESETS[self.data_venue], PRESETS[self.trade_venue]
        presets = {
            "data_rest_url": data.rest,
            "data_public_url": data.public,
            "data_market_url": data.market,
            "trade_rest_url": trade.rest,
            "trade_private_url": trade.private,
        }
        for name, url in presets.items():
            if not getattr(self, name):
                object.__setattr__(self, name, url)  # frozen for everybody else
        return self

    def config_hash(self) -> str:
        """A short hash of all settings but secrets, for health entries."""
        text = self.model_dump_json(
            exclude={"api_key", "api_secret", "stamps_file", "instance", "parent_pid"}
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _checked(check: Callable[[str], str], value: str) -> str:
    try:
        return check(value)
    except LobflowError as error:
        raise ValueError(str(error)) from error


def load(**overrides: object) -> Settings:
    """Settings from the environment. Raises BadSetting with one line that names each wrong one."""
    dotenv = None if os.environ.get(NO_DOTENV) else ".env"
    secrets = os.environ.get(SECRETS_DIR)
    if secrets is not None and not os.path.isdir(secrets):
        raise BadSetting(f"{SECRETS_DIR}: there is no folder {secrets!r}")
    try:
        return Settings(_env_file=dotenv, _secrets_dir=secrets, **overrides)  # type: ignore[call-arg,arg-type]
    except ValidationError as error:
        parts = []
        for row in error.errors(include_url=False):
            name = "LOBFLOW_" + str(row["loc"][0]).upper().removeprefix("LOBFLOW_")
            parts.append(
                f"{name}: {row['msg'].removeprefix('Value error, ')} (was {str(row.get('input'))[:60]!r})"
            )
        raise BadSetting("; ".join(parts)) from error


def to_environment(values: dict[str, object]) -> dict[str, str]:
    """Settings as the environment variables that `load` reads, for processes that we start."""
    names = set(Settings.model_fields)
    unknown = set(values) - names
    if unknown:
        raise ValueError(f"no such settings: {sorted(unknown)}")
    out = {NO_DOTENV: "1"}
    for name, value in values.items():
        if value is None:
            continue
        joined = ",".join(str(part) for part in value) if isinstance(value, tuple | list) else str(value)
        out["LOBFLOW_" + name.upper()] = joined
    return out
