"""Texts to integers and back, without rounding."""

from __future__ import annotations

import doctest
from decimal import Decimal

import pytest

from shared import streams, units
from shared.errors import BadFrame
from shared.units import Parser, Scale, e9

BTC = Scale(100_000_000, 1_000_000)


@pytest.mark.parametrize("module", [units, streams])
def test_docstring_examples(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "-", ".5", "1e5", "0x1", "nan", "1.0000000001", "1,5", " 1", "--1"])
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(BadFrame):
        e9(text)


def test_prices_are_never_rounded_to_the_tick() -> None:
    assert BTC.ticks("61800.20") == 618002
    with pytest.raises(BadFrame, match=r"no multiple of the tick 0\.1"):
        BTC.ticks("61800.25")


def test_money_is_exact() -> None:
    assert BTC.money(618002, 3) == Decimal("185.4006")
    assert BTC.price_text(618002) == "61800.2"
    assert BTC.size_text(3) == "0.003"


def test_parser_remembers_without_growing_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "MEMO_LIMIT", 3)
    parser = Parser(BTC)
    for ticks in range(1, 20):
        assert parser.ticks(f"{ticks / 10:.1f}") == ticks
        assert len(parser._ticks) <= 3
    assert parser.levels([("1.9", "0.001"), ("2.0", "0.000")]) == [(19, 1), (20, 0)]
