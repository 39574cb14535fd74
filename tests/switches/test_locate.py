"""Which ports are one device's own, judged from what a switch says."""

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from bartizan.ids import Mac
from bartizan_agent.switches.locate import places
from bartizan_agent.switches.reading import Port, View, Vlan
from tests.switches.conftest import settings

CAMERA, SECOND, OTHER, GATEWAY = (Mac(f"02:00:00:00:00:{number:02x}") for number in (1, 2, 3, 4))
EDGE = Port(number=7, interface=10007, name="gi1/0/7", admin_up=True, oper_up=True, pvid=1)
UPLINK = replace(EDGE, number=24, interface=10024, name="gi1/0/24")
ALL = frozenset({7, 24})
PLAIN = View({7: EDGE, 24: UPLINK}, {1: Vlan(ALL, ALL)}, {CAMERA: frozenset({7}), GATEWAY: frozenset({24})})


def test_a_port_on_which_only_this_device_was_seen_is_its_own() -> None:
    assert judged(PLAIN) == {"gi1/0/7": ""}


def test_a_port_with_several_addresses_of_one_device_is_its_own() -> None:
    view = replace(PLAIN, learned={CAMERA: frozenset({7}), SECOND: frozenset({7})})

    assert judged(view, macs=(CAMERA, SECOND)) == {"gi1/0/7": ""}
    assert judged(view) == {"gi1/0/7": f"it is shared with {SECOND}"}


def test_a_device_seen_behind_an_uplink_too_is_only_held_where_it_is_alone() -> None:
    view = replace(PLAIN, learned={CAMERA: frozenset({7, 24}), GATEWAY: frozenset({24})})

    assert judged(view) == {"gi1/0/7": "", "gi1/0/24": "this gateway is on it"}


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (replace(PLAIN, learned={CAMERA: frozenset({7}), OTHER: frozenset({7})}), f"it is shared with {OTHER}"),
        (replace(PLAIN, learned={CAMERA: frozenset({7}), GATEWAY: frozenset({7})}), "this gateway is on it"),
        (replace(PLAIN, ports={7: replace(EDGE, is_aggregate=True)}), "it is a link aggregate"),
        (
            replace(PLAIN, vlans={1: Vlan(ALL, ALL), 20: Vlan(frozenset({7}), frozenset())}),
            "it carries tagged VLANs (20)",
        ),
        (
            replace(PLAIN, neighbours={7: frozenset({OTHER})}),
            f"another device names itself there by LLDP ({OTHER})",
        ),
        (
            replace(PLAIN, neighbours={7: frozenset({""})}),
            "another device names itself there by LLDP (without an address)",
        ),
    ],
    ids=["unmanaged switch", "gateway", "aggregate", "trunk", "neighbour", "nameless neighbour"],
)
def test_what_leads_further_is_never_touched(view: View, reason: str) -> None:
    assert judged(view) == {"gi1/0/7": reason}


def test_a_camera_that_names_itself_by_lldp_is_no_uplink() -> None:
    assert judged(replace(PLAIN, neighbours={7: frozenset({CAMERA})})) == {"gi1/0/7": ""}


def test_a_port_that_is_configured_so_is_never_touched() -> None:
    assert judged(PLAIN, untouched=("gi1/0/7",)) == {"gi1/0/7": "it is configured never to be touched"}


def test_a_switch_on_which_it_was_not_seen_says_nothing() -> None:
    assert judged(PLAIN, macs=(OTHER,)) == {}


def judged(view: View, macs: tuple[Mac, ...] = (CAMERA,), untouched: tuple[str, ...] = ()) -> Mapping[str, str]:
    """Why each port on which these addresses were seen must not be touched."""
    switch = settings(untouched=untouched)
    found = places(macs, {switch.name: switch}, {switch.name: view}, {GATEWAY: "this gateway"})
    return {place.port.name: place.why_not for place in found}
