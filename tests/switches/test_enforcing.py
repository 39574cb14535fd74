"""Ports of a switch held and given back: what cameras reach then, and what an independent client reads of it."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, Ruleset, Segment
from bartizan.ids import Address, DeviceId, Mac
from bartizan.wire import events
from bartizan_agent.notes import Note
from bartizan_agent.switches.client import Session
from bartizan_agent.switches.enforcer import Switches
from bartizan_agent.switches.journal import Book, Journal
from bartizan_agent.switches.settings import From, SwitchSettings
from bartizan_lab.netns import bridge
from bartizan_lab.switch.state import Vlan
from tests.switches.conftest import GATEWAY_MAC, SECRET, SwitchedSite, settings

pytestmark = pytest.mark.netns

TRIES = 30
GATE, YARD, LOBBY = (DeviceId(name) for name in ("gate", "yard", "lobby"))


@dataclass
class Gateway:
    """One agent's enforcer, begun anew for every call as its process is."""

    site: SwitchedSite
    switches: tuple[SwitchSettings, ...] = (settings(),)
    notes: list[Note] = field(default_factory=list)
    now: float = 1000.0

    @property
    def enforcer(self) -> Switches:
        return Switches(
            self.switches,
            Book(self.site.folder / "switches.json"),
            opener=lambda each: Session(each, SECRET),
            own_macs=(GATEWAY_MAC,),
            now=lambda: self.now,
            tell=self.notes.append,
        )

    @property
    def journal(self) -> Journal:
        return Book(self.site.folder / "switches.json").journal

    def kinds(self) -> list[str]:
        return [note.kind for note in self.notes]


@pytest.fixture
async def gateway(site: SwitchedSite) -> Gateway:
    """Three cameras that reach one another, and a switch that answers."""
    for number, name in enumerate((GATE, YARD, LOBBY)):
        site.plug_in(name, number)
    return Gateway(site)


async def test_a_held_camera_reaches_no_neighbour_and_a_released_one_does_again(gateway: Gateway) -> None:
    site = gateway.site
    await site.start()
    site.speak()
    assert site.reaches(GATE, YARD)
    before = walked(site)

    enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE), (YARD, Level.WATCH)))

    assert enforced.held() == {GATE: "switch sw1 port p0 (vlan 666)"}
    assert enforced.shortfalls() == {}
    assert not site.reaches(GATE, YARD)
    assert not site.reaches(YARD, GATE)
    assert site.reaches(YARD, LOBBY)
    number = site.switch.state().ports["p0"]
    assert site.snmp("snmpget", f"1.3.6.1.2.1.17.7.1.4.5.1.1.{number}").endswith("Gauge32: 666\n")
    assert "Hex-STRING: D8 00" in site.snmp("snmpget", "1.3.6.1.2.1.17.7.1.4.3.1.2.1")  # ports 1, 2, 4, 5
    assert "Hex-STRING: 20 00" in site.snmp("snmpget", "1.3.6.1.2.1.17.7.1.4.3.1.4.666")

    await gateway.enforcer.apply(ruleset((GATE, Level.WATCH), (YARD, Level.WATCH)))

    assert site.reaches(GATE, YARD)
    assert walked(site) == before  # the VLAN that was made is gone too
    assert gateway.kinds() == [events.SWITCH_PORT_HELD, events.SWITCH_PORT_RESTORED]
    assert gateway.journal == Journal()


async def test_to_apply_again_sets_nothing(gateway: Gateway) -> None:
    await gateway.site.start()
    gateway.site.speak()
    wanted = ruleset((GATE, Level.ISOLATE))
    first = await gateway.enforcer.apply(wanted)
    journal, told = gateway.journal, list(gateway.notes)
    state = gateway.site.switch.file.stat().st_mtime_ns

    assert await gateway.enforcer.apply(wanted) == first
    assert await gateway.enforcer.read(wanted) == first
    assert (gateway.journal, gateway.notes) == (journal, told)
    assert gateway.site.switch.file.stat().st_mtime_ns == state


