"""Bad input on a whole site: refused with a reason that the operator can read, and nobody else notices.

Tests share one hospital, whose agent, controller and neighbour must live through all of it.
"""

import functools
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bartizan.ids import BootId, ImageId, OrderId, RolloutId
from bartizan.trust.orders import Install
from bartizan.wire import events
from bartizan.wire.topics import down, up
from bartizan_lab.demo.people import Claim
from bartizan_lab.site.plan import CameraPlan
from tests.e2e.bad_days import (
    BAD,
    CLINIC,
    CONTAINED,
    GOOD,
    HOSPITAL,
    NEW,
    REASONS,
    BadDays,
    bad_days,
)
from tests.e2e.deployment import held
from tests.e2e.estates import addresses
from tests.e2e.hostile_messages import Hostile, to_a_gateway, to_the_controller
from tests.e2e.wire import NOT_AUTHORISED

pytestmark = [pytest.mark.e2e, pytest.mark.netns, pytest.mark.asyncio(loop_scope="module")]

CONTAINED_GOOD = tuple(each for each in GOOD.values() if each in CONTAINED)
YEARS = 365 * 86400.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def days(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BadDays]:
    async with held(bad_days(tmp_path_factory.mktemp("bad"))) as prepared:
        yield prepared


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _nobody_else_notices(days: BadDays) -> AsyncIterator[None]:
    """What must be so after every test."""
    await days.deployment.until("the hospital's cameras are held", days.are_held, 60)
    began = time.time()
    yield
    await days.deployment.until("all is as if nothing had happened", days.is_well, 60)
    assert days.deployment.leaked(addresses(HOSPITAL, *CONTAINED), began) == []


async def test_hostile_cameras_beside_good_ones(days: BadDays) -> None:
    """The good ones are known, read, held and patched while the others do their worst; of these it is told why."""
    deployment = days.deployment
    await deployment.until("the good ones are read", functools.partial(days.are_read, GOOD.values()), 60)
    await days.roll_out("spring", GOOD["ward-a"], GOOD["ward-b"])
    await days.until_rolled_out("spring", 90)
    for name in ("ward-a", "ward-b"):
        assert (days.camera(name).state.firmware, days.camera(name).flashes) == (NEW[0], 1)

    for fault, reason in REASONS.items():
        plan = BAD[fault]
        if reason:
            await deployment.until(f"{plan.name} is told of", functools.partial(is_told, days, plan, reason), 60)
            (told, *_) = await days.said_of(plan, events.CAMERA_NOT_READ)
            assert told["reason"]
        else:
            await deployment.until(f"{plan.name} is read", functools.partial(days.are_read, [plan]), 60)


async def test_an_image_for_another_model(days: BadDays) -> None:
    """The controller does not offer it, and a gateway that is told to install it all the same does not either."""
    deployment, corridor = days.deployment, GOOD["corridor"]
    with pytest.raises(Claim, match=r"corridor|suit|model"):
        await days.roll_out("wrong-model", corridor)

    device = await deployment.device_id(corridor)
    (image,) = await deployment.people.ask("bartizan", "firmware", "list")
    install = Install(OrderId("forged"), RolloutId("forged"), device, ImageId(image["id"]))  # type: ignore[arg-type]
    director = await days.director()
    await days.say(Hostile("", down(HOSPITAL.id), director.book(install), "", "", ""))
    await deployment.until("it is refused", lambda: days.is_said_of(corridor, events.UPDATE_REFUSED), 60)
    (refused,) = await days.said_of(corridor, events.UPDATE_REFUSED)

    assert refused["code"] == "not-suitable"
    assert "the image is not for" in refused["reason"]
    assert days.camera("corridor").flashes == 0


async def test_policies_with_faults(days: BadDays, tmp_path: Path) -> None:
    """Told with file, line and what was meant, and nothing is signed."""
    file = tmp_path / "broken.yaml"
    file.write_text(
        "policy: broken\n"
        "title: t\n"
        "version: 1\n"
        "needs-capability: 1\n"
        "source: nobody\n"
        "rules:\n"
        "  - name: a\n"
        "    when:\n"
        "      all:\n"
        "        - site.sensitivty: sensitive\n"
        "        - maker.confidence: {at-least: 180}\n"
        "    contian: isolate\n"
        "    because: x\n",
        encoding="utf-8",
    )
    people = days.deployment.people
    for command in (("check",), ("sign", *days.deployment.key(1))):
        verb, *options = command
        done = await people.try_to("bartizan", "policy", verb, str(file), *options)

        assert done.code != 0
        said = done.err + done.out
        assert f"{file}:10:11: there is no fact 'site.sensitivty'; did you mean 'site.sensitivity'?" in said
        assert f"{file}:11:" in said
        assert f"{file}:12:5: rule has no field 'contian'; did you mean 'contain'?" in said
    assert await people.ask("bartizan", "policy", "changes") == []


async def test_hostile_messages_to_a_gateway(days: BadDays) -> None:
    """Each kind, by somebody with the controller's certificate and some with the director's key."""
    deployment, corridor = days.deployment, GOOD["corridor"]
    order = await days.contain(corridor)
    replayed = (deployment.folder / HOSPITAL.id / "orders" / "site.dsse.json").read_bytes()
    await days.release(order)
    await deployment.until("it is taken back", lambda: deployment.is_enforced([corridor], "isolate"), 60)
    before = days.table()
    for hostile in to_a_gateway(await days.director(), deployment.installation.controller_folder, replayed):
        await days.say(hostile)
        await deployment.until(f"it is refused: {hostile.what}", functools.partial(days.is_refused, hostile), 60)
    assert days.table() == before

    listed = [(code, reason) for kind in REFUSALS for code, reason in await days.refusals(kind, HOSPITAL.id)]
    assert {"malformed", "bad-signature", "expired", "stale", "too-new"} <= {code for code, _ in listed}
    assert all(reason for _, reason in listed)
    await days.release(await days.contain(corridor))


