"""A gateway that loses its power: what it held is in the kernel before the first of its interfaces is up."""

import contextlib
import json
import sys
from pathlib import Path

import pytest

from bartizan.containment.level import Level
from bartizan.containment.model import Ruleset, Segment
from bartizan.ids import SiteId
from bartizan_agent.nftables import restore
from bartizan_agent.nftables.enforcer import Nftables
from bartizan_agent.settings import Topology
from bartizan_lab.netns import Namespace
from bartizan_lab.site.network import EstateNetwork
from bartizan_lab.site.plan import SitePlan

pytestmark = pytest.mark.netns
HELD = Ruleset((Segment("cam0", Level.ISOLATE),), (), ())


@pytest.mark.parametrize(("topology", "family"), [(Topology.ROUTER, "inet"), (Topology.BRIDGE, "bridge")])
def test_what_it_held_is_there_before_its_network(tmp_path: Path, topology: Topology, family: str) -> None:
    seen: list[str] = []

    def boot(gateway: Namespace) -> None:
        assert up(gateway) == []
        gateway.run(sys.executable, "-I", "-S", restore.__file__, str(tmp_path))
        assert up(gateway) == []
        seen.append(gateway.run("nft", "--stateless", "list", "table", family, "bartizan"))

    plan = SitePlan(SiteId("harbour"), 1, (), bridged=topology is Topology.BRIDGE)
    with EstateNetwork((plan,)) as estate:
        (site,) = estate.sites
        with site.gateway.entered(), contextlib.closing(Nftables(tmp_path, topology=topology)) as firewall:
            firewall.apply(HELD)
        site.reboot(boot)
        assert {"cam0", "up0"} <= set(up(site.gateway))
    (held,) = seen
    assert "unknown_sender_isolate" in held


def up(gateway: Namespace) -> list[str]:
    links = json.loads(gateway.run("ip", "-json", "link"))
    return [link["ifname"] for link in links if "UP" in link["flags"] and link["ifname"] != "lo"]
