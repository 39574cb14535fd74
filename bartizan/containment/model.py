"""What a gateway is to enforce, complete: the input of every renderer and enforcer.

A `Ruleset` is set, never edited. Two equal rulesets render to the same bytes.
"""

import msgspec

from bartizan.containment.level import Level
from bartizan.ids import Address, DeviceId, Mac, Network


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A camera network as the gateway sees it: one interface, and what an unknown device on it may do."""

    interface: str
    default_level: Level


class ContainedDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device and how it is held. Matched by MAC when it sends, by address when it is sent to."""

    id: DeviceId
    interface: str
    level: Level
    macs: tuple[Mac, ...]
    addresses: tuple[Address, ...] = ()
    recorders: tuple[Address, ...] = ()
    """Peers that stay reachable at `isolate`. A recorder that is itself held there needs its cameras among its own."""


class ManagementPath(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The gateway's own way to its controller, by the ends of its TCP connection."""

    own: Address
    controller: Address
    port: int
    """The controller's."""


class Ruleset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything the gateway's packet filter is to do, for all segments at once."""

    segments: tuple[Segment, ...]
    estate_networks: tuple[Network, ...]
    """Where `block-egress` devices may still go; the camera segments' own networks are among them."""
    devices: tuple[ContainedDevice, ...]
    segment_recorders: tuple[Address, ...] = ()
    """Declared recorders: reachable at `isolate` by every device, known or not."""
    routers: tuple[Address, ...] = ()
    """Of a bridged link, its DHCP servers included: ARP, neighbour discovery and DHCP with them pass at `isolate`."""
    management: ManagementPath | None = None
    """Let through where it would be dropped; None unless a change was seen to cut it."""


class DropCounter(msgspec.Struct, frozen=True):
    """Packets of one device dropped on their way to one destination, since the counter was made."""

    mac: Mac
    destination: Address
    protocol: str
    """`tcp`, `udp`, `icmp`, or the protocol number."""
    port: int
    """Destination port; 0 where the protocol has none."""
    packets: int
    octets: int
    first_at: float = 0.0
    """Unix seconds of the reading that first found it; 0 where only the kernel's count is known."""
    last_at: float = 0.0
    """Of the reading that last found it moved."""
    header: str = ""
    """One of its packets in words, the last whose header was heard; empty where none was."""


class NameAsked(msgspec.Struct, frozen=True):
    """A name of the DNS that a device asked for, whoever was to answer."""

    mac: Mac
    name: str
    """Lower case, without the last dot."""
    first_at: float
    last_at: float
    """Unix seconds."""
    times: int
    """Questions heard; not all are."""


class DeviceDrops(msgspec.Struct, frozen=True):
    """Packets that were dropped on either side of one device, since they were first counted."""

    device: DeviceId
    sent: int
    """Packets it sent."""
    received: int
    """Packets sent to it that its own level kept away."""
    unlisted: int = 0
    """Packets it sent that were dropped and counted, but whose destinations are not listed: there were too many."""
