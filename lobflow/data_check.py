"""`lobflow data check`: are the recordings what they say they are."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.progress import Progress

from lobflow.console import console as console_for
from lobflow.console import print_json
from lobflow.data_ls import DEFAULT_FOLDER, AsJson, Folder, Symbol
from services.recorder.audit import Pages, Problem, check_files
from services.recorder.inventory import rows_in, runs
from services.recorder.place import Place, place
from services.recorder.reader import files_of, labels
from shared.errors import BadInput


def check(
    folder: Folder = DEFAULT_FOLDER,
    symbol: Symbol = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Write ledgers that are missing or wrong from the files.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read every file: is it readable, does each id follow the last, does the ledger say what the files hold.

    Ends with 1 where something is wrong, and names the file and what it is. May run beside a recorder; with
    --repair it must not.
    """
    console = console_for(as_json)
    report: dict[str, Any] = {"folder": folder, "files": 0, "entries": 0, "repaired": 0, "behind": []}
    problems: list[Problem] = []
    with Progress(console=console, transient=True) as bar:
        for run in runs(place(folder)):
            for label in labels(run):
                if symbol is None or label.endswith(f"{{{symbol.upper()}}}"):
                    problems += _check(run, label, repair, report, bar)
    for problem in problems:
        console.print(f"{problem.file}: {problem.what}", soft_wrap=True, markup=False, highlight=False)
    for what in report["behind"]:
        console.print(
            f"{what}: the ledger lacks the last file; the recorder writes it at once, or at its start"
        )
    verdict = f"{len(problems)} problems" if problems else "all is well"
    console.print(f"{report['files']:,} files, {report['entries']:,} entries: {verdict}")
    if report["repaired"]:
        console.print(f"{report['repaired']} ledgers written")
    if as_json:
        print_json({**report, "problems": [problem._asdict() for problem in problems]})
    if problems:
        raise typer.Exit(1)


def _check(run: Place, label: str, repair: bool, report: dict[str, Any], bar: Progress) -> list[Problem]:
    pages = Pages(run, label.partition(":")[2].strip("{}")) if label.startswith("market:") else None
    files = files_of(run, label)
    task = bar.add_task(f"{run.name} {label}", total=sum(map(_rows, files)))

    def on_entry(entry_id: str, data: bytes) -> None:
        report["entries"] += 1
        if pages is not None:
            pages.add(entry_id, data)

    found = list(check_files(run, label, on_entry, lambda count: bar.advance(task, count)))
    report["files"] += len(files)
    if pages is not None and not found:  # what is not readable is missing in the fold too
        wrong = list(pages.problems())
        report["behind"] += [f"{label} {date}" for date in pages.behind]
        if repair and wrong:
            report["repaired"] += pages.repair()
            wrong = pages.remaining()
        found += wrong
    bar.remove_task(task)
    return found


def _rows(path: Place) -> int:
    try:
        return rows_in(path)
    except (BadInput, FileNotFoundError):
        return 0  # told when it is its turn
