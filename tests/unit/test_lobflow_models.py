"""The registry and its commands: what is put in stays as it is, and who let what serve is kept."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from model_data import START_NS, drawn, trained
from typer.testing import CliRunner

from lobflow import registry, serving_history
from lobflow.cli import app
from lobflow.serving_history import Change
from research.comparison import compared
from services.model.artifact import MANIFEST, SERVING, Registry
from services.model.manifest import Manifest, Tree, content_version
from shared.errors import BadInput, LobflowError
from shared.units import SECOND

S = "BTCUSDT"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three models of one symbol and one of another, where `lobflow train -o` would put them."""
    folder = tmp_path_factory.mktemp("sources")
    for seed in (1, 2, 3):
        trained(folder / f"{seed}", seed=seed)
    trained(folder / "eth", symbol="ETHUSDT")
    return [folder / name for name in ("1", "2", "3", "eth")]


@pytest.fixture
def root(sources: list[Path], tmp_path: Path) -> Path:
    """A registry of the first two."""
    folder = tmp_path / "models"
    for source in sources[:2]:
        registry.register(folder, source)
    return folder


def version(source: Path) -> str:
    return str(json.loads((source / MANIFEST).read_text())["version"])


def run(*arguments: str, root: Path) -> Any:
    """The JSON line of a command, or what it raised."""
    answer = CliRunner().invoke(app, ["model", *arguments, "--models", str(root), "--json"])
    if answer.exception is not None:
        if not isinstance(answer.exception, LobflowError):
            raise answer.exception
        return answer.exception
    return json.loads(answer.stdout.splitlines()[-1])


def test_a_version_is_put_in_once_and_cannot_be_written_to(root: Path, sources: list[Path]) -> None:
    place = root / version(sources[0])
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    assert len(before) == 2
    for path in before:
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert run("register", str(sources[0]), root=root)["folder"] == str(place)
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == before
    assert not [path for path in root.iterdir() if path.name.startswith(".registering")]
    # The first one served by being alone; a second beside it takes nothing from it.
    assert Registry(root).default(S) is not None
    assert (root / SERVING).read_text() == f"{S} {version(sources[0])}\n"


