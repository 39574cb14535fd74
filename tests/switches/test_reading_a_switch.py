"""A switch read over the wire from Debian's snmpd, and the ways in which real ones differ from the book."""

import time

import pytest

from bartizan_agent.switches import oids
from bartizan_agent.switches.client import SwitchFailed, SwitchRefused
from bartizan_agent.switches.locate import places
from bartizan_agent.switches.reading import View, read
from bartizan_agent.switches.settings import Authentication, Secret, SnmpVersion
from bartizan_lab.switch.managed import COMMUNITY, USER
from bartizan_lab.switch.state import Neighbour
from tests.switches.conftest import GATEWAY_MAC, SwitchedSite, settings

pytestmark = pytest.mark.netns


async def test_every_table_is_read_as_an_independent_client_reads_it(site: SwitchedSite) -> None:
    gate = site.plug_in("gate", 0)
    await site.start()
    site.speak()

    view = await seen(site)

    number = {port.name: port.number for port in view.ports.values()}
    assert number == {"uplink": 1, "iso0": 2, "p0": 3}
    assert view.learned[gate] == {3}
    assert view.learned[GATEWAY_MAC] == {1}
    assert site.snmp("snmpget", f"1.3.6.1.2.1.17.7.1.4.5.1.1.{number['p0']}").endswith("Gauge32: 1\n")
    assert "Hex-STRING: E0 00 00 00 00 00 00 00" in site.snmp("snmpget", "1.3.6.1.2.1.17.7.1.4.3.1.2.1")
    assert view.vlans[1].egress == view.vlans[1].untagged == {1, 2, 3}
    walked = site.snmp("snmpbulkwalk", "1.3.6.1.2.1.17.7.1.2.2.1.2")
    assert f".{'.'.join(str(int(part, 16)) for part in gate.split(':'))} = INTEGER: 3" in walked


async def test_ports_that_are_shut_are_seen_to_be(site: SwitchedSite) -> None:
    site.plug_in("gate", 0)
    await site.start()
    index = next(port.interface for port in (await seen(site)).ports.values() if port.name == "p0")

    site.snmp("snmpset", f"1.3.6.1.2.1.2.2.1.7.{index}", "i", "2")

    (port,) = (port for port in (await seen(site)).ports.values() if port.name == "p0")
    assert not port.admin_up  # its link is told some seconds later: snmpd looks at it seldom
    assert not site.reaches("gate", "10.9.0.1")


@pytest.mark.parametrize("quirk", ["no-q-bridge"])
async def test_a_switch_with_bridge_mib_alone_tells_where_addresses_are(site: SwitchedSite, quirk: str) -> None:
    gate = site.plug_in("gate", 0)
    await site.start(**{quirk: ""})
    site.speak()

    view = await seen(site)

    assert view.learned[gate] == {3}
    assert view.vlans == {}
    assert {port.pvid for port in view.ports.values()} == {None}


async def test_a_switch_that_maps_no_port_to_an_interface_has_no_ports_that_anyone_may_touch(
    site: SwitchedSite,
) -> None:
    gate = site.plug_in("gate", 0)
    await site.start(**{"no-base-ports": ""})
    site.speak()

    view = await seen(site)

    assert view.ports == {}
    assert list(places({gate}, {"sw1": settings()}, {"sw1": view}, {})) == []


@pytest.mark.parametrize("octets", ["1", "3", "128"])
async def test_port_lists_of_any_length_are_read(site: SwitchedSite, octets: str) -> None:
    site.plug_in("gate", 0)
    await site.start(**{"port-list-octets": octets})

    assert (await seen(site)).vlans[1].egress == {1, 2, 3}


async def test_what_is_not_there_is_none_and_no_failure(site: SwitchedSite) -> None:
    await site.start()

    async with site.session(settings()) as switch:
        assert await switch.get((*oids.PVID, 99)) is None
        assert await switch.get((*oids.IF_NAME, 4711)) is None
        assert await switch.walk((1, 3, 6, 1, 2, 1, 99, 1)) == ()