async def test_two_held_cameras_do_not_meet_in_their_isolation(gateway: Gateway) -> None:
    site = gateway.site
    await site.start()
    site.speak()

    enforced = await gateway.enforcer.apply(
        ruleset((GATE, Level.ISOLATE), (YARD, Level.ISOLATE), (LOBBY, Level.ISOLATE))
    )

    assert set(enforced.held()) == {GATE, YARD}
    assert enforced.shortfalls() == {
        LOBBY: "switch sw1 port p2: no isolation VLAN is free: give the switch more in vlans"
    }
    assert not site.reaches(GATE, YARD)


async def test_cameras_share_a_vlan_only_where_the_switch_keeps_them_apart(gateway: Gateway) -> None:
    gateway.switches = (settings(vlans=(666,), vlans_keep_ports_apart=True),)
    await gateway.site.start()
    gateway.site.speak()

    enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE), (YARD, Level.ISOLATE)))

    assert enforced.held() == {GATE: "switch sw1 port p0 (vlan 666)", YARD: "switch sw1 port p1 (vlan 666)"}


async def test_a_gateway_that_has_the_isolation_vlan_too_still_reaches_the_camera(gateway: Gateway) -> None:
    """As the guide has it: one bridge whose ports do not reach each other; an own cable in place of a tag."""
    site = gateway.site
    await site.start()
    state = site.switch.state()
    own = state.ports["iso0"]
    state.vlans[666], state.pvid[own] = Vlan({own}, {own}), 666
    state.vlans[1].egress.discard(own)
    state.vlans[1].untagged.discard(own)
    site.switch.change(state)
    site.gateway.ip("address flush dev cam0")
    bridge(site.gateway, "br-cam", "cam0", "cam1")
    for port in ("cam0", "cam1"):
        site.gateway.run("bridge", "link", "set", "dev", port, "isolated", "on")
    site.gateway.ip("address add 10.9.0.1/24 dev br-cam")
    site.speak()

    enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE), (YARD, Level.WATCH)))

    assert enforced.held() == {GATE: "switch sw1 port p0 (vlan 666)"}
    assert site.reaches(GATE, "10.9.0.1")
    assert site.reaches(YARD, "10.9.0.1")
    assert not site.reaches(GATE, YARD)
    assert not site.reaches(YARD, GATE)
    await gateway.enforcer.remove_all()
    assert site.switch.state() == state


async def test_a_strange_port_in_the_isolation_vlan_is_found_and_told(gateway: Gateway) -> None:
    gateway.switches = (settings(vlans=(666,)),)
    site = gateway.site
    await site.start()
    site.speak()
    await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))
    state = site.switch.state()
    for members in (state.vlans[666].egress, state.vlans[666].untagged):
        members.add(state.ports["p2"])
    site.switch.change(state)

    enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))

    assert enforced.held() == {}
    assert enforced.shortfalls() == {GATE: "switch sw1 port p0 (vlan 666): other ports are in its VLAN: sw1 port p2"}


async def test_a_port_is_shut_down_at_the_level_that_says_so_and_let_up_again(gateway: Gateway) -> None:
    gateway.switches = (settings(shutdown_from=From.QUARANTINE),)
    site = gateway.site
    await site.start()
    site.speak()

    shut = await gateway.enforcer.apply(ruleset((GATE, Level.QUARANTINE)))
    assert shut.held() == {GATE: "switch sw1 port p0 (shut down)"}
    assert "state DOWN" in site.switch.namespace.run("ip", "link", "show", "p0")
    assert not site.reaches(GATE, "10.9.0.1")

    moved = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))
    assert moved.held() == {GATE: "switch sw1 port p0 (vlan 666)"}
    assert not site.reaches(GATE, YARD)

    both = await gateway.enforcer.apply(ruleset((GATE, Level.QUARANTINE)))
    assert both.held() == {GATE: "switch sw1 port p0 (vlan 666, shut down)"}

    await gateway.enforcer.remove_all()
    assert site.reaches(GATE, YARD)
    assert gateway.journal == Journal()


async def test_an_unmanaged_switch_behind_a_port_is_left_alone_and_named(gateway: Gateway) -> None:
    site = gateway.site
    await site.start()
    site.speak()
    site.cameras[GATE].ip("link add second link eth0 type macvlan", "link set second address 02:00:00:00:02:00 up")
    site.cameras[GATE].ip("address add 10.9.0.77/24 dev second")
    site.cameras[GATE].run("ping", "-c1", "-W1", "-I", "second", "10.9.0.1")

    enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))

    assert enforced.shortfalls() == {GATE: "switch sw1 port p0: it is shared with 02:00:00:00:02:00"}
    assert gateway.journal == Journal()
    assert site.reaches(GATE, YARD)


