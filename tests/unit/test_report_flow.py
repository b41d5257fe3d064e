"""The article's figures and tables, drawn of a tape whose laws are known."""

from __future__ import annotations

import numpy as np
import pytest
from report_data import write_tape

from research.flow.report import FlowReport, report
from research.report import flow, seeds
from research.report.page import Section
from research.report.picture import Picture
from research.report.table import Table
from services.features.flow.probe import Setup
from services.trader.quoting import Costs

pytestmark = pytest.mark.slow

FIGURES = (
    "flow-1s", "flow-30s", "flow-2s", "flow-shock-size", "flow-changes", "flow-change-volume", "flow-impact",
    "flow-gain",
)  # fmt: skip
TABLES = ("flow-orders", "flow-shocks", "flow-changes-2s", "flow-groups")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> FlowReport:
    path = tmp_path_factory.mktemp("tape") / "HOOKUSDT-aggTrades-2023-01-27.csv"
    write_tape(path, 700)
    return report([path], None, Setup(), Costs(0.0002, 0.0005), 0.01, lambda what: None)


@pytest.fixture(scope="module")
def section(found: FlowReport) -> Section:
    return flow.section(found)


def part(section: Section, name: str) -> Picture | Table:
    return next(each for each in section.parts if not isinstance(each, str) and each.name == name)


def test_each_figure_and_each_table_of_the_article_is_there_in_its_order(section: Section) -> None:
    pictures = [each.name for each in section.parts if isinstance(each, Picture)]
    assert [name for name in pictures if name in FIGURES] == list(FIGURES)
    tables = [each.name for each in section.parts if isinstance(each, Table)]
    assert [name for name in tables if name in TABLES] == list(TABLES)
    titles = [each.title for each in section.parts if not isinstance(each, str)]
    assert [title for title in titles if title.startswith("Figure")] == sorted(
        title for title in titles if title.startswith("Figure")
    )


def test_figures_show_what_was_seen(section: Section, found: FlowReport) -> None:
    picture = part(section, "flow-1s")
    assert isinstance(picture, Picture)
    buys = [row for row in picture.behind.rows if row[0] == "buy"]
    volumes = np.array([row[1] for row in buys], dtype=float)
    seen = np.array([row[2] for row in buys], dtype=float)
    article = np.array([row[3] for row in buys], dtype=float)
    tape = next(iter(found.source.tapes.values()))
    chosen = tape.sides > 0
    sums = (
        np.bincount((tape.times_ms[chosen] // 1000) % 10_000_000, tape.sizes_lots[chosen]) * found.units.lot
    )
    sums = sums[sums > 0]
    assert seen == pytest.approx([(sums > volume + 1e-9).mean() for volume in volumes], abs=0.002)
    mean = sums.mean()
    alpha = np.log((sums > mean).mean()) / np.log(2.05)
    assert article == pytest.approx((1 + (1 + 20.0 ** (-volumes / mean)) * volumes / mean) ** alpha)


def test_the_gain_is_largest_where_the_optimum_is(section: Section, found: FlowReport) -> None:
    picture, table = part(section, "flow-gain"), part(section, "flow-optimum")
    assert isinstance(picture, Picture)
    assert isinstance(table, Table)
    assert table.rows[0][0] == "the article"
    assert table.rows[0][10] == seeds.OPTIMUM_QUANTITY
    told = next(row for row in table.rows if row[:4] == ("aggTrades", "buy", "code", "article"))
    assert told[9] == "optimum"
    rows = [row for row in picture.behind.rows if row[0] == "buy"]
    best = max(rows, key=lambda row: float(row[3] or 0.0))
    step = float(rows[1][1] or 0.0)
    assert abs(float(best[1] or 0.0) - float(told[10] or 0.0)) <= step


def test_tables_stand_beside_the_articles_numbers(section: Section) -> None:
    shocks = part(section, "flow-shocks")
    assert isinstance(shocks, Table)
    assert [row[1] for row in shocks.rows[:4]] == [0.769965, 0.165527, 0.037826, 0.012546]
    assert sum(float(row[2] or 0.0) for row in shocks.rows) == pytest.approx(1.0, abs=0.05)
    changes = part(section, "flow-changes-2s")
    assert isinstance(changes, Table)
    assert next(row for row in changes.rows if row[0] == -1)[1] == 3665
    groups = part(section, "flow-groups")
    assert isinstance(groups, Table)
    assert [row[5] for row in groups.rows] == list(seeds.GROUP_CHANGES)


def test_without_books_nothing_is_said_of_net_value(section: Section) -> None:
    assert any(isinstance(each, str) and "no books" in each for each in section.parts)
