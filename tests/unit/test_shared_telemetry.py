"""What a scrape sees: every name once, with its labels."""

from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from shared.telemetry import Telemetry


def test_plain_and_labeled_counters_and_gauges_are_scraped() -> None:
    telemetry = Telemetry("collector")
    telemetry.counters["frames"] += 3
    telemetry.labeled["feed_gap", "cause", "depth"] += 2
    telemetry.labeled["feed_gap", "cause", "aggTrade"] += 1
    telemetry.labeled["sockets_lost", "socket", "book"] += 1
    telemetry.gauges["clock_offset_seconds"] = -1.5
    families = list(text_string_to_metric_families(generate_latest(telemetry.registry).decode()))
    assert len({family.name for family in families}) == len(families)
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }
    service = ("service", "collector")
    assert samples["lobflow_frames_total", service] == 3
    assert samples["lobflow_feed_gap_total", ("cause", "depth"), service] == 2
    assert samples["lobflow_feed_gap_total", ("cause", "aggTrade"), service] == 1
    assert samples["lobflow_sockets_lost_total", service, ("socket", "book")] == 1
    assert samples["lobflow_clock_offset_seconds", service] == -1.5
