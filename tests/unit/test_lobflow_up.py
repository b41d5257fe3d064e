"""Parts of `lobflow up` that need no process: waits before restarts, logs, the state's locks, the view."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lobflow.backoff import HEALTHY_SECONDS, WAITS_SECONDS, Backoff
from lobflow.processes import Child
from lobflow.service_logs import FILES, ServiceLogs, readable
from lobflow.state_folder import StateFolder
from lobflow.status_view import line, panel
from lobflow.system_status import ServiceRow, SystemStatus, row_of
from lobflow.up import Options, settings_of
from lobflow.venues import demo, replay, synthetic
from shared.errors import BadInput, BadSetting
from shared.settings import Settings, load

# --- restarts -----------------------------------------------------------------------------------------------


def test_waits_grow_to_the_longest_while_a_process_keeps_failing() -> None:
    backoff = Backoff()
    waits = [backoff.after(0.3) for _ in range(len(WAITS_SECONDS) + 2)]
    assert waits == [*WAITS_SECONDS, WAITS_SECONDS[-1], WAITS_SECONDS[-1]]


def test_a_healthy_minute_begins_the_waits_anew() -> None:
    backoff = Backoff()
    for _ in range(4):
        backoff.after(HEALTHY_SECONDS - 1)
    assert backoff.after(HEALTHY_SECONDS) == WAITS_SECONDS[0]
    assert backoff.after(1.0) == WAITS_SECONDS[1]


# --- logs ---------------------------------------------------------------------------------------------------


def test_logs_are_shown_by_name_and_kept_as_they_came(tmp_path: Path) -> None:
    shown: list[tuple[str, str, str]] = []
    logs = ServiceLogs(tmp_path, lambda *what: shown.append(what))
    raw = json.dumps({"time": "t", "level": "warning", "service": "model", "text": "parked", "bytes": 7})
    logs.line("model", raw.encode() + b"\n")
    logs.line("venue", b"Traceback: \xff\n")
    logs.close()
    assert shown == [("model", "parked  bytes=7", "warning"), ("venue", "Traceback: \ufffd", "")]
    assert (tmp_path / "model.log").read_text() == raw + "\n"


def test_logs_of_a_service_never_take_more_than_their_share_of_the_disk(tmp_path: Path) -> None:
    logs = ServiceLogs(tmp_path, lambda *what: None, file_bytes=1000)
    for number in range(2000):
        logs.line("model", f"{number:09d}\n".encode())
    logs.close()
    kept = sorted(tmp_path.glob("model.log*"))
    assert len(kept) == FILES + 1
    assert sum(path.stat().st_size for path in kept) <= 1000 * (FILES + 1)
    assert (tmp_path / "model.log").read_text().endswith("000001999\n")


@pytest.mark.parametrize("text", ["plain words", '{"half":', '["a list"]', '{"no": "text"}'])
def test_a_line_that_is_no_log_record_is_shown_as_it_is(text: str) -> None:
    assert readable(text) == (text, "")


# --- the state folder ---------------------------------------------------------------------------------------


def test_one_system_holds_a_state_and_says_who_it_is(tmp_path: Path) -> None:
    first, second = StateFolder(tmp_path / "var"), StateFolder(tmp_path / "var")
    assert first.is_quiet()
    first.take({"port": 8123})
    with pytest.raises(BadSetting, match=r"a system runs here already, process \d+, REST at port 8123"):
        second.take({"port": 8124})
    holder = second.holder()
    assert holder is not None
    assert holder["port"] == 8123
    assert not second.is_quiet()
    first.release()
    assert second.is_quiet()
    second.take({"port": 8124})  # what the first wrote down is stale, its lock is gone
    second.release()


def test_a_state_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSetting, match=r"--state .*/file/var"):
        StateFolder(tmp_path / "file" / "var").take({})


# --- venues -------------------------------------------------------------------------------------------------


def test_replay_needs_a_file_that_exists(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="FILE="):
        replay(())
    with pytest.raises(BadInput, match=r"none\.gz: no such recording"):
        replay((tmp_path / "none.gz",))


def test_demo_names_the_keys_that_are_missing_and_sets_the_urls() -> None:
    with pytest.raises(BadSetting, match="LOBFLOW_API_KEY and LOBFLOW_API_SECRET"):
        demo(("BTCUSDT",), settings())
    with pytest.raises(BadSetting, match=r"needs LOBFLOW_API_SECRET in \.env"):
        demo(("BTCUSDT",), settings(api_key="k", api_secret=""))
    found = demo(("BTCUSDT",), settings(api_key="k", api_secret="s"))
    assert found.settings["trade_rest_url"] == "https://demo-fapi.binance.com"
    assert not found.is_local
    assert found.run_id != synthetic(("BTCUSDT",), 1, Path("venue")).run_id


def test_demo_leaves_a_url_that_the_user_chose() -> None:
    own = settings(api_key="k", api_secret="s", data_rest_url="https://fapi.binance.com")
    assert "data_rest_url" not in demo(("BTCUSDT",), own).settings


def test_a_symbol_without_a_synthetic_market_is_named() -> None:
    with pytest.raises(BadSetting, match="no synthetic market of DOGEUSDT, only of BTCUSDT"):
        synthetic(("BTCUSDT", "DOGEUSDT"), 1, Path("venue"))


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[call-arg,arg-type]


# --- the view -----------------------------------------------------------------------------------------------

ROWS = tuple(ServiceRow(name, "ready", "", 3.2, 0, 61.0) for name in ("collector", "model", "trader"))
ANSWERS: dict[str, Any] = {
    "status": {
        "symbols": [
            {
                "symbol": "BTCUSDT",
                "feed": "live",
                "mid": "61702.85",
                "prediction": {"moves": {"10": -1.5, "5": 0.25, "15": 2.0}, "reason": ""},
            }
        ]
    },
    "pnl": {"total": {"gross": "-0.088", "fees": "0.61698", "net": "-0.70498"}},
    "stats": {"results": {"round_trips": 4, "win_rate": 0.25}},
    "positions": [{"symbol": "BTCUSDT", "size": "-0.01"}],
}


def shown(seen: SystemStatus) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(panel(seen, "here"))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_a_line_and_the_panel_say_everything() -> None:
    seen = SystemStatus((*ROWS, ServiceRow("venue", "ready", restarts=2, rss_mb=99.6)), ANSWERS)
    text = line(seen)
    assert text == (
        "4 of 4 ready, 2 restarts | BTCUSDT 61702.85, predicted 5 s +0.25 10 s -1.50 15 s +2.00, "
        "position -0.01 | 4 trades, 25% won, gross -0.088, fees 0.61698, net -0.70498 USDT"
    )
    for part in (*text.split(" | ")[1:], "collector", "3 ms", "100 MB"):
        assert part in shown(seen)


def test_what_is_not_there_yet_is_said() -> None:
    rows = (ServiceRow("venue", "starting"), ServiceRow("trader", "degraded", "redis: connection lost"))
    text = line(SystemStatus(rows, is_preparing=True))
    assert "0 of 2 ready" in text
    assert "fitting a first model" in text
    assert "venue (starting), trader (degraded: redis: connection lost)" in text


def test_no_prediction_and_no_trade_are_said() -> None:
    symbol = {**ANSWERS["status"]["symbols"][0], "feed": "gap", "mid": None}
    symbol["prediction"] = {"moves": {}, "reason": "warming up"}
    answers = {**ANSWERS, "status": {"symbols": [symbol]}, "positions": []}
    answers["stats"] = {"results": {"round_trips": 0, "win_rate": None}}
    text = line(SystemStatus(ROWS, answers))
    assert "BTCUSDT no price yet, feed gap, no prediction (warming up), position 0" in text
    assert "0 trades, gross" in text


def test_ready_means_all_services_and_a_model() -> None:
    seen = SystemStatus(ROWS, ANSWERS)
    assert seen.is_ready
    assert not replace(seen, is_preparing=True).is_ready
    assert not replace(seen, services=(*ROWS, ServiceRow("venue", "starting"))).is_ready


def test_a_child_that_was_never_started_is_down() -> None:
    row = row_of(Child("model", "0", Path(), {}), {}, None)
    assert (row.name, row.state) == ("model", "down")


def test_what_the_environment_says_of_runs_and_recordings_is_not_mixed_in(tmp_path: Path) -> None:
    own = load(run_id="demo", venue_files=(tmp_path / "r.gz",), venue_speed=1.0, size="0.02")
    state = StateFolder(tmp_path / "var")
    options = Options(synthetic(("BTCUSDT",), 3, state.venue), state, 8001, own)
    values = settings_of(options, "redis://127.0.0.1:1/0")
    assert (values["run_id"], values["venue_files"], values["venue_speed"]) == ("live", (), 0.0)
    assert str(values["size"]) == "0.02"


def test_the_gate_says_why_unless_it_is_off() -> None:
    gates = {
        "BTCUSDT": {"version": "m1", "verdict": "undetermined", "why": "12 of at least 200 trades"},
        "ETHUSDT": None,
    }
    answers = {**ANSWERS, "status": {**ANSWERS["status"], "gate": "warn", "gates": gates}}
    text = "BTCUSDT: gate warn, edge of m1 undetermined: 12 of at least 200 trades"
    assert text in line(SystemStatus(ROWS, answers))
    assert text in shown(SystemStatus(ROWS, answers))
    off = {**answers, "status": {**answers["status"], "gate": "off"}}
    assert "gate" not in line(SystemStatus(ROWS, off))
