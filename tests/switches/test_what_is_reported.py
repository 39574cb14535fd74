"""What a gateway reports of devices on managed switches, from what was read back of them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.identity.model import Device, Identity
from bartizan.ids import DeviceId, Mac, SiteId
from bartizan.wire import codec, events
from bartizan.wire.up import DevicePosture
from bartizan_agent import app
from bartizan_agent.gateway import Gateway
from bartizan_agent.inventory import Known
from bartizan_agent.parts import Parts
from bartizan_agent.places import Places
from bartizan_agent.settings import ControllerSettings, SegmentSettings, Settings
from bartizan_agent.store import open_volatile
from bartizan_agent.switches.outcome import HeldPort, SwitchesEnforced
from tests.fakes.memory_firewall import MemoryFirewall
from tests.switches.conftest import settings

SETTINGS = Settings(
    SiteId("school"),
    ControllerSettings("broker.example", "https://controller.example"),
    (SegmentSettings("cam0"),),
    switches=(settings(),),
)
GATE, YARD = (
    Device(DeviceId(name), Identity(), "cam0", macs=(Mac(f"02:00:00:00:00:0{number}"),))
    for number, name in enumerate(("gate", "yard"))
)
HELD = SwitchesEnforced((HeldPort("sw1", "p0", GATE.id, "switch sw1 port p0 (vlan 666)"),))
SILENT = SwitchesEnforced(
    (HeldPort("sw1", "p0", GATE.id, "switch sw1 port p0 (vlan 666)", why_not="no answer"),),
    failures={"sw1": "no answer"},
)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """A gateway without a catalogue, which isolates the two strangers on its one segment."""
    with closing(open_volatile(app.SCHEMAS)) as connection:
        for device in (GATE, YARD):
            connection.execute("INSERT INTO roster VALUES (?, ?)", (device.id, codec.encode(Known(device))))
        yield app.build(SETTINGS, Places(tmp_path), app.Opened(connection), MemoryFirewall())


def test_who_shares_a_switch_becomes_enforceable_when_that_holds_one_of_them(parts: Parts) -> None:
    gateway = Gateway(parts)
    gateway.start(())
    before = posture(gateway)
    looked(parts, gateway, HELD)
    after = posture(gateway)

    assert {each.enforced for each in (*before.values(), *after.values())} == {Level.ISOLATE}
    assert [(each.enforceable, each.switch) for each in before.values()] == [(False, ""), (False, "")]
    assert "it shares a switch behind cam0 with yard" in before["gate"].not_enforceable_because
    assert after["gate"].switch == "switch sw1 port p0 (vlan 666)"
    assert [(each.enforceable, each.not_enforceable_because) for each in after.values()] == [(True, ""), (True, "")]


def test_a_silent_switch_is_told_once_and_holds_nobody(parts: Parts) -> None:
    gateway = Gateway(parts)
    gateway.start(())
    for enforced in (HELD, SILENT, SILENT, HELD, SILENT):
        looked(parts, gateway, enforced)

    found = posture(gateway)
    assert [(each.enforceable, each.switch) for each in found.values()] == [(False, ""), (False, "")]
    assert "switch sw1 port p0 (vlan 666): no answer" in found["gate"].not_enforceable_because
    head = parts.outbox.head()
    assert head is not None
    told = [each.detail for each in head.events if each.kind == events.SWITCH_FAILED]
    assert told == [{"switch": "sw1", "reason": "no answer"}] * 2


def looked(parts: Parts, gateway: Gateway, enforced: SwitchesEnforced) -> None:
    """Let this have been read back."""
    assert parts.switches is not None
    parts.switches.enforced = enforced
    gateway.looked_at_switches()


def posture(gateway: Gateway) -> dict[str, DevicePosture]:
    report = gateway.report()
    assert report is not None
    return {each.device: each for each in report.posture.devices}
