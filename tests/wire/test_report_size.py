"""The largest site's report fits into one message, whatever was found of its devices."""

from bartizan.containment.level import Level
from bartizan.hardening.checks import CHECKS
from bartizan.hardening.model import Hardening, Shortfall
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import Address, DeviceId, Mac
from bartizan.wire import codec
from bartizan.wire.up import DevicePosture
from bartizan_agent.settings import Limits

REASON = "maker Hikvision by greeting of TCP 8000 (00000010 0000001e 0000001e 00000000), weight 65"
EVIDENCE = "access by its maker's cloud is on (/ISAPI/System/Network/EZVIZ)"


def test_a_report_of_as_many_devices_as_an_agent_lists_fits_into_one_message() -> None:
    """Each with more reasons than usual, and most of its checks failed."""
    shortfalls = tuple(Shortfall(check.id, EVIDENCE) for check in CHECKS[:8])
    device = Device(
        DeviceId("serial:DS-2CD2143G2-I20240101AAWR123456789"),
        Identity(
            "hikvision", "Hikvision", Kind.CAMERA, "DS-2CD2143G2-I", "V5.7.18 build 240826", reasons=(REASON,) * 6
        ),
        "cam0",
        (Mac("44:19:b6:12:34:56"),),
        (Address("10.9.0.20"),),
        vulnerabilities=("CVE-2021-36260", "CVE-2017-7921"),
        hardening=Hardening(shortfalls, tuple(check.id for check in CHECKS[8:])),
    )
    posture = DevicePosture(device.id, Level.ISOLATE, Level.ISOLATE, ("isolate, because " + REASON * 2,))
    octets = len(codec.encode(device)) + len(codec.encode(posture)) + 2

    assert octets * Limits().devices < codec.LIMIT
