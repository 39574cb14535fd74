"""The checks: what is good practice for a connected camera, why, and how a shortfall is mended. A table.

Sources are guidance for connected cameras: NCSC's guidance for smart security cameras and for high-risk vendors, the
PSTI regulations (SI 2023/1007) with ETSI EN 303 645, and the DfE's specification for schools.
"""

from typing import NamedTuple

from bartizan.hardening.model import Severity
from bartizan.policy.model import HardeningDuty


class Check(NamedTuple):
    """One check, which policy can make a duty."""

    duty: HardeningDuty
    severity: Severity
    title: str
    mend: str
    source: str

    @property
    def id(self) -> str:
        """Its identifier: the name of the duty."""
        return self.duty.value


_NCSC = "NCSC guidance on connected cameras"

CHECKS: tuple[Check, ...] = (
    Check(
        HardeningDuty.NO_DEFAULT_PASSWORD,
        Severity.HIGH,
        "it has a password of its own",
        "set a password that no other device has, and give it to the controller with: bartizan credentials",
        f"{_NCSC}; ETSI EN 303 645 provisions 5.1-1 and 5.1-2; SI 2023/1007",
    ),
    Check(
        HardeningDuty.NO_VENDOR_CLOUD,
        Severity.HIGH,
        "its maker's cloud cannot reach it",
        "switch off the platform or peer-to-peer access in its network settings (EZVIZ or Hik-Connect, P2P, One-Click"
        " Cloud Connection), and hold it at block-egress or tighter",
        f"{_NCSC}; written ministerial statement of 24 November 2022",
    ),
    Check(
        HardeningDuty.NO_UPNP,
        Severity.MEDIUM,
        "it does not announce itself or open the router by UPnP",
        "switch off UPnP in its network settings",
        _NCSC,
    ),
    Check(
        HardeningDuty.NO_TELNET,
        Severity.HIGH,
        "telnet is off",
        "switch off telnet; where it cannot be, isolate it",
        _NCSC,
    ),
    Check(
        HardeningDuty.NO_SSH,
        Severity.MEDIUM,
        "SSH is off",
        "switch off SSH; it is for the maker's service alone",
        _NCSC,
    ),
    Check(
        HardeningDuty.HTTPS_ONLY,
        Severity.MEDIUM,
        "its pages are served by HTTPS alone",
        "switch on HTTPS, then switch HTTP off or have it redirect",
        f"{_NCSC}; ETSI EN 303 645 provision 5.5-1",
    ),
    Check(
        HardeningDuty.ONVIF_LOGIN,
        Severity.HIGH,
        "ONVIF asks for a login",
        "switch on authentication of ONVIF, or switch ONVIF off where no recorder needs it",
        f"{_NCSC}; ETSI EN 303 645 provision 5.5-5",
    ),
    Check(
        HardeningDuty.TIME_SOURCE,
        Severity.LOW,
        "it takes its time from inside",
        "set NTP to a server of your own: footage with a wrong time is poor evidence, and an outside server is not"
        " reached once the device is contained",
        _NCSC,
    ),
    Check(
        HardeningDuty.NO_VENDOR_UPDATES,
        Severity.MEDIUM,
        "it installs no firmware from its maker's cloud by itself",
        "switch off automatic upgrades; vetted firmware comes by: bartizan rollout",
        f"{_NCSC}; firmware is vetted by two people here",
    ),
    Check(
        HardeningDuty.NO_UNKNOWN_PORTS,
        Severity.MEDIUM,
        "no port is open that a camera has no use for",
        "find out what listens there and switch it off; where it cannot be, isolate it",
        f"{_NCSC}; ETSI EN 303 645 provision 5.6-1",
    ),
    Check(
        HardeningDuty.RESOLUTION,
        Severity.LOW,
        "its picture has 1080 lines or more",
        "raise the main stream's resolution, or plan the replacement",
        "DfE specification for surveillance cameras in schools: 1080p at least",
    ),
)
"""In the order in which people read them."""
