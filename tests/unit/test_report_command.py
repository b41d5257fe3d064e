"""`lobflow report` as a person calls it: what it refuses in one line, and what it writes of a small
archive."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from report_data import write_tape
from typer.testing import CliRunner

from lobflow.cli import app
from lobflow.report_source import has_books, kind_of, origin_of_trades
from research.flow.source import read
from services.recorder.archive import Archive
from services.recorder.core import Limits
from shared import codec
from shared.errors import BadInput, BadSetting
from shared.messages import AggTrade, Lob, Message
from shared.units import MS

START_MS = 1_723_161_255_000
BOOKS = 1200  # five a second


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four minutes of a symbol that wanders, with trades of both sides."""
    run = tmp_path_factory.mktemp("archive") / "live"
    draws = np.random.default_rng(3)
    bids = 600_000 + np.cumsum(draws.integers(-20, 21, BOOKS))
    with Archive(run, Limits()) as writer:
        label = "market:{BTCUSDT}"
        writer.resume(label)
        rows = []
        for at in range(BOOKS):
            recv_ms, bid = START_MS + 200 * at, int(bids[at])
            sizes = draws.integers(1, 5000, (2, 20)).tolist()
            tiers = [
                codec.pack_tiers([part for i in range(20) for part in (best + step * i, sizes[side][i])])
                for side, (best, step) in enumerate(((bid, -1), (bid + 1, 1)))
            ]
            book = Lob(2 * at, 1, recv_ms * MS, recv_ms * MS, at, 10**8, 10**6, *tiers)
            side = 1 if draws.random() < 0.5 else -1
            size = int(100 * draws.pareto(2.5)) + 1
            price = bid + 1 if side > 0 else bid
            trade = AggTrade(
                2 * at + 1, 1, recv_ms * MS, recv_ms * MS, at, at, at, price, size, side, 10**8, 10**6
            )
            rows += [entry(book, f"{recv_ms}-0"), entry(trade, f"{recv_ms}-1")]
        writer.add(label, rows, 0.0)
    return run


def entry(message: Message, entry_id: str) -> tuple[bytes, bytes]:
    return entry_id.encode(), codec.encode(message)


def report(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["report", *arguments])
    if isinstance(done.exception, (BadInput, BadSetting)):
        return 1, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout


@pytest.mark.slow
def test_a_recording_becomes_a_page_with_pictures_and_numbers(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    code, printed = report("--data", str(archive), "-o", str(out), "--json")
    assert code == 0
    told = json.loads(printed.splitlines()[-1])
    assert told["source"] == "synthetic"
    assert told["gaps"] == 0
    assert {row["name"] for row in told["rows"]} >= {"linear", "lasso", "auto", "imbalance 1", "majority"}
    assert len(told["simulated"]) in (3, 6)
    assert [row["fills"].split(",")[0] for row in told["simulated"]][1::3] == [
        "a limit order at the best price of its own side"
    ] * (len(told["simulated"]) // 3)
    assert told["flow"]["symbol"] == "BTCUSDT"
    html = (out / "report.html").read_text()
    first = html[html.index("<p>") : html.index("</p>")]
    assert "SYNTHETIC data" in first
    assert "4.0 minutes" in first
    assert html.index("Edge after costs") < html.index("The market")
    assert "A hit rate is not a profit" in html
    figures = {path.stem for path in (out / "figures").glob("*.png")}
    assert figures >= {
        "mid",
        "changes-1s",
        "tiers",
        "spread",
        "hit-rates-coverage",
        "prediction-outcome",
        "flow-1s",
    }
    tables = {path.stem for path in (out / "tables").glob("*.csv")}
    assert tables >= {"profile", "hit-rates", "hit-rates-slides", "simulated", "flow-laws", "last-book"}
    own = [row["trades"] for row in told["simulated"]][-2:]
    assert min(own) > 0  # in the queue and at the touch
    assert tables >= {"trades-own", "trades-own-queue", "pnl-own", "pnl-own-queue"}
    assert json.loads((out / "report.json").read_text())["sha256"] == told["sha256"]
    # Another one in the same place leaves nothing of the first.
    (out / "figures" / "old.png").write_bytes(b"")
    code, _ = report("--data", str(archive), "-o", str(out), "--source", "recorded")
    assert code == 0
    assert not (out / "figures" / "old.png").exists()
    assert "RECORDED data" in (out / "report.html").read_text()


@pytest.mark.slow
def test_a_model_is_judged_on_what_it_did_not_see(archive: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    arguments = ["train", "--data", str(archive), "--to-share", "0.5", "-o", str(model)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    code, printed = report("--data", str(archive), "--model", str(model), "-o", str(out), "--json")
    assert code == 0
    told = json.loads(printed.splitlines()[-1])
    version = json.loads((model / "manifest.json").read_text())["version"]
    html = (out / "report.html").read_text()
    assert f"Model {version}, fitted on" in html
    assert 0 < max(row["rows"] for row in told["rows"]) <= 120  # the second half, a row a second
    assert (out / "tables" / "permutation.csv").exists()
    assert (out / "tables" / "differences.csv").exists()
    code, said = report("--data", str(archive), "--model", str(model), "--period", "7", "-o", str(out))
    assert (code, said) == (1, "--period 7: the model predicts 5, 10, 15 s ahead")
    whole = tmp_path / "whole"
    assert CliRunner().invoke(app, ["train", "--data", str(archive), "-o", str(whole)]).exit_code == 0
    code, said = report("--data", str(archive), "--model", str(whole), "-o", str(out))
    assert code == 1
    assert "nothing is left to judge it by" in said


@pytest.mark.slow
def test_aggtrades_alone_give_the_part_about_flow(tmp_path: Path) -> None:
    tape = tmp_path / "HOOKUSDT-aggTrades-2023-01-27.csv"
    rows = write_tape(tape, 100)
    code, printed = report("--data", str(tape), "-o", str(tmp_path / "out"), "--json")
    assert code == 0
    told = json.loads(printed.splitlines()[-1])
    assert (told["source"], told["symbol"], told["gaps"], told["rows"]) == ("imported", "HOOKUSDT", 0, [])
    assert told["flow"]["rows"] == {"aggTrades": rows}
    html = (tmp_path / "out" / "report.html").read_text()
    assert "nothing can be said. These data hold trades and no book" in html
    assert "Hit rates" not in html


def test_what_a_report_cannot_be_made_of_is_refused(archive: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    nothing = tmp_path / "nothing"
    assert report("--data", str(nothing), "-o", out) == (1, f"{nothing}: no such file or folder")
    code, said = report("--data", str(archive.parent), "-o", out)
    assert (code, said) == (1, f"{archive.parent}: holds no recorded market data; name one of its runs: live")
    tape = tmp_path / "HOOKUSDT-aggTrades-2023-01-27.csv"
    write_tape(tape, 100)
    code, said = report("--data", str(archive), str(tape), "-o", out)
    assert said == "give files or recorder's folders, not both"
    code, said = report("--data", str(tape), "--source", "guessed", "-o", out)
    assert said.startswith("--source guessed: one of recorded, imported, synthetic")
    code, said = report("--data", str(tape), "--model", str(tmp_path), "-o", out)
    assert said.startswith("--model: there are no books in a table of trades")
    code, said = report("--data", str(tape), "-o", str(tape))
    assert said == f"{tape}: is no folder"


def test_a_tape_of_one_side_is_refused(tmp_path: Path) -> None:
    tape = tmp_path / "HOOKUSDT-aggTrades-2023-01-27.csv"
    write_tape(tape, 100)
    lines = tape.read_text().splitlines()
    tape.write_text("\n".join([lines[0], *(line for line in lines[1:] if line.endswith("true"))]) + "\n")
    code, said = report("--data", str(tape), "-o", str(tmp_path / "out"))
    assert code == 1
    assert "a one-sided tape" in said
    assert "\n" not in said


def test_lost_aggregates_are_counted(tmp_path: Path) -> None:
    tape = tmp_path / "HOOKUSDT-aggTrades-2023-01-27.csv"
    write_tape(tape, 100)
    lines = tape.read_text().splitlines()
    tape.write_text("\n".join([*lines[:50], *lines[60:90], *lines[91:]]) + "\n")
    origin = origin_of_trades([tape], read([tape]), None)
    assert origin.gaps == 2
    assert origin.entries == len(lines) - 12


def test_the_kind_of_data_is_seen_or_said(archive: Path, tmp_path: Path) -> None:
    assert has_books([archive])
    assert kind_of([archive], None)[0] == "synthetic"
    assert kind_of([archive], "recorded") == ("recorded", "")
    other = tmp_path / "replay-1"
    other.mkdir()
    assert kind_of([other], None) == ("recorded", "")
    (other / "imports.json").write_text(json.dumps([{"files": [{"file": "/x/a.csv.gz"}]}]))
    assert kind_of([other], None) == ("imported", "Imported from a.csv.gz.")
