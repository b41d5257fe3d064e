"""Where a report lies: the page, its pictures and its tables, in one folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from research.report.page import Page
from shared.errors import BadInput

FIGURES, TABLES = "figures", "tables"


def check_output(folder: Path) -> None:
    """Raises BadInput where a report cannot be written."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder}: is no folder")
    try:
        (folder / FIGURES).mkdir(parents=True, exist_ok=True)
        (folder / TABLES).mkdir(exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror}") from error


def write(folder: Path, page: Page, html_name: str, json_name: str, summary: dict[str, Any]) -> None:
    """Everything of `page`; what an earlier report left under these names is replaced, its other pictures and
    tables are removed."""
    check_output(folder)
    wanted = {folder / FIGURES / f"{picture.name}.png": picture.png for picture in page.pictures}
    wanted |= {folder / TABLES / f"{table.name}.csv": table.csv().encode() for table in page.tables}
    for old in (*(folder / FIGURES).glob("*.png"), *(folder / TABLES).glob("*.csv")):
        if old not in wanted:
            old.unlink()
    for path, data in wanted.items():
        path.write_bytes(data)
    (folder / json_name).write_text(json.dumps(summary, indent=1, default=str) + "\n")
    (folder / html_name).write_text(page.html())