async def test_a_held_camera_that_sends_under_other_addresses_stays_held(gateway: Gateway) -> None:
    site = gateway.site
    await site.start()
    site.speak()
    await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE), (YARD, Level.WATCH)))
    site.cameras[GATE].ip("link set eth0 address 02:00:00:00:09:09", "link set eth0 up")
    site.reaches(GATE, "10.9.0.1")

    enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE), (YARD, Level.WATCH)))

    assert enforced.held() == {GATE: "switch sw1 port p0 (vlan 666)"}
    assert not site.reaches(GATE, YARD)


async def test_a_camera_that_is_moved_is_followed_and_its_old_port_given_back(gateway: Gateway) -> None:
    site = gateway.site
    await site.start()
    site.speak()
    await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))
    site.move(GATE, 0, to=7)
    site.speak()

    for _ in range(TRIES):  # snmpd tells of links some seconds late
        enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))
        if GATE in enforced.held() and not any(hold.port == "p0" for hold in gateway.journal.holds):
            break
        await asyncio.sleep(0.5)

    # The VLAN of the old port, where that was given back before.
    assert enforced.held()[GATE] in {"switch sw1 port p7 (vlan 666)", "switch sw1 port p7 (vlan 667)"}
    assert not site.reaches(GATE, YARD)
    state = site.switch.state()
    assert state.pvid[state.ports["p0"]] == 1
    assert state.ports["p0"] in state.vlans[1].untagged


async def test_what_somebody_else_sets_is_set_again_and_told(gateway: Gateway) -> None:
    site = gateway.site
    await site.start()
    site.speak()
    await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))
    number = site.switch.state().ports["p0"]
    for oid, kind, value in (
        ("1.3.6.1.2.1.17.7.1.4.3.1.2.1", "x", "F8"),
        ("1.3.6.1.2.1.17.7.1.4.3.1.4.1", "x", "F8"),
        (f"1.3.6.1.2.1.17.7.1.4.5.1.1.{number}", "u", "1"),
        ("1.3.6.1.2.1.17.7.1.4.3.1.4.666", "x", "00"),
    ):
        site.snmp("snmpset", oid, kind, value)
    assert site.reaches(GATE, YARD)

    looked = await gateway.enforcer.read(ruleset((GATE, Level.ISOLATE)))
    assert looked.shortfalls() == {GATE: "switch sw1 port p0 (vlan 666): it is not set so"}

    enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))
    assert enforced.held() == {GATE: "switch sw1 port p0 (vlan 666)"}
    assert not site.reaches(GATE, YARD)
    assert gateway.kinds() == [events.SWITCH_PORT_HELD, events.SWITCH_DRIFT]


@pytest.mark.parametrize("object_refused", ["pvid", "egress", "untagged", "row"])
async def test_a_switch_that_refuses_half_way_is_left_as_it_was(gateway: Gateway, object_refused: str) -> None:
    site = gateway.site
    await site.start(refuse=object_refused)
    site.speak()
    before = walked(site)

    enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))

    assert enforced.held() == {}
    assert "refuses to be set" in enforced.failures["sw1"]
    assert site.reaches(GATE, YARD)
    if object_refused in {"row", "pvid"}:  # whoever takes no list back cannot be given back wholly at once
        assert walked(site) == before

    tries = site.switch.file.stat().st_mtime_ns
    again = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))
    assert "tried 1 times" in str(again.refusals.get(GATE, again.ports))
    assert site.switch.file.stat().st_mtime_ns == tries  # it is not asked again so soon

    state = site.switch.state()
    state.quirks = {}
    site.switch.change(state)
    gateway.now += 4000
    assert (await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))).held()


