"""Whole updates of emulated cameras of each maker, over real sockets: as they should go, and as they go wrong."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bartizan_lab.cameras.faults import Fault
from bartizan_lab.cameras.hikvision.traits import UpgradeForm
from tests.updates.site import TIMINGS, EmulatedCamera, Site, emulate, running_site

KINDS = ("hikvision", "dahua", "axis", "hanwha", "uniview", "onvif")
WAITED_FOR = {Fault.NEVER_COMES_BACK: 4.0, Fault.UPGRADE_FAILS_MIDWAY: 8.0}
"""Seconds until a camera is given up, for faults that show in nothing else. All others have theirs long before."""


def one_of_each(**facts: object) -> list[EmulatedCamera]:
    return [emulate(kind, number, **facts) for number, kind in enumerate(KINDS, start=1)]


def assign_all(site: Site) -> None:
    site.updater.assign(tuple(camera.assignment() for camera in site.cameras.values()))


async def worsen_once_written(site: Site, camera: EmulatedCamera) -> None:
    """Let the new image have a clock that begins in 1970, and an encoder that never starts."""
    await site.until(lambda: camera.camera.flashes)
    camera.camera.state.faults.add(Fault.WRONG_TIME)
    camera.camera.timings = replace(camera.camera.timings, settle_seconds=3600.0)


async def test_every_maker_s_camera_is_updated_and_proven(tmp_path: Path) -> None:
    kinds = (*KINDS, "hikvision-nvr", "hikvision-oem", "dahua-oem", "uniview-old", "uniview-nvr")
    cameras = [emulate(kind, number) for number, kind in enumerate(kinds, start=1)]
    async with running_site(tmp_path, cameras) as site:
        assign_all(site)
        await site.until_ended()

    assert dict.fromkeys(kinds, "succeeded") == site.codes()
    assert [camera.camera.state.meddling for camera in cameras] == [[]] * len(cameras)


async def test_models_of_other_families_take_their_images_in_their_own_way(tmp_path: Path) -> None:
    """A form by PUT, another name of the field on a recorder of few words, a course of writing that is long."""
    cameras = [
        emulate("hikvision", 1, model="DS-2CD1043G0E", upgrade_form=UpgradeForm.PUT_MULTIPART),
        emulate("dahua", 2, model="DHI-NVR5464", sparse_system_info=True),
        emulate("hanwha", 3, model="XRN-6410DB4", modules=("Kernel",) * 12),
    ]
    async with running_site(tmp_path, cameras) as site:
        assign_all(site)
        await site.until_ended()

    assert site.codes() == dict.fromkeys(("hikvision", "dahua", "hanwha"), "succeeded")


async def test_an_update_s_steps_and_its_proof_are_told(tmp_path: Path) -> None:
    async with running_site(tmp_path, [emulate("axis", 9)]) as site:
        camera = site.cameras["axis"]
        before = camera.camera.state.boot_id
        site.updater.assign((camera.assignment(),))
        await site.until_ended()

    assert site.told.states(camera.device.id) == [
        "fetch",
        "verify",
        "window",
        "preflight",
        "back-up",
        "write",
        "wait",
        "prove",
        "commit",
    ]
    (detail,) = site.told.ended(camera.device.id)
    assert detail == {
        "rollout": "spring",
        "image": camera.image.id,
        "state": "commit",
        "code": "succeeded",
        "before": "11.11.160",
        "after": "12.1.5",
        "serial": "ACCC8E000009",
        "boot_before": before,
        "boot_after": camera.camera.state.boot_id,
        "picture": "1920x1080",
        "codec": "H264",
    }
    assert len(list((tmp_path / "backups").glob("*/*.bin"))) == 1


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        (Fault.REFUSES_IMAGE, dict.fromkeys(KINDS, "failed-before-write: image-refused")),
        (
            Fault.UPGRADE_FAILS_MIDWAY,
            dict.fromkeys(KINDS, "failed-rolled-back: not-taken") | {"dahua": "failed-rolled-back: write-failed"},
        ),
        (Fault.UPGRADE_CHANGES_NOTHING, dict.fromkeys(KINDS, "failed-rolled-back: not-taken")),
        (Fault.NEVER_COMES_BACK, dict.fromkeys(KINDS, "failed-needs-visit: did-not-return")),
        (Fault.COMES_BACK_AS_ANOTHER, dict.fromkeys(KINDS, "failed-needs-visit: another-camera")),
        (
            Fault.COMES_BACK_FACTORY_RESET,
            dict.fromkeys(("hikvision", "axis", "hanwha"), "failed-needs-visit: factory-reset")
            | dict.fromkeys(("dahua", "uniview", "onvif"), "failed-needs-visit: login-lost"),
        ),
    ],
)
async def test_each_way_to_fail_ends_in_its_name(tmp_path: Path, fault: Fault, codes: dict[str, str]) -> None:
    patience = WAITED_FOR.get(fault, 30.0)
    async with running_site(tmp_path, one_of_each(faults={fault}), worst_case_seconds=patience) as site:
        assign_all(site)
        await site.until_ended()

    assert codes == site.codes()


async def test_where_the_new_image_works_worse_axis_is_rolled_back_and_the_others_are_visited(tmp_path: Path) -> None:
    async with running_site(tmp_path, one_of_each()) as site:
        assign_all(site)
        async with asyncio.TaskGroup() as tasks:
            for camera in site.cameras.values():
                tasks.create_task(worsen_once_written(site, camera))
        axis = site.cameras["axis"]
        await site.until(lambda: "roll-back" in site.told.states(axis.device.id))
        axis.camera.state.faults.clear()
        axis.camera.timings = TIMINGS
        await site.until_ended()

    assert site.codes() == {
        "hikvision": "failed-needs-visit: picture-lost",
        "dahua": "failed-needs-visit: picture-lost",
        "axis": "failed-rolled-back: picture-lost",
        "hanwha": "failed-needs-visit: picture-lost",
        "uniview": "failed-needs-visit: picture-lost",
        "onvif": "failed-needs-visit: clock-wrong",
    }
    assert axis.camera.state.firmware == "11.11.160"


async def test_what_is_installed_already_is_not_installed_again(tmp_path: Path) -> None:
    async with running_site(tmp_path, [emulate("axis", 1, firmware="12.1.5")]) as site:
        assign_all(site)
        await site.until_ended()

    assert site.codes() == {"axis": "already-installed"}
    assert site.cameras["axis"].camera.state.boots == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault.XML_BOMB,
        Fault.ENDLESS_BODY,
        Fault.REDIRECT,
        Fault.RUBBISH,
        Fault.HALF_CLOSE,
        Fault.WRONG_CONTENT_LENGTH,
        Fault.ABSURD_CONTENT_LENGTH,
    ],
)
async def test_a_camera_that_misbehaves_before_is_left_alone(tmp_path: Path, fault: Fault) -> None:
    async with running_site(tmp_path, one_of_each(faults={fault})) as site:
        assign_all(site)
        await site.until_ended()

    ends = {code.partition(":")[0] for code in site.codes().values()}
    assert ends <= {"failed-before-write", "not-suitable", "succeeded"}, site.codes()
    for camera in site.cameras.values():
        assert camera.camera.state.meddling == []


async def test_odd_namespaces_and_booleans_are_read(tmp_path: Path) -> None:
    odd = {Fault.NAMESPACE_ODD, Fault.BOOLEANS_ODD}
    async with running_site(tmp_path, one_of_each(faults=odd)) as site:
        assign_all(site)
        await site.until_ended()

    assert site.codes() == dict.fromkeys(KINDS, "succeeded")
