"""A switch's tables, read whole and made into a `View`. What a switch does not have is left out, never guessed."""

from collections.abc import Iterable

import msgspec

from bartizan.ids import Mac
from bartizan_agent.switches import oids
from bartizan_agent.switches.client import Row, Snmp
from bartizan_agent.switches.oids import Oid
from bartizan_agent.switches.port_list import ports_of


class Port(msgspec.Struct, frozen=True):
    """A bridge port."""

    number: int
    interface: int
    """Its ifIndex."""
    name: str
    """Its ifName; the ifIndex in digits where the switch gives none."""
    admin_up: bool
    oper_up: bool
    is_aggregate: bool = False
    pvid: int | None = None
    """None where the switch has no Q-BRIDGE-MIB."""
    awaits_name: bool = False
    """Whether the switch names others and not this one: its interface has just come, and its name comes later."""


class Vlan(msgspec.Struct, frozen=True):
    """A row of the static VLAN table: members by port number."""

    egress: frozenset[int]
    untagged: frozenset[int]


class View(msgspec.Struct, frozen=True):
    """What a switch says of itself."""

    ports: dict[int, Port]
    vlans: dict[int, Vlan]
    learned: dict[Mac, frozenset[int]]
    """The ports on which each address was seen."""
    neighbours: dict[int, frozenset[str]] = {}
    """By port, who says by LLDP that it is there: its MAC if it names itself so, else empty."""

    def macs_on(self, port: int) -> frozenset[Mac]:
        """Return the addresses seen on a port."""
        return frozenset(mac for mac, ports in self.learned.items() if port in ports)


async def read(switch: Snmp) -> View:
    """Return what a switch says of itself.

    Raises:
        SwitchFailed: It does not answer, or not as it should.
    """
    bases = _by_number(await switch.walk(oids.BASE_PORT_IF_INDEX))
    names = await switch.walk(oids.IF_NAME)
    tables = [
        _by_number(await switch.walk(column))
        for column in (oids.IF_ADMIN_STATUS, oids.IF_OPER_STATUS, oids.IF_TYPE, oids.PVID)
    ]
    admin, oper, kinds, pvids = tables
    name_of = {index[-1]: value.decode("utf-8", "replace") for index, value in names if isinstance(value, bytes)}
    ports = {
        number: Port(
            number=number,
            interface=interface,
            name=name_of.get(interface) or str(interface),
            admin_up=admin.get(interface) == oids.UP,
            oper_up=oper.get(interface) == oids.UP,
            is_aggregate=kinds.get(interface) == oids.LINK_AGGREGATE,
            pvid=pvids.get(number),
            awaits_name=bool(name_of) and interface not in name_of,
        )
        for number, interface in bases.items()
    }
    return View(ports, await _vlans(switch), await _learned(switch), await _neighbours(switch, tuple(ports.values())))


async def _vlans(switch: Snmp) -> dict[int, Vlan]:
    egress = _port_lists(await switch.walk(oids.VLAN_EGRESS))
    untagged = _port_lists(await switch.walk(oids.VLAN_UNTAGGED))
    return {vlan: Vlan(ports, untagged.get(vlan, frozenset())) for vlan, ports in egress.items()}


async def _learned(switch: Snmp) -> dict[Mac, frozenset[int]]:
    for port_column, status_column in (
        (oids.Q_FDB_PORT, oids.Q_FDB_STATUS),
        (oids.BRIDGE_FDB_PORT, oids.BRIDGE_FDB_STATUS),
    ):
        ports = await switch.walk(port_column)
        if ports:
            statuses = dict(await switch.walk(status_column))
            return _by_mac(ports, statuses)
    return {}


def _by_mac(ports: Iterable[Row], statuses: dict[Oid, int | bytes]) -> dict[Mac, frozenset[int]]:
    """Both tables end their index with the six octets of the address; port 0 means that nobody knows."""
    found: dict[Mac, frozenset[int]] = {}
    for index, port in ports:
        is_foreign = statuses.get(index) not in {oids.FDB_INVALID, oids.FDB_SELF}
        if isinstance(port, int) and port and is_foreign and len(index) >= 6 and max(index[-6:]) <= 0xFF:
            mac = Mac(":".join(f"{octet:02x}" for octet in index[-6:]))
            found[mac] = found.get(mac, frozenset()) | {port}
    return found


async def _neighbours(switch: Snmp, ports: tuple[Port, ...]) -> dict[int, frozenset[str]]:
    kinds = dict(await switch.walk(oids.LLDP_CHASSIS_KIND))
    chassis = await switch.walk(oids.LLDP_CHASSIS)
    named = _by_name(await switch.walk(oids.LLDP_LOCAL_PORT), ports) if chassis else {}
    found: dict[int, frozenset[str]] = {}
    for index, value in chassis:
        is_mac = kinds.get(index) == oids.CHASSIS_IS_MAC and isinstance(value, bytes) and len(value) == 6
        who = value.hex(":") if is_mac and isinstance(value, bytes) else ""
        for port in _meant(index[1], named, ports) if len(index) == 3 else ():
            found[port] = found.get(port, frozenset()) | {who}
    return found


def _by_name(local: Iterable[Row], ports: Iterable[Port]) -> dict[int, int]:
    """Return the bridge port of each LLDP port that calls itself as an interface is called."""
    numbers = {port.name: port.number for port in ports}
    names = {index[-1]: value.decode("utf-8", "replace") for index, value in local if isinstance(value, bytes)}
    return {port: numbers[name] for port, name in names.items() if name in numbers}


def _meant(lldp: int, named: dict[int, int], ports: Iterable[Port]) -> tuple[int, ...]:
    """LLDP may number ports as the bridge does, or as IF-MIB does: where no name tells, each reading counts."""
    if lldp in named:
        return (named[lldp],)
    return tuple(port.number for port in ports if lldp in {port.number, port.interface})


def _by_number(rows: Iterable[Row]) -> dict[int, int]:
    return {index[-1]: value for index, value in rows if index and isinstance(value, int)}


def _port_lists(rows: Iterable[Row]) -> dict[int, frozenset[int]]:
    return {index[-1]: ports_of(value) for index, value in rows if index and isinstance(value, bytes)}
