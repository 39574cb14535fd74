"""Listings of nft become evidence, levels and words; what this kernel cannot make is taken from nft's own format."""

from typing import Any

import msgspec

from bartizan.containment.elements import elements
from bartizan.containment.level import Level
from bartizan.containment.model import DropCounter
from bartizan.containment.words import Verdict
from bartizan.ids import Address, Mac
from bartizan_agent.nftables.comparison import bypasses, held_devices, incomplete
from bartizan_agent.nftables.evidence import drop_counters
from bartizan_agent.nftables.listing import Held, parse
from bartizan_agent.nftables.tool import Object
from tests.containment.estate import estate

SITE = estate(2)


def test_flowtables_are_named_because_they_bypass_the_forward_hook() -> None:
    listing: list[Object] = [
        {"metainfo": {"version": "1.0.6"}},
        {"flowtable": {"family": "inet", "table": "office", "name": "fast", "dev": ["eth0", "cam0"]}},
        {"flowtable": {"family": "ip", "table": "old", "name": "single", "dev": "eth0"}},
        {"flowtable": {"family": "inet", "table": "office", "name": "unused"}},
    ]

    assert bypasses(listing) == (
        "flowtable 'fast' of table inet office offloads cam0, eth0: remove it, or open flows are not cut",
        "flowtable 'single' of table ip old offloads eth0: remove it, or open flows are not cut",
    )


def test_a_table_that_is_not_there_lacks_everything() -> None:
    assert "1 of chain 'judge', not 0" in incomplete(parse(()))


def test_a_device_is_reported_at_the_loosest_level_that_any_key_is_held_at() -> None:
    contents = elements(SITE)
    contents["held_receivers4"][("10.9.0.0",)] = Verdict("goto", "receiver_watch")
    contents["recognised4"][("cam1", "02:00:00:00:00:01", "10.9.0.1")] = Verdict("goto", "recognised_block_egress")

    levels = [device.level for device in held_devices(SITE, Held((), (), contents, {}))]

    assert levels == [Level.WATCH, Level.BLOCK_EGRESS]


def test_a_device_with_a_key_that_nothing_holds_is_not_held() -> None:
    contents = elements(SITE)
    contents["held_senders6"][("fd00:9::1",)] = Verdict("accept")
    del contents["held_macs"][("02:00:00:00:00:01",)]

    assert held_devices(SITE, Held((), (), contents, {})) == ()


def test_shared_keys_are_reported_at_the_tighter_level() -> None:
    twin = msgspec.structs.replace(SITE.devices[1], addresses=SITE.devices[0].addresses, level=Level.QUARANTINE)
    site = msgspec.structs.replace(SITE, devices=(SITE.devices[0], twin))

    held = held_devices(site, Held((), (), elements(site), {}))

    assert [device.level for device in held] == [Level.ISOLATE, Level.QUARANTINE]


def test_evidence_names_protocols_as_people_do() -> None:
    listing: list[dict[str, Any]] = [
        {
            "set": {
                "name": "tried_portless4",
                "elem": [
                    {"elem": {"val": {"concat": ["8.8.8.8", "02:00:00:00:00:01", 1]}, "counter": _counter(2)}},
                    {"elem": {"val": {"concat": ["8.8.8.8", "02:00:00:00:00:01", 47]}, "counter": _counter(3)}},
                ],
            }
        },
        {
            "set": {
                "name": "tried6",
                "elem": [
                    {"elem": {"val": {"concat": ["2001:db8::1", "02:00:00:00:00:01", 17, 53]}, "counter": _counter(5)}}
                ],
            }
        },
    ]

    assert drop_counters(parse(listing).evidence) == (
        DropCounter(Mac("02:00:00:00:00:01"), Address("2001:db8::1"), "udp", 53, 5, 500),
        DropCounter(Mac("02:00:00:00:00:01"), Address("8.8.8.8"), "47", 0, 3, 300),
        DropCounter(Mac("02:00:00:00:00:01"), Address("8.8.8.8"), "icmp", 0, 2, 200),
    )


def _counter(packets: int) -> dict[str, int]:
    return {"packets": packets, "bytes": packets * 100}