@pytest.mark.parametrize(("quirk", "words"), [("loop", "goes backwards"), ("endless", "does not end")])
async def test_a_table_without_end_is_a_failure_soon(
    site: SwitchedSite, quirk: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bartizan_agent.switches.client.ROWS", 300)
    site.plug_in("gate", 0)
    await site.start(**{quirk: ""})
    site.speak()
    began = time.monotonic()

    with pytest.raises(SwitchFailed, match=words):
        await seen(site)

    assert time.monotonic() - began < 10


async def test_a_switch_that_is_too_slow_has_not_answered(site: SwitchedSite) -> None:
    await site.start(slow="0.7")

    async with site.session(settings(answer_seconds=0.2)) as switch:
        with pytest.raises(SwitchFailed, match=r"no answer from 10\.191\.0\.2 within 0\.2 s, 3 times"):
            await switch.get((*oids.PVID, 1))


async def test_a_switch_that_is_not_there_has_not_answered(site: SwitchedSite) -> None:
    async with site.session(settings(answer_seconds=0.1)) as switch:
        with pytest.raises(SwitchFailed, match="no answer"):
            await switch.get(oids.SYSTEM_DESCRIPTION)


@pytest.mark.parametrize(
    "secret",
    [
        Secret(user="nobody", authentication="authentication-passphrase", privacy="privacy-passphrase"),
        Secret(user=USER, authentication="another-passphrase", privacy="privacy-passphrase"),
        Secret(user=USER, authentication="authentication-passphrase", privacy="another-passphrase"),
    ],
    ids=["user", "authentication", "privacy"],
)
async def test_a_wrong_secret_is_said_and_never_shown(site: SwitchedSite, secret: Secret) -> None:
    await site.start()

    async with site.session(settings(answer_seconds=0.3), secret) as switch:
        with pytest.raises(SwitchFailed) as failed:
            await switch.get(oids.SYSTEM_DESCRIPTION)

    assert "passphrase" not in f"{failed.value} {secret!r}"


async def test_weaker_authentication_than_the_switch_has_does_not_get_in(site: SwitchedSite) -> None:
    await site.start()

    async with site.session(settings(answer_seconds=0.3, authentication=Authentication.SHA512)) as switch:
        with pytest.raises(SwitchFailed):
            await switch.get(oids.SYSTEM_DESCRIPTION)


async def test_a_community_string_works_where_it_is_asked_for(site: SwitchedSite) -> None:
    await site.start()

    async with site.session(settings(snmp=SnmpVersion.V2C_IN_THE_CLEAR), Secret(community=COMMUNITY)) as switch:
        assert await switch.get(oids.SYSTEM_DESCRIPTION) == b"Emulated managed switch"


async def test_a_value_that_the_switch_refuses_is_told_apart_from_silence(site: SwitchedSite) -> None:
    await site.start()

    async with site.session(settings()) as switch:
        with pytest.raises(SwitchRefused, match="inconsistentValue"):
            await switch.set((*oids.PVID, 1), 4000, unsigned=True)


@pytest.mark.parametrize("quirk", ["", "no-lldp-names"])
async def test_neighbours_are_found_on_their_port(site: SwitchedSite, quirk: str) -> None:
    for number, name in enumerate(("gate", "yard", "lobby")):
        site.plug_in(name, number)
    await site.start(**({quirk: ""} if quirk else {}))
    state = site.switch.state()
    state.neighbours = [Neighbour(state.ports["p1"], "02:00:00:00:00:99")]
    site.switch.change(state)

    view = await seen(site)

    on = {view.ports[number].name: who for number, who in view.neighbours.items()}
    assert on["p1"] == {"02:00:00:00:00:99"}
    # Without names its number may also be an interface's: both ports count, so neither is cut off.
    assert len(on) == (2 if quirk else 1)


async def seen(site: SwitchedSite) -> View:
    """What the switch says of itself."""
    async with site.session(settings()) as switch:
        return await read(switch)
