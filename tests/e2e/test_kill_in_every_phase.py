"""Whoever dies, and whenever: nothing is lost, nothing is done twice, and the network is not open for a moment.

Tests share one school. Each brings it into a phase, kills somebody there with SIGKILL, starts them again, and waits
until all is as if nothing had happened. Firmware takes its time: those tests leave their rollouts to go on, and the
last test waits for all of them.
"""

import asyncio
import functools
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bartizan_lab.cameras.flash import FlashState
from bartizan_lab.demo.installation import URL
from bartizan_lab.programs import Program
from bartizan_lab.site import plan
from tests.e2e.deployment import PROGRAMS, held
from tests.e2e.estates import addresses
from tests.e2e.school import ANNEX, MODEL, NEW, NEWCOMERS, SCHOOL, School, Victim, open_school

pytestmark = [pytest.mark.e2e, pytest.mark.netns, pytest.mark.asyncio(loop_scope="module")]
each_victim = pytest.mark.parametrize("victim", Victim, ids=lambda victim: victim.value)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def school(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[School]:
    async with held(open_school(tmp_path_factory.mktemp("school"))) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _waves(school: School) -> None:
    await school.begin_waves()


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _promises(school: School) -> AsyncIterator[None]:
    """What must be so after every test, whoever was killed in it."""
    yield
    await school.recovered()
    assert school.leaks() == []
    assert school.lost() == set()
    assert school.doubled() == []


@each_victim
async def test_while_a_gateway_enrols(school: School, victim: Victim) -> None:
    """It is enrolled or it is not; a new token always helps, and nothing is left of the attempt."""
    deployment, installation = school.deployment, school.deployment.installation
    if not await deployment.is_site(ANNEX.id):
        await deployment.people.do("bartizan", "site", "add", ANNEX.id, "--organisation", "county")
    token = (await deployment.people.do("bartizan", "site", "token", ANNEX.id)).strip()
    making = deployment.folder / ANNEX.id / ".enrolling"
    enrolling = _enrolment(school, token)
    await enrolling.start()
    await deployment.until("it makes its keys", (making / "keys").exists, 10, poll=0.01)
    if victim is Victim.AGENT:
        await enrolling.kill()
    else:
        await school.strike(victim)
    await deployment.until("the attempt is over", lambda: not enrolling.is_running, 45)
    await school.recovered()

    await deployment.enrol_gateway(ANNEX.id)
    await installation.start_agent(ANNEX.id)
    await deployment.until("the annex is connected", lambda: deployment.is_connected(ANNEX.id), 30)
    await deployment.agents.pop(ANNEX.id).stop()
    assert not making.exists()


@each_victim
async def test_while_a_camera_is_discovered(school: School, victim: Victim) -> None:
    """It is held from its first packet on, by whoever is left; it is found, and told of once."""
    deployment, newcomer = school.deployment, NEWCOMERS[victim]
    school.newcomers.append(newcomer)
    await deployment.live.plug_in(SCHOOL.id, newcomer)
    await school.strike(victim)
    await deployment.until("it is held", lambda: deployment.is_enforced([newcomer], "isolate"), 40)

    found = await deployment.events("device.found", SCHOOL.id)
    device = await deployment.device_id(newcomer)
    assert [event["device"] for event in found].count(device) == 1
    assert deployment.leaked(addresses(SCHOOL, newcomer)) == []


@each_victim
async def test_while_a_catalogue_is_published(school: School, victim: Victim) -> None:
    """It is published or it waits, never half; a gateway that missed it gets it."""
    deployment = school.deployment
    number = 20 + list(Victim).index(victim)
    change = await school.sign(school.sites(f"10.91.2.{number}"))
    metadata = deployment.installation.controller_folder / "catalogue" / "metadata"
    before = set(metadata.iterdir())
    async with asyncio.TaskGroup() as meanwhile:
        publishing = meanwhile.create_task(deployment.people.try_to("bartizan", "policy", "publish", change))
        await deployment.until("its files are written", lambda: set(metadata.iterdir()) != before, 10, poll=0.01)
        await school.strike(victim)
    await school.recovered()
    waiting = await deployment.people.ask("bartizan", "policy", "changes")
    if waiting:
        assert publishing.result().code != 0
        await deployment.people.do("bartizan", "policy", "publish", change)
        await school.recovered()

    assert await deployment.people.ask("bartizan", "policy", "changes") == []
    assert f"10.91.2.{number}" in school.table()


@each_victim
async def test_while_an_order_is_given(school: School, victim: Victim) -> None:
    """Whoever ordered knows whether it stands; it is carried out once, and can be taken back."""
    deployment, hall = school.deployment, SCHOOL.cameras[0]
    device = await deployment.device_id(hall)
    before = deployment.count("orders")
    contain = ("contain", device, "--site", SCHOOL.id, "--level", "quarantine", "--reason", "drill", "--json")
    async with asyncio.TaskGroup() as meanwhile:
        ordering = meanwhile.create_task(deployment.people.try_to("bartizan", *contain))
        await deployment.until("the order is written", lambda: deployment.count("orders") > before, 10, poll=0.01)
        await school.strike(victim)
    await school.recovered()
    assert victim is Victim.CONTROLLER or ordering.result().code == 0
    (order,) = await school.orders()
    await deployment.until("it is carried out", lambda: deployment.is_enforced([hall], "quarantine"), 20)
    await school.release(order["order"]["id"])
    await deployment.until("it is taken back", lambda: deployment.is_enforced([hall], "isolate"), 20)

    accepted = await deployment.events("orders.accepted", SCHOOL.id)
    books = Counter((event["detail"]["scope"], event["detail"]["generation"]) for event in accepted)
    assert set(books.values()) == {1}


@each_victim
async def test_while_events_wait(school: School, victim: Victim) -> None:
    """Events that were never acknowledged are kept and sent again, and counted once."""
    deployment = school.deployment
    build = f"2.840.000000{list(Victim).index(victim)}.1.R"
    names = ["hall", *(each.name for each in school.newcomers)]
    for name in names:
        school.camera(name).state.firmware = build
    before = len(await deployment.events("device.changed", SCHOOL.id))
    heard = len(await deployment.events("orders.accepted", SCHOOL.id))

    async def scan_is_heard_of() -> bool:
        return len(await deployment.events("orders.accepted", SCHOOL.id)) > heard

    await deployment.people.do("bartizan", "site", "scan", SCHOOL.id)
    await deployment.until("the scan was heard of", scan_is_heard_of, 10)
    with deployment.frozen_controller():
        await deployment.until("events wait", lambda: len(deployment.waiting(SCHOOL.id)) >= len(names), 30)
        if victim is Victim.CONTROLLER:
            await deployment.controller.kill()
        elif victim is Victim.AGENT:
            await school.strike(victim)
    if victim is Victim.CONTROLLER:
        await deployment.controller.start()
    elif victim is Victim.BROKER:
        await school.strike(victim)
    await school.recovered()

    changed = (await deployment.events("device.changed", SCHOOL.id))[before:]
    told = Counter(event["device"] for event in changed if event["detail"].get("after", "").startswith(build))
    assert len(told) == len(names)
    assert set(told.values()) == {1}


@each_victim
async def test_while_an_image_is_fetched(school: School, victim: Victim) -> None:
    """What was fetched so far is kept; the camera learns nothing of all this until the image is whole."""
    name = f"fetch-{victim.value}"
    images = school.deployment.folder / SCHOOL.id / "images"
    school.throttle("8mbit")
    try:
        await school.roll_out(name, name, name)
        await school.deployment.until("a part is here", lambda: any(images.glob("*.part")), 20, poll=0.02)
        await school.strike(victim)
        assert school.camera(name).flashes == 0
    finally:
        school.unthrottle()


@each_victim
async def test_while_a_camera_is_written(school: School, victim: Victim) -> None:
    """A camera that writes its flash is let alone until it is known what became of it."""
    name = f"write-{victim.value}"

    def is_writing() -> bool:
        return school.camera(name).flash_state is FlashState.WRITING

    await school.roll_out(name, "quick", name)
    await school.deployment.until("it writes", is_writing, 20, poll=0.02)
    await school.strike(victim)

    assert school.camera(name).flashes == 1


@each_victim
@pytest.mark.usefixtures("_waves")
async def test_while_a_rollout_is_between_waves(school: School, victim: Victim) -> None:
    """The wave that is over counts as over, and the next has not begun."""
    name = f"waves-{victim.value}"

    async def is_soaking() -> bool:
        return "soaking" in {waiting["type"] for waiting in (await school.rollout(name))["plan"]["waiting"]}

    await school.deployment.until("the first wave is watched", is_soaking, 60)
    await school.strike(victim)
    await school.recovered()

    state = await school.rollout(name)
    stages = sorted(progress["stage"] for progress in state["progress"].values() if progress["stage"] != "pending")
    assert stages == ["succeeded"]
    assert [waiting["type"] for waiting in state["plan"]["waiting"]] == ["soaking"]


async def test_every_rollout_comes_to_its_end(school: School) -> None:
    """Whatever was killed on the way: all cameras run the new version, and none was flashed twice."""
    assert school.rollouts
    for name in school.rollouts:
        await school.deployment.until(f"{name} is finished", functools.partial(_is_finished, school, name), 150)

    updated = [each for each in SCHOOL.cameras if each.facts.get("model") == MODEL]
    begun = {device for name in school.rollouts for device in (await school.rollout(name))["progress"]}
    cameras = [school.camera(each.name) for each in updated]
    flashed = [camera for camera in cameras if f"serial:{camera.state.serial}" in begun]
    assert len(flashed) == len(begun)
    assert {camera.flashes for camera in flashed} == {1}
    assert {camera.state.firmware for camera in flashed} == {NEW[0]}
    succeeded = await school.deployment.events("update.succeeded", SCHOOL.id)
    assert Counter(event["device"] for event in succeeded) == dict.fromkeys(begun, 1)


def _enrolment(school: School, token: str) -> Program:
    """Return `bartizan-agent enrol` on the annex's gateway, to be started, and killed."""
    folder, gateway = school.deployment.folder, school.deployment.live.sites[ANNEX.id].network.gateway
    places = (f"--state={folder / ANNEX.id}", f"--config={folder / ANNEX.id}.toml")
    what = ("enrol", URL, "--token", token, "--interface", plan.CAMERA_INTERFACE, "--replace")
    return Program("enrolment", gateway, (str(PROGRAMS / "bartizan-agent"), *places, *what), folder / "enrolment.log")


async def _is_finished(school: School, name: str) -> bool:
    return bool((await school.rollout(name))["intent"]["state"] == "finished")
