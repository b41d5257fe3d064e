"""The page of a report: whole in itself, escaped, the same for the same data."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from research.report.flow_moves import grouped, step_of
from research.report.page import Page, Section
from research.report.picture import Picture, canvas, elapsed, png
from research.report.table import Column, Table, columns


class Addresses(HTMLParser):
    """Every address that a browser would follow by itself, and every script."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        if tag != "a":
            self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]


def picture(values: list[float]) -> Picture:
    figure, axes = canvas("x, s", "y, USDT")
    axes.plot(values)
    return Picture(
        "line", "A line", png(figure), "", Table("line", "A line", columns("y"), [(v,) for v in values])
    )


def page() -> Page:
    table = Table(
        "shares",
        "Shares & <more>",
        columns("name", "share|.1%", "is"),
        [("<script>alert(1)</script>", 0.125, True), ("b", float("nan"), False), ("c", None, None)],
        "a note",
    )
    return Page(
        "A title", ["first line"], ["beware"], [Section("one", "One", ("words", table, picture([1.0, 2.0])))]
    )


def test_the_page_asks_nobody_for_anything() -> None:
    html = page().html()
    addresses = Addresses()
    addresses.feed(html)
    assert addresses.scripts == 0
    assert addresses.found
    assert all(address.startswith("data:") for address in addresses.found)
    assert not re.search(r"url\(|@import|https?://", html)


def test_texts_are_escaped_and_figures_shown_as_asked() -> None:
    html = page().html()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "12.5%" in html
    assert "nan" not in html.lower().replace("tabular-nums", "")
    assert html.index("first line") < html.index("beware") < html.index("Shares")


def test_a_csv_has_every_row_and_every_digit() -> None:
    table = Table("t", "T", columns("x|.1f", "y"), [(1 / 3, "a"), (float("nan"), "b")] * 50, shown=3)
    rows = list(csv.reader(io.StringIO(table.csv())))
    assert rows[0] == ["x", "y"]
    assert len(rows) == 101
    assert float(rows[1][0]) == 1 / 3
    assert rows[2][0] == ""
    shown = Page("t", [], [], [Section("s", "S", (table,))]).html()
    assert shown.count("<tr>") == 1 + 3
    assert "97 rows more in tables/t.csv" in shown


def test_a_picture_is_a_function_of_its_numbers() -> None:
    assert picture([1.0, 2.0]).png == picture([1.0, 2.0]).png
    assert picture([1.0, 2.0]).png != picture([1.0, 3.0]).png


def test_pictures_and_tables_are_found_on_the_page() -> None:
    assert [each.name for each in page().pictures] == ["line"]
    assert [each.name for each in page().tables] == ["shares", "line"]


def test_two_tables_of_one_name_are_refused() -> None:
    table = Table("t", "T", columns("x"), [(1,)])
    with pytest.raises(ValueError, match="two tables of one name"):
        Page("t", [], [], [Section("s", "S", (table, table))])


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5, "50.0%"), (None, ""), (float("inf"), ""), (True, "yes"), ("text", "text")]
)
def test_a_cell_says_what_is_known(value: float | str | None, shown: str) -> None:
    assert Column("share", ".1%").shown(value) == shown


@pytest.mark.parametrize(
    ("last", "unit"), [(60.0, "seconds"), (200.0, "minutes"), (20_000.0, "hours"), (1e6, "days")]
)
def test_time_is_shown_in_the_unit_that_fits(last: float, unit: str) -> None:
    times, label = elapsed(np.array([0.0, last]))
    assert label == f"{unit} since the beginning"
    assert 1.0 < times[-1] <= 180.0 or unit == "seconds"


def test_moves_are_taken_together_where_a_tick_is_fine() -> None:
    ticks = np.array([-25, -15, 3, 5, 12, 40, 0])
    lots = np.array([10, 20, 30, 50, 60, 70, 80])
    rows = grouped(ticks, lots, 10, 3)
    assert [(row.ticks, row.times, row.mean_lots) for row in rows] == [
        (-25.5, 1, 10.0), (-15.5, 1, 20.0), (5.5, 2, 40.0), (15.5, 1, 60.0),
    ]  # fmt: skip
    single = grouped(ticks, lots, 1, 5)
    assert [(row.ticks, row.times) for row in single] == [(3.0, 1), (5.0, 1)]
    assert step_of(np.zeros(3, np.int64), 15) == 1
