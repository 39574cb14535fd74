"""What the kernel lets through is what the reference model says, packet by packet."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartizan.containment.model import Ruleset
from bartizan_agent.nftables.enforcer import Nftables
from tests.containment.reference_model import Packet, passes
from tests.containment.rulesets import packets, rulesets
from tests.containment.wire import Wire, wire

pytestmark = pytest.mark.netns

Site = tuple[Wire, Nftables]


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
