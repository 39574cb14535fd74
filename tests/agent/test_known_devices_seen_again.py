"""A device that is there as it was gives a gateway nothing to do."""

import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from bartizan.identity.model import Device, Evidence, Fact, Identity, Kind, Observation, Source
from bartizan.ids import Address, DeviceId, Mac, SiteId
from bartizan.wire import codec
from bartizan_agent import app
from bartizan_agent.gateway import Gateway
from bartizan_agent.inventory import Known
from bartizan_agent.parts import Parts
from bartizan_agent.places import Places
from bartizan_agent.settings import ControllerSettings, Limits, SegmentSettings, Settings
from bartizan_agent.store import open_volatile
from tests.fakes.memory_firewall import MemoryFirewall

SETTINGS = Settings(
    SiteId("school"),
    ControllerSettings("broker.example", "https://controller.example"),
    (SegmentSettings("cam0"),),
    Limits(report_seconds=1e-9),
)
MAC, SLAAC, NEW = Mac("ac:cc:8e:00:00:01"), Address("fe80::1"), Address("fd00::1")
SEEN = Evidence(Fact.MAC, MAC, Source.NEIGHBOUR, 100, "neighbour table")
CAMERA = Device(
    DeviceId("serial:ACCC8E000001"),
    Identity(maker="axis", kind=Kind.CAMERA),
    "cam0",
    macs=(MAC,),
    addresses=(Address("10.9.0.11"), SLAAC),
)


def sighting(address: Address) -> tuple[Observation, ...]:
    return (Observation("cam0", (address,), MAC, (), (SEEN,)),)


def remember(connection: sqlite3.Connection, known: Known) -> None:
    connection.execute("INSERT OR REPLACE INTO roster VALUES (?, ?)", (known.device.id, codec.encode(known)))


def judge_at_first_sight(parts: Parts) -> Known:
    parts.roster.observe(sighting(SLAAC), parts.clock.now())
    (row,) = parts.connection.execute("SELECT known FROM roster").fetchall()
    return codec.decode(row[0], Known)


def test_only_what_is_new_of_a_device_is_something_to_enforce(tmp_path: Path) -> None:
    firewall = MemoryFirewall()
    with closing(open_volatile(app.SCHEMAS)) as connection:
        remember(connection, Known(CAMERA))
        parts = app.build(SETTINGS, Places(tmp_path), app.Opened(connection), firewall)
        judge_at_first_sight(parts)
        gateway = Gateway(parts)
        gateway.start(())

        gateway.observe(sighting(SLAAC))
        assert not gateway.changed.is_set()
        gateway.observe(sighting(NEW))
        assert gateway.changed.is_set()
        gateway.reconcile()

    assert [each.devices[0].addresses for each in firewall.history] == [
        ("10.9.0.11", SLAAC),
        ("10.9.0.11", SLAAC, NEW),
    ]


def test_being_there_still_is_reported_and_nothing_to_enforce(tmp_path: Path) -> None:
    with closing(open_volatile(app.SCHEMAS)) as connection:
        remember(connection, Known(CAMERA))
        parts = app.build(SETTINGS, Places(tmp_path), app.Opened(connection), MemoryFirewall())
        judged = judge_at_first_sight(parts)
        remember(connection, replace(judged, device=replace(judged.device, last_seen=1.0)))
        gateway = Gateway(app.build(SETTINGS, Places(tmp_path), app.Opened(connection), MemoryFirewall()))
        gateway.start(())
        gateway.observe(sighting(SLAAC))

        assert not gateway.changed.is_set()
        gateway.count()
        report = gateway.report()

    assert report is not None
    assert report.devices[0].last_seen > 1.0