def test_what_is_damaged_is_not_registered_and_is_told_when_read(
    root: Path, sources: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    for path in sources[2].iterdir():
        (bad / path.name).write_bytes(path.read_bytes())
    (joblib,) = bad.glob("*.joblib")
    joblib.write_bytes(joblib.read_bytes() + b"x")
    assert "its sha256 is not the one" in str(run("register", str(bad), root=root))
    assert not (root / version(sources[2])).exists()
    broken = version(sources[1])
    manifest = root / broken / MANIFEST
    manifest.chmod(0o644)
    manifest.write_text(manifest.read_text().replace('"rows": 400', '"rows": 401'))
    listed = run("ls", root=root)["models"]
    assert [row.get("version") for row in listed] == [version(sources[0]), None]
    assert "does not hash to its version" in listed[1]["defect"]
    for command in (("show", broken), ("promote", broken, "--offline", "--why", "x")):
        assert f"model {broken} is damaged" in str(run(*command, root=root))


def test_list_and_show_say_what_a_model_is(root: Path, sources: list[Path]) -> None:
    registry.register(root, sources[3])
    listed = run("ls", root=root)
    assert listed["folder"] == str(root)
    rows = {row["version"]: row for row in listed["models"]}
    assert set(rows) == {version(source) for source in (*sources[:2], sources[3])}
    first = rows[version(sources[0])]
    assert (first["symbols"], first["serves"], first["is_current"]) == ([S], [S], True)
    assert first["data"][S]["rows"] == 400
    assert rows[version(sources[1])]["serves"] == []
    assert rows[version(sources[3])]["serves"] == ["ETHUSDT"]  # the only one of it
    assert [row["version"] for row in run("ls", "--symbol", "ethusdt", root=root)["models"]] == [
        version(sources[3])
    ]
    shown = run("show", version(sources[0])[:6], root=root)
    assert shown["version"] == version(sources[0])
    assert shown["scores"]
    assert {"numpy", "python"} <= set(shown["libraries"])
    text = CliRunner().invoke(app, ["model", "show", version(sources[0]), "--models", str(root)]).output
    assert "walking forward" in text


def test_promote_and_roll_back_without_a_system_name_what_serves_next(
    root: Path, sources: list[Path]
) -> None:
    one, two = version(sources[0]), version(sources[1])
    three = registry.register(root, sources[2])
    assert three.manifest is not None
    orders = [("promote", two), ("promote", three.manifest.version), ("rollback", S), ("rollback", S)]
    found = []
    for verb, what in orders:
        answer = run(verb, what, "--offline", "--who", "ann", "--why", "a drill", root=root)
        found.append((answer["previous"], answer["version"]))
        serving = Registry(root).default(S)
        assert serving is not None
        assert serving.version == answer["version"]
    last = three.manifest.version
    assert found == [(one, two), (two, last), (last, two), (two, one)]
    kept = serving_history.read(root)
    assert [(row.action, row.who) for row in kept] == [
        ("promote", "ann"),
        ("promote", "ann"),
        ("rollback", "ann"),
        ("rollback", "ann"),
    ]
    assert kept[2].why == f"rolled back from {last}: a drill"
    assert f"no version served {S} before" in str(run("rollback", S, "--offline", "--why", "x", root=root))
    again = run("promote", one, "--offline", "--why", "x", root=root)
    assert again["is_changed"] is False
    assert run("show", two, root=root)["history"][0]["why"] == "a drill"


def test_clear_errors(root: Path, sources: list[Path], tmp_path: Path) -> None:
    one = version(sources[0])
    assert f"no model of version zzzz; there are {', '.join(sorted(map(version, sources[:2])))}" in str(
        run("promote", "zzzz", "--offline", "--why", "x", root=root)
    )
    assert f"model {one} is of {S}, not of ETHUSDT" in str(
        run("promote", one, "--symbol", "ETHUSDT", "--offline", "--why", "x", root=root)
    )
    assert "Connection refused" in str(
        run("promote", version(sources[1]), "--why", "x", "--monitor", "http://127.0.0.1:1", root=root)
    )
    assert "no folder of models" in str(run("ls", root=tmp_path / "none"))
    assert "is a model itself" in str(run("promote", one, "--offline", "--why", "x", root=sources[0]))
    (root / serving_history.HISTORY).write_text("{}\n")
    assert "history.jsonl, line 1" in str(run("rollback", S, "--offline", "--why", "x", root=root))


def changed(manifest: Manifest, **changes: Any) -> Manifest:
    made = msgspec.structs.replace(manifest, **changes)
    return msgspec.structs.replace(made, version=content_version(made))


def test_what_may_not_serve(sources: list[Path]) -> None:
    manifest = registry.find(sources[0].parent, version(sources[0])).manifest
    assert manifest is not None
    assert registry.may_serve(manifest, S) == ""
    assert "today's are" in registry.may_serve(changed(manifest, schema="other"), S)
    empty = [msgspec.structs.replace(row, kind="", low=(), high=(), weights=()) for row in manifest.horizons]
    assert "no model for any horizon" in registry.may_serve(changed(manifest, horizons=tuple(empty)), S)
    leaf = Tree((-1,), (0.0,), (0,), (0,), (1.0,))
    trees = [
        msgspec.structs.replace(row, low=(), high=(), weights=(), trees=(leaf,)) for row in manifest.horizons
    ]
    assert "only be a shadow" in registry.may_serve(changed(manifest, horizons=tuple(trees)), S)


def change(action: str, version: str, at: int, previous: str = "", from_id: str = "") -> Change:
    return Change(at, action, S, version, previous, "ann", "x", from_id)


def test_the_stack_of_versions() -> None:
    rows = [
        change("promote", "b", 1, previous="a"),
        change("promote", "c", 2),
        change("rollback", "b", 3),
        change("promote", "a", 4),
        Change(5, "promote", "ETHUSDT", "e", "", "ann", "x", ""),
    ]
    assert serving_history.served(rows[:2], S) == ["a", "b", "c"]
    assert serving_history.served(rows[:3], S) == ["a", "b"]
    assert serving_history.served(rows, S) == ["a", "b", "a"]  # a promotion, even if back, is a step
    assert serving_history.served([], S) == []
    told = [change("promote", "b", 9, from_id="5-0"), change("promote", "z", 10, from_id="6-0")]
    kept = [change("promote", "b", 8, previous="a", from_id="5-0")]
    assert serving_history.served(serving_history.merged(kept, told), S) == ["a", "b", "z"]
    facts = {"symbol": S, "version": "a", "who": "x", "from_id": "1-0"}
    controls = [
        {"action": "promote", "at": {"ns": 2}, "why": "rolled back from b: y", **facts},
        {"action": "halt", "at": {"ns": 1}, "who": "x", "why": "y"},
    ]
    assert [(row.action, row.version) for row in serving_history.ordered(controls)] == [("rollback", "a")]


def test_versions_are_compared_on_rows_that_are_new_to_all(sources: list[Path]) -> None:
    manifests = []
    for source in sources[:2]:
        found = registry.find(source.parent, version(source)).manifest
        assert found is not None
        manifests.append(found)
    data = drawn(3000, seed=5, start_ns=START_NS + 200 * SECOND)  # half of their range is in it
    result = compared(manifests, data)
    one, two = (manifest.version for manifest in manifests)
    assert result.rows == 3000 - 200
    pairs = {(row.horizon_s, row.selection, row.name, row.against): row for row in result.pairs}
    scores = {(row.horizon_s, row.selection, row.name): row for row in result.scores}
    for (horizon_s, selection, name, against), row in pairs.items():
        mine, theirs = scores[horizon_s, selection, name], scores[horizon_s, selection, against]
        assert row.difference == pytest.approx(mine.hit_rate - theirs.hit_rate)
        assert row.low < row.difference < row.high
        assert row.is_reliable
    assert (5, "50 %", two, one) in pairs
    assert (5, "50 %", one, "imbalance 1") in pairs
    # The two agree on most rows: their difference is known better than either hit rate.
    mine = scores[5, "100 %", two]
    assert pairs[5, "100 %", two, one].error < (mine.high - mine.low) / 4.0
    plain = result.plain()
    assert {row["model"] for row in plain["rows"]} >= {one, two, "baseline:imbalance_1"}
    assert {row["coverage_asked"] for row in plain["rows"]} == {1.0, 0.5, 0.2}
    with pytest.raises(BadInput, match="no rows of the data are new"):
        compared(manifests, drawn(300, seed=5))
    with pytest.raises(BadInput, match="two versions at least"):
        compared(manifests[:1], data)
    with pytest.raises(BadInput, match="the data of ETHUSDT"):
        compared(manifests, drawn(300, symbol="ETHUSDT"))
