"""A wrong setting is one line that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import BadSetting
from shared.settings import Settings, load, to_environment


@pytest.fixture(autouse=True)
def _no_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOBFLOW_NO_DOTENV", "1")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SYMBOLS", "BTCUSDT,BTCUSDT", "each once"),
        ("SYMBOLS", "", "at least one symbol"),
        ("SYMBOLS", "BTC USDT", "without spaces"),
        ("RUN_ID", "a:b", "letters, digits"),
        ("SIZE", "-1", "greater than 0"),
        ("VENUE_LATENCY_MS", "50", "greater than or equal to 100"),
        ("STRATEGY", "martingale", "threshold"),
        ("TRADE_REST_URL", "https://fapi.binance.com", "real money"),
        ("TRADE_PRIVATE_URL", "wss://fstream.binance.com/private", "real money"),
        ("TRADE_REST_URL", "https://FAPI.binance.com./", "real money"),
        ("TRADE_REST_URL", "https://fapi1.binance.com", "real money"),
        ("TRADE_VENUE", "production", "real money"),
        ("DATA_VENUE", "mainnet", "production"),
        ("SOCKET_STREAMS", "2000", "less than or equal to 1024"),
        ("PERIOD", "ten", "valid integer"),
        ("MAKER_TRUST", "1.5", "less than or equal to 1"),
        ("MAKER_TRUST", "much", "'auto'"),
    ],
)
def test_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(f"LOBFLOW_{name}", value)
    with pytest.raises(BadSetting) as caught:
        load()
    assert f"LOBFLOW_{name}" in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "value"), [("auto", "auto"), ("0.25", 0.25), ("0", 0.0)])
def test_trust_is_fitted_or_a_number(monkeypatch: pytest.MonkeyPatch, text: str, value: object) -> None:
    assert load().maker_trust == "auto"
    monkeypatch.setenv("LOBFLOW_MAKER_TRUST", text)
    assert load().maker_trust == value


def test_demo_trading_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOBFLOW_TRADE_REST_URL", "https://demo-fapi.binance.com")
    assert load().trade_rest_url == "https://demo-fapi.binance.com"


def test_data_and_trading_venue_are_chosen_separately(monkeypatch: pytest.MonkeyPatch) -> None:
    local = load()
    assert local.data_rest_url == local.trade_rest_url == "http://127.0.0.1:8080"
    monkeypatch.setenv("LOBFLOW_DATA_VENUE", "production")
    monkeypatch.setenv("LOBFLOW_TRADE_VENUE", "demo")
    chosen = load()
    assert chosen.data_public_url == "wss://fstream.binance.com/public"
    assert chosen.data_market_url == "wss://fstream.binance.com/market"
    assert chosen.trade_rest_url == "https://demo-fapi.binance.com"
    assert chosen.trade_private_url == "wss://demo-fstream.binance.com/private"
    assert chosen.config_hash() != local.config_hash()


def test_url_that_is_set_wins_over_the_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOBFLOW_DATA_VENUE", "demo")
    monkeypatch.setenv("LOBFLOW_DATA_PUBLIC_URL", "wss://fstream.binancefuture.com/public")
    chosen = load()
    assert chosen.data_public_url == "wss://fstream.binancefuture.com/public"
    assert chosen.data_market_url == "wss://demo-fstream.binance.com/market"
    monkeypatch.setenv("LOBFLOW_TRADE_VENUE", "local")
    monkeypatch.setenv("LOBFLOW_TRADE_REST_URL", "https://fapi.binance.com")
    with pytest.raises(BadSetting, match="real money"):
        load()


def test_lists_and_paths_survive_the_way_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[str, object] = {"symbols": ("BTCUSDT", "ETHUSDT"), "venue_files": (Path("a"), Path("b"))}
    for name, text in to_environment({**values, "threshold": None}).items():
        monkeypatch.setenv(name, text)
    settings = load()
    assert {name: getattr(settings, name) for name in values} == values
    assert settings.threshold is None


def test_secrets_do_not_show() -> None:
    settings = Settings(_env_file=None, api_secret="hidden")  # type: ignore[call-arg,arg-type]
    assert "hidden" not in repr(settings)
    assert settings.config_hash() == Settings(_env_file=None).config_hash()  # type: ignore[call-arg]


def test_secrets_come_from_files_and_variables_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "LOBFLOW_API_SECRET").write_text("from a file\n")
    (tmp_path / "LOBFLOW_API_KEY").write_text("from a file")
    monkeypatch.setenv("LOBFLOW_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("LOBFLOW_API_KEY", "from the environment")
    settings = load()
    assert settings.api_secret.get_secret_value() == "from a file"
    assert settings.api_key.get_secret_value() == "from the environment"


def test_a_missing_folder_of_secrets_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOBFLOW_SECRETS_DIR", str(tmp_path / "none"))
    with pytest.raises(BadSetting, match="LOBFLOW_SECRETS_DIR: there is no folder"):
        load()


def test_a_demonstration_is_for_play_money(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOBFLOW_MAKER_DEMONSTRATION", "true")
    for venue in ("local", "demo"):
        monkeypatch.setenv("LOBFLOW_TRADE_VENUE", venue)
        assert load().maker_demonstration
    monkeypatch.setenv("LOBFLOW_TRADE_VENUE", "production")
    with pytest.raises(BadSetting, match="real money"):
        load()
