"""The account as the venue gives it: whole at the start, then change by change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from shared.messages import Account, PositionReport
from shared.units import MS

ASSET = "USDT"
PLACES = Decimal("0.00000001")


class AccountBook:
    """Wallet, positions and the funding received since `funding` began."""

    def __init__(self, funding: Decimal = Decimal(0)) -> None:
        self.wallet = Decimal(0)
        self.funding = funding
        self.exchange_ns = 0
        self._positions: dict[str, PositionReport] = {}

    def load(self, balances: Sequence[Mapping[str, Any]], risks: Sequence[Mapping[str, Any]]) -> None:
        """Take the answers of `balance` and `positionRisk`, which say when they last changed."""
        self.exchange_ns = max(
            (int(row.get("updateTime") or 0) * MS for row in (*balances, *risks)), default=0
        )
        for row in balances:
            if row["asset"] == ASSET:
                self.wallet = Decimal(row["balance"])
        self._positions = {}
        for row in risks:
            report = PositionReport(
                symbol=row["symbol"],
                size=Decimal(row["positionAmt"]),
                entry_price=Decimal(row["entryPrice"]),
                mark_price=Decimal(row["markPrice"]),
                unrealized=Decimal(row["unRealizedProfit"]),
            )
            self._positions[report.symbol] = report

    def apply(self, change: Mapping[str, Any], exchange_ns: int) -> None:
        """Fold the `a` of one ACCOUNT_UPDATE, which holds only what changed."""
        self.exchange_ns = exchange_ns
        for row in change.get("B", ()):
            if row["a"] == ASSET:
                self.wallet = Decimal(row["wb"])
                if change.get("m") == "FUNDING_FEE":
                    self.funding += Decimal(row["bc"])
        for row in change.get("P", ()):
            if row.get("ps", "BOTH") != "BOTH":
                continue
            size, entry, unrealized = Decimal(row["pa"]), Decimal(row["ep"]), Decimal(row["up"])
            # The event has no mark price; it follows from the unrealized profit.
            mark = (entry + unrealized / size).quantize(PLACES) if size else Decimal(0)
            self._positions[row["s"]] = PositionReport(row["s"], size, entry, mark, unrealized)

    def message(self) -> Account:
        """The account now."""
        positions = tuple(self._positions[symbol] for symbol in sorted(self._positions))
        unrealized = sum((report.unrealized for report in positions), Decimal(0))
        return Account(self.exchange_ns, self.wallet, unrealized, self.funding, positions)
