"""What a Hikvision device looks at before it writes an image."""

from bartizan_lab.cameras.camera import Camera, Installed
from bartizan_lab.cameras.faults import Fault
from bartizan_lab.cameras.hikvision.documents import Status
from bartizan_lab.cameras.hikvision.traits import HikvisionTraits, UpgradeForm
from bartizan_lab.cameras.images import HikvisionImage, NotFirmware
from bartizan_lab.cameras.multipart import NotMultipart, parts
from bartizan_lab.cameras.web import Request

FIELD = "firmwareupdate"
"""Name of the form field of a multipart upload, without regard to case."""

_NO_IMAGE = Status(6, "badXmlContent")
_BAD_VERSION = Status(6, "badVersion")
_BAD_DEVICE = Status(6, "badDevType")
_BAD_LANGUAGE = Status(6, "badLanguage")


def examine(request: Request, camera: Camera, traits: HikvisionTraits) -> Installed | Status:
    """Return what the upload would install, or why the device refuses it."""
    try:
        image = HikvisionImage.unpack(_uploaded(request, traits.upgrade_form))
    except (NotFirmware, NotMultipart):
        return _NO_IMAGE
    if Fault.REFUSES_IMAGE in camera.state.faults:
        return _BAD_DEVICE
    return _mismatch(image, traits) or Installed(image.version, image.build)


def _uploaded(request: Request, form: UpgradeForm) -> bytes:
    if form is not UpgradeForm.PUT_MULTIPART:
        return request.body
    for part in parts(request.headers.get("content-type", ""), request.body):
        if part.name == FIELD:
            return part.content
    raise NotMultipart(f"no part is called {FIELD}")


def _mismatch(image: HikvisionImage, traits: HikvisionTraits) -> Status | None:
    if image.device_class != traits.device_class or image.platform != traits.platform:
        return _BAD_DEVICE
    if image.oem_code != traits.oem_code:
        return _BAD_DEVICE
    if image.language != traits.language:
        return _BAD_LANGUAGE
    if traits.oldest_build is not None and image.build < traits.oldest_build:
        return _BAD_VERSION
    return None
