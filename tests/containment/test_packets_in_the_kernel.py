"""What the kernel lets through is what the reference model says, packet by packet."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bartizan.containment.model import ManagementPath, Ruleset
from bartizan_agent.nftables.enforcer import Nftables
from tests.containment.reference_model import Packet, is_management, passes
from tests.containment.rulesets import packets, packets_near, paths, rulesets
from tests.containment.wire import Wire, wire

pytestmark = pytest.mark.netns

Site = tuple[Wire, Nftables]
VLAN, SERVICE, PRIORITY = bytes.fromhex("81000014"), bytes.fromhex("88a80014"), bytes.fromhex("8100a000")
"""Tags of 802.1Q and 802.1ad, and one of 802.1Q that names no VLAN."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with wire() as cables:
        with cables.gateway.entered():
            firewall = Nftables(tmp_path_factory.mktemp("state"))
        yield cables, firewall
        firewall.close()


@given(rulesets(), st.lists(packets(), min_size=60, max_size=60))
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_the_kernel_passes_what_the_model_passes(site: Site, ruleset: Ruleset, sent: list[Packet]) -> None:
    cables, firewall = site

    firewall.apply(ruleset)

    assert firewall.read().intact
    assert cables.forwarded(sent) == [passes(ruleset, packet) for packet in sent]


@given(rulesets(), paths(), st.data())
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
def test_the_way_to_the_controller_is_let_through_and_nothing_near_it(
    site: Site, ruleset: Ruleset, path: ManagementPath, data: st.DataObject
) -> None:
    cables, firewall = site
    bare, amended = replace(ruleset, management=None), replace(ruleset, management=path)
    sent = data.draw(st.lists(packets_near(path), min_size=30, max_size=30))

    firewall.apply(amended)
    before = firewall.spared()

    assert cables.forwarded(sent) == [passes(amended, packet) for packet in sent]
    spared = [packet for packet in sent if passes(amended, packet) and not passes(bare, packet)]
    assert all(is_management(amended, packet) for packet in spared)
    assert firewall.spared() - before == len(spared)


@given(rulesets(), st.lists(packets(), min_size=20, max_size=20))
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_a_priority_without_a_vlan_changes_nothing(site: Site, ruleset: Ruleset, sent: list[Packet]) -> None:
    cables, firewall = site

    firewall.apply(ruleset)

    assert cables.forwarded(sent, tags=PRIORITY) == [passes(ruleset, packet) for packet in sent]


@pytest.mark.parametrize("tags", [VLAN, SERVICE, PRIORITY + VLAN, PRIORITY + SERVICE, VLAN + PRIORITY, VLAN + VLAN])
def test_nothing_of_a_vlan_is_routed_that_no_interface_stands_for(site: Site, tags: bytes) -> None:
    cables, firewall = site
    firewall.apply(Ruleset(segments=(), estate_networks=(), devices=()))
    packet = Packet("cam0", "core0", "02:00:00:00:00:01", "10.9.0.11", "10.1.0.5", "tcp", 40000, 554)
    assert cables.forwarded([packet]) == [True]

    assert cables.forwarded([packet], tags=tags) == [False]
