"""Small rulesets and packets that meet each other often, for properties and for the kernel."""

from hypothesis import strategies as st

from bartizan.containment.level import Level
from bartizan.containment.model import ContainedDevice, ManagementPath, Ruleset, Segment
from bartizan.ids import Address, DeviceId, Mac, Network
from tests.containment.reference_model import Packet

SEGMENTS = ("cam0", "cam1")
UPLINK = "core0"
MACS = tuple(Mac(f"02:00:00:00:00:{number:02x}") for number in range(1, 7))
CAMERAS4 = {f"10.9.{segment}.{host}": f"cam{segment}" for segment in (0, 1) for host in (11, 12, 13)}
CAMERAS6 = {f"fd00:{letter}::{host}": f"cam{segment}" for segment, letter in enumerate("ab") for host in (11, 12, 13)}
ESTATE4, ESTATE6 = ("10.1.0.5", "10.1.0.6"), ("fd00:1::5", "fd00:1::6")
ABROAD4, ABROAD6 = ("198.51.100.7", "203.0.113.9"), ("2001:db8::7", "2001:db8::9")
INTERFACES = {**CAMERAS4, **CAMERAS6, **dict.fromkeys((*ESTATE4, *ESTATE6, *ABROAD4, *ABROAD6), UPLINK)}
"""Every address in play, and the gateway's interface towards it."""

_PORTS = st.sampled_from((53, 80, 123, 443, 554, 853))
_LEVELS = st.sampled_from(Level)
_NETWORKS = st.sampled_from(("10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/24", "10.9.0.0/16", "fd00::/8", "fd00:1::/64"))
# One outside the estate: a recorder stays reachable wherever it is.
_RECORDERS = st.sampled_from((*ESTATE4, *ESTATE6, ABROAD4[0], ABROAD6[0], "10.9.1.11"))


def _some(pool: st.SearchStrategy[str], most: int, least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(pool, min_size=least, max_size=most, unique=True).map(tuple)


@st.composite
def devices(draw: st.DrawFn, number: int) -> ContainedDevice:
    """A device that may share MACs and addresses with others, or be listed on the wrong segment."""
    macs = draw(_some(st.sampled_from(MACS), most=2))
    least = 0 if macs else 1
    return ContainedDevice(
        id=DeviceId(f"device-{number}"),
        interface=draw(st.sampled_from(SEGMENTS)),
        level=draw(_LEVELS),
        macs=tuple(Mac(mac) for mac in macs),
        addresses=_addresses(draw(_some(st.sampled_from((*CAMERAS4, *CAMERAS6)), most=4, least=least))),
        recorders=_addresses(draw(_some(_RECORDERS, most=3))),
    )


@st.composite
def rulesets(draw: st.DrawFn) -> Ruleset:
    """A ruleset over the pools above."""
    return Ruleset(
        segments=tuple(Segment(name, draw(_LEVELS)) for name in SEGMENTS),
        estate_networks=tuple(Network(network) for network in draw(_some(_NETWORKS, most=4))),
        devices=tuple(draw(devices(number)) for number in range(draw(st.integers(0, 6)))),
        segment_recorders=_addresses(draw(_some(_RECORDERS, most=2))),
        management=draw(st.none() | paths()),
    )


@st.composite
def paths(draw: st.DrawFn) -> ManagementPath:
    """A way between two of the addresses, likely enough to be that of a packet."""
    v6 = draw(st.booleans())
    own, controller = (
        draw(st.sampled_from(pool))
        for pool in ((tuple(CAMERAS6), ESTATE6) if v6 else (tuple(CAMERAS4), (*ESTATE4, *ABROAD4)))
    )
    return ManagementPath(Address(own), Address(controller), draw(_PORTS))


_STRAY = st.tuples(
    st.sampled_from((*SEGMENTS, UPLINK)),
    st.sampled_from(MACS),
    _PORTS,
    st.booleans(),
    st.sampled_from(("", "", "own", "controller", "port", "protocol", "fragment")),
)


def packets_near(path: ManagementPath) -> st.SearchStrategy[Packet]:
    """Packets of this way in both directions, or of one that differs from it in one thing; on any interface."""
    return _STRAY.map(lambda stray: _near(path, *stray))


def _near(path: ManagementPath, interface: str, mac: Mac, port: int, back: bool, unlike: str) -> Packet:  # noqa: FBT001 - drawn
    other4, other6 = ("10.1.0.6", "fd00:1::6") if unlike == "controller" else ("10.9.1.13", "fd00:b::13")
    other = other6 if ":" in path.own else other4
    own = other if unlike == "own" else path.own
    controller = other if unlike == "controller" else path.controller
    there = 443 if unlike == "port" and path.port != 443 else path.port
    source, destination = (controller, own) if back else (own, controller)
    return Packet(
        interface,
        INTERFACES[destination],
        mac,
        source,
        destination,
        "udp" if unlike == "protocol" else "tcp",
        from_port=there if back else port,
        to_port=port if back else there,
        later_fragment=unlike == "fragment",
    )


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    """A packet from any interface with any source, honest or not, to any address that the gateway can route to."""
    v6 = draw(st.booleans())
    pool = tuple(address for address in INTERFACES if (":" in address) == v6)
    protocol = draw(st.sampled_from(("tcp", "udp", "icmp", *(("hidden",) if v6 else ()))))
    source, destination = draw(st.sampled_from(pool)), draw(st.sampled_from(pool))
    honest = draw(st.booleans())
    has_ports = protocol in ("tcp", "udp")
    return Packet(
        from_interface=INTERFACES[source] if honest else draw(st.sampled_from((*SEGMENTS, UPLINK))),
        to_interface=INTERFACES[destination],
        from_mac=draw(st.sampled_from((*MACS, Mac("02:00:00:00:00:ff")))),
        source=source,
        destination=destination,
        protocol=protocol,
        from_port=draw(_PORTS) if has_ports else 0,
        to_port=draw(_PORTS) if has_ports else 0,
        later_fragment=draw(st.booleans()) if protocol != "hidden" else False,
    )


def _addresses(texts: tuple[str, ...]) -> tuple[Address, ...]:
    return tuple(Address(text) for text in texts)
