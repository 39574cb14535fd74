"""The one permitted check for default passwords: off until two people sign that a site permits it; then one login."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bartizan_lab.cameras.state import Timings
from bartizan_lab.site.plan import CameraPlan
from tests.e2e.deployment import Deployment, Json, held, standing
from tests.e2e.estates import camera, site, site_document

pytestmark = [pytest.mark.e2e, pytest.mark.netns, pytest.mark.asyncio(loop_scope="module")]

LIBRARY = site(
    "library",
    1,
    camera("weak", "hikvision", 0, password="12345"),  # its maker's default, years ago
    camera("strong", "dahua", 1),
    camera("unset", "axis", 2, factory_state=True),
)
WEAK, STRONG, UNSET = LIBRARY.cameras
CHECK, QUIET_SECONDS = "no-default-password", 4.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """A library whose gateway has no password for any camera, so that nothing else ever logs in."""
    folder = tmp_path_factory.mktemp("passwords")
    async with held(standing(folder, (LIBRARY,), Timings(phone_home_seconds=3600.0))) as deployment:
        await deployment.enrol(LIBRARY.id)
        yield deployment


async def test_a_default_password_is_tried_once_and_only_where_two_people_permit_it(library: Deployment) -> None:
    """Off: no login. On: one each, none to a device without a password, and the findings are shown. Never again."""
    await publish(library, "")
    await library.until("all cameras are named and held", lambda: are_known(library), 40)
    await asyncio.sleep(QUIET_SECONDS)  # for what must not happen, nothing can be waited for
    assert logins(library) == {"weak": 0, "strong": 0, "unset": 0}
    assert await standing_of(library, STRONG) == "unknown"
    assert await library.events("camera.default-password") == []

    await publish(library, "    default-password-check: on\n")
    await library.until("each device was tried or said that it has none", lambda: are_judged(library), 40)
    shown = {each.name: await finding(library, each) for each in LIBRARY.cameras}
    told = await library.events("camera.default-password")

    assert {name: each["standing"] for name, each in shown.items()} == {
        "weak": "failed",
        "strong": "met",
        "unset": "failed",
    }
    assert "lets in whoever knows its maker's default password" in shown["weak"]["evidence"]
    assert "factory state" in shown["unset"]["evidence"]
    assert {each["detail"]["outcome"] for each in told} <= {"accepted", "refused", "true"}
    assert logins(library) == {"weak": 1, "strong": 1, "unset": 0}

    await library.agents[LIBRARY.id].kill()
    await library.installation.start_agent(LIBRARY.id)
    await library.until("the gateway is back", lambda: library.is_connected(LIBRARY.id), 30)
    await publish(library, "")
    await publish(library, "    default-password-check: on\n")
    await asyncio.sleep(QUIET_SECONDS)
    assert logins(library) == {"weak": 1, "strong": 1, "unset": 0}
    assert {each.name: await standing_of(library, each) for each in LIBRARY.cameras} == {
        name: each["standing"] for name, each in shown.items()
    }


async def publish(library: Deployment, more: str) -> None:
    """Have two people sign the facts of the library."""
    file = Path(library.folder) / "sites.yaml"
    file.write_text(site_document(LIBRARY, "block-egress", sensitivity="ordinary") + more, encoding="utf-8")
    await library.publish(file)
    wanted = (await library.ask(f"sites/{LIBRARY.id}/posture"))["catalogue"]

    async def holds_it() -> bool:
        posture = (await library.ask(f"sites/{LIBRARY.id}/posture"))["posture"]
        return posture is not None and posture["catalogue"] == wanted

    await library.until("the gateway holds the facts", holds_it, 30)


def logins(library: Deployment) -> dict[str, int]:
    """How often the gateway tried to log in, by the cameras' own count. The recorder logs in too, as it should."""
    cameras = library.live.sites[LIBRARY.id].cameras
    gateway = (str(LIBRARY.gateway(1)), f"{LIBRARY.prefix6(1)}::1")
    return {each.name: sum(cameras[each.name].logins_from(one) for one in gateway) for each in LIBRARY.cameras}


async def are_known(library: Deployment) -> bool:
    known = await library.devices()
    makers = {each.mac: each.kind for each in LIBRARY.cameras}
    return all(mac in known and known[mac]["device"]["identity"]["maker"] == kind for mac, kind in makers.items())


async def are_judged(library: Deployment) -> bool:
    with contextlib.suppress(AssertionError):
        return all([await standing_of(library, each) != "unknown" for each in LIBRARY.cameras])
    return False


async def standing_of(library: Deployment, plan: CameraPlan) -> str:
    return str((await finding(library, plan))["standing"])


async def finding(library: Deployment, plan: CameraPlan) -> Json:
    """Return what `bartizan device show` says of the check for one camera."""
    shown = await library.people.ask("bartizan", "device", "show", await library.device_id(plan))
    (found,) = [each for each in shown["hardening"] if each["check"] == CHECK]
    return dict(found)