async def test_hostile_messages_to_the_controller(days: BadDays) -> None:
    """Each kind, by somebody with a gateway's certificate. The other gateways go on, and nothing is written twice."""
    deployment, thief = days.deployment, days.as_gateway(CLINIC.id)
    boot = BootId(deployment.newest_boot(CLINIC.id))
    for hostile in to_the_controller(CLINIC.id, HOSPITAL.id, boot):
        done = await thief.say(hostile.topic, hostile.payload, deployment.folder)
        assert done.code == 0, done.err
        await deployment.until(
            f"it is refused: {hostile.what}", functools.partial(days.is_refused, hostile, CLINIC), 30
        )
    spoofed = await thief.say(up(HOSPITAL.id, "events"), b"{}", deployment.folder)
    assert NOT_AUTHORISED in spoofed.err + spoofed.out
    await thief.say(up(CLINIC.id, "report"), bytes(17 << 20), deployment.folder)  # the broker cuts it off
    assert await deployment.events("containment.released") == []
    await days.release(await days.contain(GOOD["corridor"]))


async def test_a_gateway_whose_disk_is_full(days: BadDays) -> None:
    """It holds what it held and obeys new orders, says so, and afterwards says how much was lost."""
    deployment, stairs = days.deployment, GOOD["stairs"]
    days.gateway_disk.fill()
    try:
        status = await deployment.installation.on_gateway(HOSPITAL.id, "status")
        assert status.code != 0
        assert "is full" in status.out + status.err
        order = await days.contain(stairs)
        await deployment.until("events are lost", days.loses_events, 60)
        assert await deployment.is_enforced([stairs], "quarantine")
    finally:
        days.gateway_disk.make_room()
    await days.release(order)
    await deployment.until("it is told how many", functools.partial(days.has_told_losses, 1, 0), 60)


async def test_a_gateway_that_is_killed_while_its_disk_is_full(days: BadDays) -> None:
    """It holds what it held, dead or begun anew on the full disk; what was lost before is told afterwards."""
    deployment = days.deployment
    before = len(await days.told_losses())
    days.gateway_disk.fill()
    try:
        await deployment.until("events are lost", days.loses_events, 60)
        lost, held = days.lost_so_far(), days.table()
        await deployment.agents[HOSPITAL.id].kill()
        assert days.table() == held
        await deployment.installation.start_agent(HOSPITAL.id)
        await deployment.until("it is back", functools.partial(deployment.is_connected, HOSPITAL.id), 90)
        await deployment.until("it holds what it held", days.are_held, 60)
    finally:
        days.gateway_disk.make_room()
    await deployment.until("it is told how many", functools.partial(days.has_told_losses, lost, before), 90)
    days.boots[HOSPITAL.id] = deployment.newest_boot(HOSPITAL.id)


async def test_a_controller_whose_disk_is_full(days: BadDays) -> None:
    """It refuses with the reason, gateways hold what they held, and nothing that they tell is lost."""
    deployment, stairs = days.deployment, GOOD["stairs"]
    days.controller_disk.fill()
    try:
        await deployment.until("it refuses", days.controller_refuses, 60)
        assert await deployment.is_enforced(CONTAINED, "isolate")
    finally:
        days.controller_disk.make_room()
    await deployment.until("it takes orders again", days.controller_obeys, 60)
    await days.release(await days.contain(stairs))
    assert days.lost() == set()


@pytest.mark.parametrize(
    ("years", "camera", "why"),
    [
        pytest.param(5, "clock-ahead", "expired", id="years ahead"),
        pytest.param(-5, "clock-behind", "behind", id="years behind"),
    ],
)
async def test_a_gateway_whose_clock_is_years_off(days: BadDays, years: int, camera: str, why: str) -> None:
    """It holds what it held and flashes nothing, both with the reason; once the clock is right, all is well."""
    deployment, plan = days.deployment, GOOD[camera]
    await deployment.until("it can be patched", functools.partial(days.are_read, [plan]), 60)
    before = len(await days.told_clock())
    days.clock.set_years_off(years)
    try:
        await deployment.until("it is told", functools.partial(days.has_told_its_clock, years, before), 60)
        await days.roll_out(camera, plan)
        await deployment.until("it says why not", functools.partial(days.says_why_not, plan, why), 60)
        status = await deployment.installation.on_gateway(HOSPITAL.id, "status")
        assert status.code != 0
        assert why in status.out + status.err
        assert days.camera(camera).flashes == 0
        assert await deployment.is_enforced(CONTAINED, "isolate")
    finally:
        days.clock.set_right()
    await deployment.until("it is right", functools.partial(days.has_told_its_clock, -years, before), 60)
    await deployment.until("it is patched", lambda: days.camera(camera).state.firmware == NEW[0], 90)
    assert days.camera(camera).flashes == 1


REFUSALS = (events.MESSAGE_REFUSED, events.ORDERS_REFUSED, events.CATALOGUE_REFUSED)


async def is_told(days: BadDays, plan: CameraPlan, code: str) -> bool:
    return code in {told["code"] for told in await days.said_of(plan, events.CAMERA_NOT_READ)}
