"""Requests: which devices a rollout takes, which it leaves out and why, and how it spreads them over waves."""

import pytest

from bartizan.firmware.model import Image
from bartizan.identity.model import Device, Identity
from bartizan.ids import DeviceId, ImageId, OrganisationId, RolloutId, SiteId
from bartizan.policy.model import SiteFacts
from bartizan.trust.content import Catalogue, DirectorKeys
from bartizan_controller.rollouts.model import Limits, Target
from bartizan_controller.rollouts.request import Choice, Request, choose

NORTH = SiteId("north")
IMAGE = Image(
    id=ImageId("sha256:00"),
    file_name="IPC_G5.dav",
    length=1,
    maker="hikvision",
    models=("DS-2CD2143G2-I",),
    version="V5.7.18 build 240826",
)
CATALOGUE = Catalogue(
    versions={},
    expires_at=0.0,
    director=DirectorKeys({}),
    images=(IMAGE,),
    sites=(SiteFacts(NORTH, OrganisationId("council"), device_tags={DeviceId("0"): ("covers:gate",)}),),
)


def camera(name: str, model: str = "DS-2CD2143G2-I", firmware: str = "V5.5.800 build 210628") -> tuple[SiteId, Device]:
    return NORTH, Device(DeviceId(name), Identity(maker="hikvision", model=model, firmware=firmware), "cam0")


TEN = [camera(str(number)) for number in range(10)]


def ask(request: Request, inventory: list[tuple[SiteId, Device]]) -> Choice:
    return choose(request, CATALOGUE, inventory, by="estates", now=1.0)


def test_waves_hold_the_percentages_asked_for() -> None:
    """Of ten devices, 10, 50 and 100 percent are one, four more and the last five; each device once."""
    waves = ask(Request(RolloutId("spring"), IMAGE.id), TEN).intent.waves

    assert [len(wave.targets) for wave in waves] == [1, 4, 5]
    assert {target.device for wave in waves for target in wave.targets} == {str(number) for number in range(10)}


def test_the_same_request_makes_the_same_waves() -> None:
    """Whatever the order in which the inventory came."""
    request = Request(RolloutId("spring"), IMAGE.id)

    assert ask(request, TEN).intent == ask(request, TEN[::-1]).intent


def test_what_is_left_out_is_told_with_every_reason() -> None:
    """Another model, and one that already has the version."""
    choice = ask(
        Request(RolloutId("spring"), IMAGE.id, wave_percents=(100,)),
        [camera("a"), camera("b", model="DS-2CD2020"), camera("c", firmware="V5.7.18 build 240826")],
    )

    assert [wave.targets for wave in choice.intent.waves] == [(Target(NORTH, DeviceId("a")),)]
    assert choice.left_out[DeviceId("b")] == ("the image is not for DS-2CD2020, but for DS-2CD2143G2-I",)
    assert choice.left_out[DeviceId("c")] == ("V5.7.18 build 240826 is already installed",)


def test_coverage_groups_come_from_signed_tags() -> None:
    """`covers:gate` on a device puts it into the group `gate`."""
    choice = ask(Request(RolloutId("spring"), IMAGE.id, devices=(DeviceId("0"),)), TEN)

    assert choice.intent.waves[0].targets == (Target(NORTH, DeviceId("0"), "gate"),)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (Request(RolloutId("spring"), ImageId("sha256:ff")), "the catalogue holds no image sha256:ff"),
        (Request(RolloutId("spring"), IMAGE.id, wave_percents=(50, 10)), "rising percentages that end with 100"),
        (Request(RolloutId("spring"), IMAGE.id, wave_percents=()), "rising percentages that end with 100"),
        (Request(RolloutId("Spring!"), IMAGE.id), "is not a name"),
        (Request(RolloutId("spring"), IMAGE.id, sites=(SiteId("nowhere"),)), "no device is asked for"),
        (Request(RolloutId("spring"), IMAGE.id, limits=Limits(per_site=0)), "at least one device per site"),
        (Request(RolloutId("spring"), IMAGE.id, limits=Limits(failure_percent=101)), "percentages, 0 to 100"),
    ],
)
def test_a_request_that_makes_no_sense_is_told_what_to_do(request_: Request, says: str) -> None:
    """Nothing is started."""
    with pytest.raises(ValueError, match=says):
        ask(request_, TEN)
