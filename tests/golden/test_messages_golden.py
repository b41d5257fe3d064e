"""Every schema that was ever published decodes for ever: these bytes must not change.

A new schema gets a new sample; an old one is never edited.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared import messages as m
from shared.codec import decode, encode, pack_tiers, pack_values
from shared.streams import Stream

TIERS = pack_tiers([618002, 2909])
DEPTH = m.DepthFlow(2, 600, 300, 0.6, 0.5, 4.0, 0.5, 4.25, 60, 0.25, 0.125, 0.0625, 0.375)
SIDE = m.SideFlow(
    1, 900, 450.5, -2.5, 0.75, 3500.0, -2.25, 1.0, 17000.0, -2.0, 0.5, -6.0, "optimum", 5500.0, 12.0, 0.25,
    0.5, (DEPTH,), ((1, 0.0), (500, 0.25)),
)  # fmt: skip
POSITION = m.PositionReport("BTCUSDT", Decimal("0.01"), Decimal("61800.3"), Decimal("61800.2"), Decimal("0"))
TRUST = m.Trust(10, "v1", 590, 60, 0.5, 0.125, 0.5)
REQUEST = m.Request("place", "lf-1", 1, "MARKET", "", 0, 10, False, "enter", "")
# What was published before fields were added, and what it is read as.
FORMER_DEPTH = m.DepthFlow(2, 600, 300, 0.6, 0.5, 4.0, 0.5, 4.25, 60, 0.25, 0.125, 0.0625)
FORMER_SIDE = m.SideFlow(
    1, 900, 450.5, -2.5, 0.75, 3500.0, -2.25, 1.0, 17000.0, -2.0, 0.5, -6.0, "optimum", 5500.0, 12.0, 0.25,
    0.5, (FORMER_DEPTH,),
)  # fmt: skip
FORMER = {
    "Flow without trusts, cancels by depth, spread and slippages": (
        "9aa4466c6f77ce000927c00bce05f5e100ce000f424064cd1388cd138891dc001201cd0384cb407c2800"
        "00000000cbc004000000000000cb3fe8000000000000cb40ab580000000000cbc002000000000000cb3f"
        "f0000000000000cb40d09a0000000000cbc000000000000000cb3fe0000000000000cbc0180000000000"
        "00a76f7074696d756dcb40b57c0000000000cb4028000000000000cb3fd0000000000000cb3fe0000000"
        "000000919c02cd0258cd012ccb3fe3333333333333cb3fe0000000000000cb4010000000000000cb3fe0"
        "000000000000cb40110000000000003ccb3fd0000000000000cb3fc0000000000000cb3fb00000000000"
        "00a0",
        m.Flow(600_000, 11, 100_000_000, 1_000_000, 100, 5000, 5000, (FORMER_SIDE,), ""),
    ),
}
# The bytes of `examples()`, by kind.
SAMPLES = {
    "Lob": (
        "9aa34c6f6201000a0b0cce05f5e100ce000f4240c410126e0900000000005d0b000000000000c410126e"
        "0900000000005d0b000000000000"
    ),
    "AggTrade": ("9da8416767547261646503000a0b071416ce00096e120fffce05f5e100ce000f4240"),
    "MarkPrice": ("99a94d61726b507269636504000a0bcf00003834faf7d200cf00003834f501f100d2fffe796063"),
    "FeedStatus": ("97aa466565645374617475730501000ba3676170b564657074683a207075203920616674657220752037"),
    "Heartbeat": ("95a94865617274626561740200000d"),
    "FeatureVector": (
        "98ad46656174757265566563746f720ba361626305ce00096e12ce00096e13ce05f5e100c41000000000"
        "0000e03f000000000000f0bf"
    ),
    "Flow": (
        "9ca4466c6f77ce000927c00bce05f5e100ce000f424064cd1388cd138891dc001301cd0384cb407c2800"
        "00000000cbc004000000000000cb3fe8000000000000cb40ab580000000000cbc002000000000000cb3f"
        "f0000000000000cb40d09a0000000000cbc000000000000000cb3fe0000000000000cbc0180000000000"
        "00a76f7074696d756dcb40b57c0000000000cb4028000000000000cb3fd0000000000000cb3fe0000000"
        "000000919d02cd0258cd012ccb3fe3333333333333cb3fe0000000000000cb4010000000000000cb3fe0"
        "000000000000cb40110000000000003ccb3fd0000000000000cb3fc0000000000000cb3fb00000000000"
        "00cb3fd8000000000000929201cb000000000000000092cd01f4cb3fd0000000000000a091970aa27631"
        "cd024e3ccb3fe0000000000000cb3fc0000000000000cb3fe0000000000000cb3ff4000000000000"
    ),
    "Prediction": (
        "9caa50726564696374696f6e0ba27631a36162630cce00096e12ce00096e13ce05f5e10092050a92cb3f"
        "e0000000000000cbbff800000000000092cb3ff0000000000000cb4000000000000000a0"
    ),
    "Shadows": (
        "98a7536861646f77730ba3616263ce00096e12ce00096e13ce05f5e1009195a27632910591cb3fe00000"
        "0000000091cb3ff0000000000000a09194a27631ab696d62616c616e63655f31cb3fc0000000000000cd"
        "0258"
    ),
    "Decision": (
        "9aa84465636973696f6e0baf70726564696374696f6e732f312d30a3312d30a3312d30a3302d30a3302d"
        "30ce05f5e100ce000f4240919aa5706c616365a46c662d3101a64d41524b4554a0000ac2a5656e746572"
        "a0"
    ),
    "OrderUpdate": (
        "9dab4f72646572557064617465a3312d300aa46c662d31a3312d304d01a86163636570746564a34e45570a00c2a0"
    ),
    "Fill": (
        "dc0010a446696c6ca3312d300aa46c662d31a3312d304d0501ce00096e130ace05f5e100ce000f4240aa"
        "302e3330393030313530a455534454c2a130"
    ),
    "Reconciled": ("97aa5265636f6e63696c6564a3312d300a0a00c3a0"),
    "Account": (
        "96a74163636f756e740aa6393939392e37a52d302e3035a1309195a742544355534454a4302e3031a736"
        "313830302e33a736313830302e32a130"
    ),
    "Halt": ("94a448616c7401a3616461a56472696c6c"),
    "ReduceOnly": ("94aa5265647563654f6e6c7901a3616461a56472696c6c"),
    "Flatten": ("94a7466c617474656e01a3616461a56472696c6c"),
    "Resume": ("94a6526573756d6501a3616461a4646f6e65"),
    "Promote": ("97a750726f6d6f746501a3616461a6626574746572a742544355534454a27632a3312d30"),
    "Gate": (
        "99a44761746501a76d6f6e69746f72b03132206f662032303020747261646573a742544355534454a276"
        "31ac756e64657465726d696e6564029194cd4e200ccbbff8000000000000cb4022000000000000"
    ),
    "Health": (
        "9ca64865616c746801a56d6f64656ca130a57265616479a081b066656174757265733a42544355534454"
        "a3312d30050981a768616e646c656403a130a26666"
    ),
}


def examples() -> list[m.Message]:
    """One message of each kind."""
    return [
        m.Lob(1, 0, 10, 11, 12, 100_000_000, 1_000_000, TIERS, TIERS),
        m.AggTrade(3, 0, 10, 11, 7, 20, 22, 618002, 15, -1, 100_000_000, 1_000_000),
        m.MarkPrice(4, 0, 10, 11, 61_800_200_000_000, 61_800_100_000_000, -100_000, 99),
        m.FeedStatus(5, 1, 0, 11, "gap", "depth: pu 9 after u 7"),
        m.Heartbeat(2, 0, 0, 13),
        m.FeatureVector(11, "abc", 5, 618002, 618003, 100_000_000, pack_values([0.5, -1.0])),
        m.Flow(600_000, 11, 100_000_000, 1_000_000, 100, 5000, 5000, (SIDE,), "", (TRUST,), 1.25),
        m.Prediction(11, "v1", "abc", 12, 618002, 618003, 100_000_000, (5, 10), (0.5, -1.5), (1.0, 2.0), ""),
        m.Shadows(
            11, "abc", 618002, 618003, 100_000_000,
            (m.Shadow("v2", (5,), (0.5,), (1.0,), ""),), (m.Drift("v1", "imbalance_1", 0.125, 600),),
        ),
        m.Decision(11, "predictions/1-0", "1-0", "1-0", "0-0", "0-0", 100_000_000, 1_000_000, (REQUEST,)),
        m.OrderUpdate("1-0", 10, "lf-1", "1-0", 77, 1, "accepted", "NEW", 10, 0, False, ""),
        m.Fill(
            "1-0", 10, "lf-1", "1-0", 77, 5, 1, 618003, 10, 100_000_000, 1_000_000,
            Decimal("0.30900150"), "USDT", False, Decimal("0"),
        ),
        m.Reconciled("1-0", 10, 10, 0, True, ""),
        m.Account(
            10, Decimal("9999.7"), Decimal("-0.05"), Decimal("0"),
            (POSITION,),
        ),
        m.Halt(1, "ada", "drill"),
        m.ReduceOnly(1, "ada", "drill"),
        m.Flatten(1, "ada", "drill"),
        m.Resume(1, "ada", "done"),
        m.Promote(1, "ada", "better", "BTCUSDT", "v2", "1-0"),
        m.Gate(
            1, "monitor", "12 of 200 trades", "BTCUSDT", "v1", "undetermined", 2,
            (m.TradedDay(20_000, 12, -1.5, 9.0),),
        ),
        m.Health(1, "model", "0", "ready", "", {"features:BTCUSDT": "1-0"}, 5, 9, {"handled": 3}, "0", "ff"),
    ]  # fmt: skip


@pytest.mark.parametrize("message", examples(), ids=lambda value: type(value).__name__)
def test_sample_decodes_and_encodes_to_the_same_bytes(message: m.Message) -> None:
    sample = bytes.fromhex(SAMPLES[type(message).__name__])
    assert decode(sample) == message
    assert encode(message) == sample


@pytest.mark.parametrize("name", FORMER)
def test_what_was_published_before_is_read_with_the_defaults(name: str) -> None:
    sample, message = FORMER[name]
    assert encode(decode(bytes.fromhex(sample))) == encode(message)  # NaN is no NaN's equal


def test_every_message_of_the_stream_table_has_a_sample() -> None:
    published = {kind.__name__ for stream in Stream for kind in stream.value.kinds} | {"Health"}
    assert set(SAMPLES) == published
