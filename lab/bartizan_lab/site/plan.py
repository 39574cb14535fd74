"""What a lab estate consists of, as data: sites, their cameras, and every address.

    internet   203.0.113.10                        the vendors' clouds
       |
    core       10.80.0.254  --- 10.80.0.10 controller, 10.80.0.20 a department's own server
       |
    gateway n  10.80.0.(100+n) up0
       |- cam0  10.(90+n).1.1/24   switch --- cameras 10.(90+n).1.(10+i)
       `- rec0  10.(90+n).2.1/24   ---------- recorder 10.(90+n).2.10

IPv6 runs beside it: fd00:80::/64 in the core, fd00:n:1::/64 and fd00:n:2::/64 at a site, 2001:db8:113::/64 outside.
"""

from dataclasses import dataclass, field
from typing import Any

from bartizan.ids import Address, Mac, Network, SiteId

INTERNET = Address("203.0.113.10")
INTERNET6 = Address("2001:db8:113::10")
CORE_ROUTER = Address("10.80.0.254")
CONTROLLER = Address("10.80.0.10")
CORE_SERVER = Address("10.80.0.20")
ESTATE_NETWORKS = (Network("10.0.0.0/8"), Network("fd00::/16"))

SWITCH = Address("10.191.0.2")
"""A managed switch's own, on a cable to its gateway that no camera can reach."""
SWITCH_MANAGER = Address("10.191.0.1")
"""The gateway's, on that cable."""

CAMERA_INTERFACE = "cam0"
RECORDER_INTERFACE = "rec0"
UPLINK_INTERFACE = "up0"


@dataclass(frozen=True)
class CameraPlan:
    """One camera: its kind in `bartizan_lab.cameras`, where it stands, and facts that differ from the kind's own."""

    name: str
    kind: str
    number: int
    """Its place on the segment, 0 to 239."""
    mac: Mac
    facts: dict[str, Any] = field(default_factory=dict)
    """As `bartizan_lab.cameras.make` takes them."""


@dataclass(frozen=True)
class SitePlan:
    """One site with one gateway. `number` is 1 to 99 and makes its addresses."""

    id: SiteId
    number: int
    cameras: tuple[CameraPlan, ...]
    bridged: bool = False
    """Whether its gateway is a transparent bridge, with a router of the site's own beyond it."""
    managed_from_inside: bool = False
    """Whether a bridged gateway is reached by an interface that is plugged into the cameras' switch."""
    managed_switch: bool = False
    """Whether the cameras' switch can be set by SNMP."""

    @property
    def own(self) -> Address:
        """A bridged gateway's own address, on the camera segment."""
        return Address(f"10.{90 + self.number}.1.2")

    @property
    def uplink(self) -> Address:
        """The gateway's address in the core."""
        return Address(f"10.80.0.{100 + self.number}")

    @property
    def camera_network(self) -> Network:
        """The camera segment."""
        return Network(f"10.{90 + self.number}.1.0/24")

    @property
    def recorder(self) -> Address:
        """The recorder, behind the gateway's third interface."""
        return Address(f"10.{90 + self.number}.2.10")

    def gateway(self, segment: int) -> Address:
        """The gateway's address on the camera segment (1) or the recorder's (2)."""
        return Address(f"10.{90 + self.number}.{segment}.1")

    def camera(self, number: int) -> Address:
        """A camera's IPv4 address."""
        return Address(f"10.{90 + self.number}.1.{10 + number}")

    def prefix6(self, segment: int) -> str:
        """The IPv6 prefix of a segment, without its `::`."""
        return f"fd00:{self.number}:{segment}"