async def test_a_switch_whose_ports_have_one_untagged_vlan_by_themselves_is_held_and_given_back(
    gateway: Gateway,
) -> None:
    site = gateway.site
    await site.start(**{"one-untagged": ""})
    site.speak()
    before = walked(site)

    enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))
    assert enforced.held() == {GATE: "switch sw1 port p0 (vlan 666)"}
    assert not site.reaches(GATE, YARD)

    await gateway.enforcer.remove_all()
    assert walked(site) == before


@pytest.mark.parametrize("octets", ["1", "64"])
async def test_port_lists_of_any_length_are_written(gateway: Gateway, octets: str) -> None:
    site = gateway.site
    await site.start(**{"port-list-octets": octets})
    site.speak()

    assert (await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))).held()
    assert not site.reaches(GATE, YARD)
    assert site.reaches(YARD, LOBBY)


async def test_a_switch_without_vlans_can_shut_ports_only(gateway: Gateway) -> None:
    site = gateway.site
    await site.start(**{"no-q-bridge": ""})
    site.speak()

    enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))
    assert "no Q-BRIDGE-MIB" in enforced.shortfalls()[GATE]

    gateway.switches = (settings(vlans=(), shutdown_from=From.ISOLATE),)
    enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))
    assert enforced.held() == {GATE: "switch sw1 port p0 (shut down)"}
    assert not site.reaches(GATE, YARD)


async def test_a_dead_switch_stops_no_other_and_loses_nothing(gateway: Gateway) -> None:
    site = gateway.site
    await site.start()
    site.speak()
    dead = settings(name="sw2", address=Address("10.191.0.9"), answer_seconds=0.1)
    gateway.switches = (dead, settings())

    enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))
    assert enforced.held() == {GATE: "switch sw1 port p0 (vlan 666)"}
    assert "no answer from 10.191.0.9" in enforced.failures["sw2"]

    await site.switch.agent.kill()
    gateway.switches = (settings(answer_seconds=0.1),)
    enforced = await gateway.enforcer.apply(ruleset((GATE, Level.ISOLATE)))
    assert enforced.held() == {}
    assert "no answer from 10.191.0.2" in enforced.shortfalls()[GATE]
    removed = await gateway.enforcer.remove_all()
    assert [port.ending for port in removed.ports] == [True]
    assert not site.reaches(GATE, YARD)

    await site.start()
    gateway.switches = (settings(),)
    for _ in range(TRIES):  # as the agent does: a switch that has just come up may not answer in time
        await gateway.enforcer.remove_all()
        if gateway.journal == Journal() and site.reaches(GATE, YARD):
            break
        await asyncio.sleep(0.5)
    assert gateway.journal == Journal()
    assert site.reaches(GATE, YARD)


async def test_a_recorder_and_the_gateway_keep_their_ports(gateway: Gateway) -> None:
    site = gateway.site
    await site.start()
    site.speak()
    held = ruleset((GATE, Level.QUARANTINE), (YARD, Level.WATCH))
    recorder = replace(held.devices[0], recorders=(Address("10.9.0.11"),))
    own = ContainedDevice(DeviceId("self"), "cam0", Level.ISOLATE, (GATEWAY_MAC,))
    gateway.switches = (settings(untouched=()),)

    enforced = await gateway.enforcer.apply(replace(held, devices=(recorder, own)))

    assert enforced.shortfalls() == {own.id: "switch sw1 port uplink: this gateway is on it"}
    assert gateway.journal == Journal()


def ruleset(*held: tuple[DeviceId, Level]) -> Ruleset:
    """The devices at their levels, each with the MAC that it was plugged in with."""
    order = (GATE, YARD, LOBBY)
    devices = tuple(
        ContainedDevice(name, "cam0", level, (Mac(f"02:00:00:00:01:{order.index(name):02x}"),)) for name, level in held
    )
    return Ruleset((Segment("cam0", Level.ISOLATE),), (), devices)


def walked(site: SwitchedSite) -> Iterable[str]:
    """Everything that can be set, as an independent client reads it."""
    trees = ("1.3.6.1.2.1.17.7.1.4.3.1", "1.3.6.1.2.1.17.7.1.4.5.1", "1.3.6.1.2.1.2.2.1.7")
    lines = "".join(site.snmp("snmpbulkwalk", tree) for tree in trees).splitlines()
    return [line for line in lines if not line.startswith(".1.3.6.1.2.1.2.2") or line.endswith(": 2")]
