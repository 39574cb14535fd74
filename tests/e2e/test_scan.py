"""`bartizan-agent scan` on a gateway that nobody enrolled: what stands on the segment, and nothing said elsewhere."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from bartizan_lab.cameras.state import Timings
from bartizan_lab.programs import Finished, command
from bartizan_lab.site import plan
from bartizan_lab.site.live import LiveEstate, live
from tests.e2e.deployment import PROGRAMS, held
from tests.e2e.estates import camera, site
from tests.e2e.sniffer import Sniffer

pytestmark = [pytest.mark.e2e, pytest.mark.netns, pytest.mark.asyncio(loop_scope="module")]

LIBRARY = site(
    "library",
    1,
    camera("gate", "hikvision", 0),
    camera("yard", "hikvision-oem", 1),
    camera("stairs", "dahua", 2),
    camera("foyer", "dahua-oem", 3),
    camera("lobby", "axis", 4),
    camera("gym", "onvif", 5),
    camera("copier", "printer", 6),
)
WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
"""To the kernel that is anybody, who can still read this installation wherever it lies."""

FOUND = {
    "10.91.1.10": ("camera", "hikvision", "DS-2CD2143G2-I", "V5.7.18 build 240826"),
    "10.91.1.11": ("camera", "hikvision", "I51DL", "V5.5.800 build 210628"),
    "10.91.1.12": ("camera", "dahua", "IPC-HDW5831R-ZE", "2.800.0000016.0.R"),
    "10.91.1.13": ("camera", "dahua", "VIP-3230-D", "2.800.00IB004.0.R"),
    "10.91.1.14": ("camera", "axis", "P3265-V", "11.11.160"),
    "10.91.1.15": ("camera", "vivotek", "NC-200", ""),
    "10.91.1.16": ("other", "", "Example LaserJob 400", ""),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library() -> AsyncIterator[LiveEstate]:
    """One site whose cameras hardly ever call home."""
    async with held(live((LIBRARY,), Timings(phone_home_seconds=3600.0))) as estate:
        yield estate


async def test_every_camera_is_named(library: LiveEstate) -> None:
    """By address: what it is, who really made it, its model, and its firmware where it tells that to strangers."""
    done = await scan(library, "--interface", plan.CAMERA_INTERFACE, "--json")

    assert done.code == 0, done.err
    assert identities(done) == FOUND


async def test_without_root_as_much_is_found_as_the_kernel_allows(library: LiveEstate) -> None:
    """No raw socket is needed: the same devices, with MAC addresses from the kernel's table."""
    done = await scan(library, "--interface", plan.CAMERA_INTERFACE, "--json", wrapper=WITHOUT_CAPABILITIES)

    assert done.code == 0, done.err
    assert identities(done) == FOUND


async def test_nothing_is_said_on_other_links(library: LiveEstate) -> None:
    """A gateway has links to networks that are none of a scan's business: no datagram of it goes there."""
    gateway = library.network.sites[0].gateway
    own = {"10.80.0.101", "fd00:80::65", "10.91.1.1", "10.91.2.1", "fd00:1:1::1", "fd00:1:2::1"}
    everywhere = ("0.0.0.0/0", "::/0")
    with contextlib.ExitStack() as stack:
        camera_link = stack.enter_context(Sniffer(gateway, plan.CAMERA_INTERFACE, everywhere))
        others = [
            stack.enter_context(Sniffer(gateway, name, everywhere))
            for name in (plan.UPLINK_INTERFACE, plan.RECORDER_INTERFACE)
        ]
        await scan(library, "--interface", plan.CAMERA_INTERFACE)

        assert camera_link.of(own)
        assert [packet for sniffer in others for packet in sniffer.of(own)] == []


async def test_a_person_can_read_it(library: LiveEstate) -> None:
    """One line per device, the rebadged one under its real maker."""
    done = await scan(library, "--interface", plan.CAMERA_INTERFACE)

    (rebadged,) = (line for line in done.out.splitlines() if line.startswith("10.91.1.13 "))
    assert rebadged.split()[1:6] == ["b4:4c:3b:00:77:03", "camera", "dahua", "Intelbras", "VIP-3230-D"]
    assert "7 devices in" in done.err


async def scan(library: LiveEstate, *arguments: str, wrapper: tuple[str, ...] = ()) -> Finished:
    gateway = library.network.sites[0].gateway
    program = str(PROGRAMS / "bartizan-agent")
    return await command(gateway, *wrapper, program, "scan", *arguments, seconds=40)


def identities(done: Finished) -> dict[str, tuple[str, ...]]:
    devices: list[Any] = msgspec.json.decode(done.out)["devices"]
    return {
        device["addresses"][0]: tuple(device["identity"][name] for name in ("kind", "maker", "model", "firmware"))
        for device in devices
    }
