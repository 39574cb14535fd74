"""Every reason why an image must not go on a device; only silence is permission."""

import msgspec
import pytest

from bartizan.firmware.model import Image
from bartizan.firmware.suitability import Installed, why_not
from bartizan.identity.model import Device, Identity
from bartizan.ids import DeviceId, ImageId

IMAGE = Image(
    id=ImageId("sha256:0"),
    file_name="digicap.dav",
    length=1,
    maker="hikvision",
    models=("DS-2CD2143G2-I", "DS-2CD21?3G2-IU"),
    version="V5.7.18 build 240826",
    platforms=("G5",),
    requires_version_at_least="V5.5.0 build 180101",
)
CAMERA = Device(
    DeviceId("d"),
    Identity(maker="hikvision", model="DS-2CD2143G2-I", firmware="V5.5.6 build 180326", platform="g5"),
    "eth1",
)


def camera(**identity: str) -> Device:
    return msgspec.structs.replace(CAMERA, identity=msgspec.structs.replace(CAMERA.identity, **identity))


def image(**changes: object) -> Image:
    return msgspec.structs.replace(IMAGE, **changes)


def test_an_image_that_fits_may_go_on() -> None:
    assert why_not(IMAGE, CAMERA) == ()


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        (camera(maker=""), "the device's maker is unknown"),
        (camera(maker="dahua"), "the image is for hikvision, the device was made by dahua"),
        (camera(model=""), "the device's model is unknown"),
        (
            camera(model="DS-2CD2143G2-IS"),
            "the image is not for DS-2CD2143G2-IS, but for DS-2CD2143G2-I, DS-2CD21?3G2-IU",
        ),
        (camera(platform=""), "the device's platform is unknown, and the image is for G5"),
        (camera(platform="G3"), "the image is for G5, the device is G3"),
        (camera(firmware=""), "what it runs (unknown) cannot be read as a version of hikvision"),
        (camera(firmware="x"), "what it runs (x) cannot be read as a version of hikvision"),
        (camera(firmware="V5.7.18 build 240826"), "V5.7.18 build 240826 is already installed"),
        (
            camera(firmware="V5.7.19 build 250101"),
            "it would be a downgrade, from V5.7.19 build 250101 to V5.7.18 build 240826",
        ),
        (camera(firmware="V5.4.5 build 170123"), "V5.5.0 build 180101 must be installed first"),
    ],
)
def test_one_reason_is_enough(device: Device, reason: str) -> None:
    assert why_not(IMAGE, device) == (reason,)


def test_what_cannot_be_compared_stays_off() -> None:
    assert why_not(IMAGE, camera(firmware="V5.5.6")) == (
        "whether V5.7.18 build 240826 is newer than V5.5.6 cannot be told",
        "whether V5.5.6 is at least V5.5.0 build 180101 cannot be told",
    )


def test_build_dates_known_apart_from_the_version_count() -> None:
    separate = image(version="V5.7.18", build_date="2024-08-26", requires_version_at_least="")

    assert why_not(separate, camera(firmware="V5.5.6", build_date="2018-03-26")) == ()
    assert why_not(separate, camera(firmware="V5.7.18", build_date="2024-08-26")) == ("V5.7.18 is already installed",)


def test_what_the_device_says_now_outweighs_the_inventory() -> None:
    assert why_not(IMAGE, CAMERA, Installed("V5.7.18 build 240826", platform="G5")) == (
        "V5.7.18 build 240826 is already installed",
    )


def test_a_recalled_image_goes_nowhere() -> None:
    assert why_not(image(recalled=True), CAMERA) == ("digicap.dav was recalled",)


def test_an_image_for_no_model_or_of_no_version_goes_nowhere() -> None:
    assert why_not(image(models=()), CAMERA) == ("the image is not for DS-2CD2143G2-I, but for no model",)
    assert why_not(image(version="newest"), CAMERA) == (
        "the image's version 'newest' cannot be read as one of hikvision",
    )


def test_all_reasons_are_told_together() -> None:
    assert len(why_not(image(recalled=True), camera(maker="dahua", model="x", platform="G3"))) == 4
