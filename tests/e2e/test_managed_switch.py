"""Two cameras on one managed switch: not enforceable at first, kept apart once it is managed, released again."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from bartizan_lab.cameras.state import Timings
from bartizan_lab.site import plan
from bartizan_lab.switch.managed import AUTHENTICATION, PRIVACY, USER, ManagedSwitch
from tests.e2e.deployment import ROOT, Deployment, held, standing
from tests.e2e.estates import addresses, camera, credential_document, site, site_document
from tests.e2e.sniffer import Sniffer

pytestmark = [pytest.mark.e2e, pytest.mark.netns, pytest.mark.asyncio(loop_scope="module")]

GATE, LOBBY = camera("gate", "hikvision", 0), camera("lobby", "axis", 1)
LIBRARY = dataclasses.replace(site("library", 1, GATE, LOBBY), managed_switch=True)
WATCHED_SECONDS = 3.0
RELEASE = ("release", "--all", "--by", "duty officer", "--reason", "the gate camera is needed")


@dataclass
class Story:
    """What was seen, in the order in which it happened."""

    deployment: Deployment
    unmanaged: dict[str, Any]
    managed: dict[str, Any]
    reached: dict[str, bool]
    heard_before: int
    heard_while_held: int
    heard_after_release: int
    shown: str
    explained: str
    released: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    folder = tmp_path_factory.mktemp("switch")
    async with held(standing(folder, (LIBRARY,), Timings(phone_home_seconds=0.5))) as deployment:
        network = deployment.live.sites[LIBRARY.id].network
        switch = ManagedSwitch(network.switch, folder / "sw1", plan.SWITCH)
        switch.set_up()
        await switch.start()
        try:
            with Sniffer(network.camera_host(LOBBY), "eth0", [LIBRARY.camera_network]) as ear:
                yield await told(deployment, ear)
        finally:
            await switch.agent.stop()


async def told(deployment: Deployment, ear: Sniffer) -> Story:
    """Isolate the gate's camera without the switch and with it, then release it."""
    own = frozenset(addresses(LIBRARY, GATE))
    await deployment.enrol(LIBRARY.id)
    await deployment.set_passwords(LIBRARY.id, credential_document())
    sites = deployment.folder / "sites.yaml"
    sites.write_text(site_document(LIBRARY, "watch"), encoding="utf-8")
    await deployment.publish(ROOT / "policies" / "uk-hcws386.yaml", sites)
    await deployment.until("the gate is isolated", lambda: deployment.is_enforced([GATE], "isolate"), 60)
    await deployment.until("both are known", lambda: shares(deployment), 30)
    unmanaged, reached = await posture(deployment), {"unmanaged": reaches(deployment)}
    heard_before = len(ear.of(own))

    manage(deployment)
    await deployment.agents[LIBRARY.id].stop()
    await deployment.installation.start_agent(LIBRARY.id)
    await deployment.until("the switch holds it", lambda: is_on_a_switch(deployment), 60)
    since = time.time()
    reached["managed"] = reaches(deployment)
    await asyncio.sleep(WATCHED_SECONDS)
    managed, heard = await posture(deployment), len(ear.of(own, since))
    shown = await deployment.people.do("bartizan", "device", "show", GATE.mac)
    explained = (await deployment.installation.on_gateway(LIBRARY.id, "explain", GATE.mac)).out

    released = (await deployment.installation.on_gateway(LIBRARY.id, *RELEASE)).out
    since = time.time()
    reached["released"] = reaches(deployment)
    return Story(
        deployment,
        unmanaged,
        managed,
        reached,
        heard_before,
        heard,
        len(ear.of(own, since)),
        shown,
        explained,
        released,
    )


async def test_without_the_switch_it_reaches_its_neighbour_and_is_said_to(story: Story) -> None:
    assert story.reached["unmanaged"]
    assert story.heard_before
    assert story.unmanaged["enforced"] == "isolate"
    assert not story.unmanaged["enforceable"]
    assert "it shares a switch behind cam0" in story.unmanaged["not_enforceable_because"]


async def test_with_the_switch_its_neighbour_hears_nothing_of_it(story: Story) -> None:
    assert not story.reached["managed"]
    assert story.heard_while_held == 0
    assert story.managed["enforceable"]
    assert story.managed["switch"] == "switch sw1 port p0 (vlan 666)"


async def test_people_are_told_where_it_is_held(story: Story) -> None:
    assert "enforced by switch sw1 port p0 (vlan 666)" in story.shown
    assert "enforced by switch sw1 port p0 (vlan 666)" in story.explained
    (event,) = await story.deployment.events("switch.port-held", LIBRARY.id)
    assert event["detail"] == {"switch": "sw1", "port": "p0", "how": "vlan 666"}


async def test_a_release_gives_the_port_back(story: Story) -> None:
    assert "No port of a managed switch is held any more." in story.released
    assert story.reached["released"]
    assert story.heard_after_release


def manage(deployment: Deployment) -> None:
    """Put the switch into the agent's configuration, as the guide says."""
    secret = deployment.folder / "sw1.toml"
    secret.write_text(
        f'user = "{USER}"\nauthentication = "{AUTHENTICATION}"\nprivacy = "{PRIVACY}"\n', encoding="utf-8"
    )
    secret.chmod(0o600)
    deployment.configure(LIBRARY.id, switch_seconds=2.0)
    with (deployment.folder / f"{LIBRARY.id}.toml").open("a", encoding="utf-8") as file:
        file.write(
            f'[[switches]]\nname = "sw1"\naddress = "{plan.SWITCH}"\nsecret_file = "{secret}"\n'
            'vlans = [666, 667]\nuntouched = ["uplink"]\n'
        )


async def posture(deployment: Deployment) -> dict[str, Any]:
    """How the gate's camera is held, as its gateway reported."""
    state = await deployment.device(GATE)
    assert state is not None
    return dict(state["posture"])


async def shares(deployment: Deployment) -> bool:
    return bool((await posture(deployment))["not_enforceable_because"])


async def is_on_a_switch(deployment: Deployment) -> bool:
    return bool((await posture(deployment)).get("switch"))


def reaches(deployment: Deployment) -> bool:
    """Whether the gate's camera reaches the one beside it."""
    host = deployment.live.sites[LIBRARY.id].network.camera_host(GATE)
    try:
        host.run("ping", "-c3", "-i0.2", "-W1", LIBRARY.camera(LOBBY.number))
    except RuntimeError:
        return False
    return True
