"""REST and metrics over the core: `/api/v1/...`, `/docs`, `/metrics`. Reads state, writes `control` only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException as StarletteHTTPException

from services.monitor import answers as a
from services.monitor import figures, model_views, views
from services.monitor.control import ControlDesk, NotWritten, message_of
from services.monitor.core import MonitorCore, SymbolState
from services.monitor.model_answers import ModelsAnswer, SystemStatus
from shared.messages import Health
from shared.units import MS

PREFIX = "/api/v1"
Gate = Literal["off", "warn", "enforce"]
ABOUT = (
    "What the system does and what came of it, from its streams alone. Prices, sizes and money are decimal "
    "texts (exact), counts are integers, ratios floats from 0 to 1; a time is `{iso, ns}`, UTC. Lists come "
    "newest first, in pages of `limit` from `offset`. An error is `{error}`, one sentence, with a status of "
    "4xx or 5xx."
)
PROBLEMS: dict[int | str, dict[str, Any]] = {
    404: {"model": a.Problem, "description": "no such symbol"},
    422: {"model": a.Problem, "description": "a parameter is wrong"},
}

Limit = Annotated[int, Query(ge=1, le=1000, description="at most so many")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="leave out so many of the newest")]
Symbol = Annotated[str | None, Query(description="only this symbol", examples=["BTCUSDT"])]


def build(
    core: MonitorCore,
    health: Mapping[str, Health],
    desk: ControlDesk,
    registry: CollectorRegistry,
    run_id: str,
    data_kind: str,
    gate: Gate,
) -> FastAPI:
    """The application. It never touches Redis itself, but for what `desk` writes."""
    app = FastAPI(
        title="lobflow",
        version="1",
        description=ABOUT,
        docs_url="/docs",
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
    )
    app.add_exception_handler(RequestValidationError, _bad_parameter)
    app.add_exception_handler(StarletteHTTPException, _refused)

    def chosen(symbol: str | None) -> dict[str, SymbolState]:
        if symbol is None:
            return core.symbols
        if symbol not in core.symbols:
            raise HTTPException(404, f"symbol {symbol[:40]!r} is not traded here: {', '.join(core.symbols)}")
        return {symbol: core.symbols[symbol]}

    @app.get(f"{PREFIX}/status", tags=["state"])
    async def status() -> SystemStatus:
        """Services, feed, prices, predictions, and what the gate says of the models that serve."""
        now_ns = time.time_ns()
        return SystemStatus(
            run_id=run_id,
            data_kind=data_kind,
            gate=gate,
            trading=core.trading,
            now=views.time_of(now_ns),
            services=[views.service(each, now_ns) for _, each in sorted(health.items())],
            symbols=[views.symbol_status(state) for state in core.symbols.values()],
            gates={symbol: model_views.champion_gate(state.models) for symbol, state in core.symbols.items()},
            drift={symbol: model_views.worst_drift(state.models) for symbol, state in core.symbols.items()},
        )

    @app.get(f"{PREFIX}/positions", tags=["state"], responses=PROBLEMS)
    async def positions(symbol: Symbol = None) -> list[a.PositionAnswer]:
        """The position of each symbol, flat ones too."""
        return [views.position(core, state) for state in chosen(symbol).values()]

    @app.get(f"{PREFIX}/orders", tags=["ledger"], responses=PROBLEMS)
    async def orders(symbol: Symbol = None, limit: Limit = 100, offset: Offset = 0) -> a.Orders:
        """Orders with their decision, its cause and their fills."""
        return views.orders(list(chosen(symbol).values()), limit, offset)

    @app.get(f"{PREFIX}/trades", tags=["ledger"], responses=PROBLEMS)
    async def trades(symbol: Symbol = None, limit: Limit = 100, offset: Offset = 0) -> a.Trades:
        """Round trips: when, what they earned, whether they won, and the rest."""
        return views.trades(list(chosen(symbol).values()), limit, offset)

    @app.get(f"{PREFIX}/pnl", tags=["ledger"])
    async def pnl() -> a.PnlTotals:
        """Profit and loss in total and by symbol, and what the venue says."""
        return figures.pnl(core)

    @app.get(f"{PREFIX}/stats", tags=["ledger"], responses=PROBLEMS)
    async def stats(symbol: Symbol = None) -> a.Stats:
        """Win rate, hits of the predictions, counts by kind and by reason."""
        return figures.stats(core, chosen(symbol))

    @app.get(f"{PREFIX}/models", tags=["state"], responses=PROBLEMS)
    async def models(symbol: Symbol = None) -> list[ModelsAnswer]:
        """How the version that serves, the shadows and the baselines do, the gate, and drift."""
        return [model_views.answer(name, state.models) for name, state in chosen(symbol).items()]

    @app.get(f"{PREFIX}/control", tags=["control"])
    async def controls(limit: Limit = 100) -> a.Controls:
        """What was ordered, by whom and why."""
        newest = [views.control(entry_id, entry) for entry_id, entry in reversed(core.controls)]
        return a.Controls(trading=core.trading, controls=newest[:limit])

    @app.post(
        f"{PREFIX}/control",
        tags=["control"],
        status_code=201,
        responses=PROBLEMS | {503: {"model": a.Problem, "description": "Redis does not answer"}},
    )
    async def order(command: a.Command) -> a.ControlEntry:
        """Halt, reduce only, flatten, resume, or promote a model. Who and why are required and kept."""
        newest_ms = None
        if command.symbol is not None:
            market_ns = chosen(command.symbol)[command.symbol].market_ns
            newest_ms = None if market_ns is None else market_ns // MS
        try:
            message = message_of(command, time.time_ns(), newest_ms)
            entry_id = await desk.write(message)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        except NotWritten as error:
            raise HTTPException(503, str(error)) from error
        return views.control(entry_id, message)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    _redirect(app, f"{PREFIX}/docs", "/docs")
    _redirect(app, "/", "/docs")
    return app


def _redirect(app: FastAPI, source: str, target: str) -> None:
    async def go() -> Response:
        return RedirectResponse(target)

    handler: Callable[..., Any] = go
    app.add_api_route(source, handler, include_in_schema=False)


async def _bad_parameter(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    parts = []
    for row in error.errors():
        place = ".".join(str(part) for part in row["loc"][1:]) or str(row["loc"][0])
        parts.append(f"{place}: {row['msg'][:1].lower()}{row['msg'][1:]}")
    return JSONResponse({"error": "; ".join(parts)}, status_code=422)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, StarletteHTTPException):
        raise error
    text = f"no {request.url.path} here; see /docs" if error.detail == "Not Found" else error.detail
    return JSONResponse({"error": text}, status_code=error.status_code, headers=error.headers)
