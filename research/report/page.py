"""The page: one HTML file that asks nobody for anything. Pictures lie in it as base64."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from research.report.picture import Picture
from research.report.table import Table

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto; max-width: 62rem;
  padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem;
  border-bottom: 2px solid #dde1e6; padding-bottom: .2rem; } h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
.lead { background: #f3f5f8; border-left: 4px solid #0072b2; padding: .7rem 1rem; margin: 0 0 1rem; }
.lead p { margin: .3rem 0; } .lead.warn { border-color: #d55e00; background: #fdf4ee; }
nav { font-size: .9rem; margin: 1rem 0; } nav a { margin-right: 1rem; color: #0072b2; }
figure { margin: .6rem 0 1.2rem; } img { max-width: 100%; height: auto; display: block; }
figcaption, .note { color: #555; font-size: .9rem; margin: .3rem 0; max-width: 48rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; margin: .3rem 0; }
th, td { padding: .18rem .6rem; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th { border-bottom: 1.5px solid #8a8f98; vertical-align: bottom; } td.text, th.text { text-align: left; }
td.long { white-space: normal; min-width: 11rem; max-width: 24rem; text-align: left; }
tbody tr:nth-child(even) { background: #f7f8fa; }
"""

LONG = 40  # characters, from which on a text is broken


@dataclass(frozen=True)
class Section:
    """One heading with what stands under it, in order: paragraphs are texts."""

    name: str
    title: str
    parts: Sequence[str | Table | Picture]


@dataclass(frozen=True)
class Page:
    """`lead` are the first lines; `warning` those that must not be missed."""

    title: str
    lead: Sequence[str]
    warning: Sequence[str] = ()
    sections: Sequence[Section] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        """Raises ValueError for two tables or two pictures of one name: one file would take the other's
        place."""
        for kind, names in (
            ("tables", [table.name for table in self.tables]),
            ("pictures", [picture.name for picture in self.pictures]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"two {kind} of one name among {', '.join(names)}")

    @property
    def tables(self) -> list[Table]:
        """Every table, and what lies behind every picture."""
        parts = [part for section in self.sections for part in section.parts]
        return [
            part.behind if isinstance(part, Picture) else part for part in parts if not isinstance(part, str)
        ]

    @property
    def pictures(self) -> list[Picture]:
        """Every picture."""
        return [part for section in self.sections for part in section.parts if isinstance(part, Picture)]

    def html(self) -> str:
        """The whole page."""
        links = "".join(f'<a href="#{row.name}">{escape(row.title)}</a>' for row in self.sections)
        body = "\n".join(_section(row) for row in self.sections)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>{escape(self.title)}</title><link rel="icon" href="data:,"><style>{STYLE}</style></head>'
            f"\n<body>\n<h1>{escape(self.title)}</h1>\n{_lead('lead', self.lead)}\n"
            f"{_lead('lead warn', self.warning)}\n<nav>{links}</nav>\n{body}\n</body></html>\n"
        )


def _lead(kind: str, lines: Sequence[str]) -> str:
    inner = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f'<div class="{kind}">{inner}</div>' if lines else ""


def _section(section: Section) -> str:
    parts = "\n".join(_part(part) for part in section.parts)
    return f'<section id="{section.name}"><h2>{escape(section.title)}</h2>\n{parts}\n</section>'


def _part(part: str | Table | Picture) -> str:
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Picture):
        data = b64encode(part.png).decode()
        return (
            f'<figure><h3>{escape(part.title)}</h3><img src="data:image/png;base64,{data}" '
            f'alt="{escape(part.title)}"><figcaption>{escape(part.note)} '
            f"Numbers: tables/{part.behind.name}.csv</figcaption></figure>"
        )
    return f'<p class="note">{escape(part)}</p>'


def _table(table: Table) -> str:
    is_text = [any(isinstance(row[at], str) for row in table.rows) for at in range(len(table.columns))]
    kinds = [' class="text"' if text else "" for text in is_text]
    cells = [' class="long"' if _is_long(table, at) else kind for at, kind in enumerate(kinds)]
    head = "".join(
        f"<th{kind}>{escape(column.name)}</th>" for kind, column in zip(kinds, table.columns, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{escape(column.shown(value))}</td>"
            for kind, column, value in zip(cells, table.columns, row, strict=True)
        )
        + "</tr>"
        for row in table.rows[: table.shown]
    )
    hidden = len(table.rows) - table.shown
    more = f"{hidden:,} rows more in tables/{table.name}.csv. " if hidden > 0 else ""
    empty = "" if table.rows else "None. "
    note = f'<p class="note">{escape(empty + more + table.note)}</p>' if empty or more or table.note else ""
    return (
        f'<h3>{escape(table.title)}</h3><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{note}"
    )


def _is_long(table: Table, at: int) -> bool:
    return any(isinstance(row[at], str) and len(str(row[at])) > LONG for row in table.rows[: table.shown])
