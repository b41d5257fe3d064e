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
    """Wallet, positions and the funding received since the run began, which was at `since_ns` of the venue's
    time; None where it begins now."""

    def __init__(self, since_ns: int | None = None, funding: Decimal | None = None) -> None:
        self.wallet = Decimal(0)
        self.funding = Decimal(0) if funding is None else funding
        self._since_ns = since_ns
        self.exchange_ns = 0
        self._loaded_ns = 0  # changes before it are in what was loaded
        self._positions: dict[str, PositionReport] = {}

    @property
    def since_ns(self) -> int:
        """When the run began, venue time; known once the account was loaded."""
        if self._since_ns is None:
            raise ValueError("the account was not loaded yet")
        return self._since_ns

    @property
    def loaded_ns(self) -> int:
        """The venue's time of the account that was loaded last."""
        return self._loaded_ns

    def count_funding(self, received: Decimal) -> None:
        """Set what was received since the run began, as the venue counts it."""
        self.funding = received

    def load(self, balances: Sequence[Mapping[str, Any]], risks: Sequence[Mapping[str, Any]]) -> None:
        """Take the answers of `balance` and `positionRisk`, which say when they last changed."""
        self.exchange_ns = self._loaded_ns = max(
            (int(row.get("updateTime") or 0) * MS for row in (*balances, *risks)), default=0
        )
        if self._since_ns is None:
            self._since_ns = self.exchange_ns
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
        """Fold the `a` of one ACCOUNT_UPDATE, which holds only what changed. One that was held back while the
        account was asked for, and is older than the answer, changes nothing."""
        if exchange_ns < self._loaded_ns:
            return
        self.exchange_ns = exchange_ns
        for row in change.get("B", ()):
            if row["a"] == ASSET:
                self.wallet = Decimal(row["wb"])
                if change.get("m") == "FUNDING_FEE" and exchange_ns > self._loaded_ns:
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
