"""The objects of BRIDGE-MIB, Q-BRIDGE-MIB and LLDP-MIB that an emulated switch has, made from its state. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from bartizan_lab.switch.state import SwitchState

Oid = tuple[int, ...]

BRIDGE: Oid = (1, 3, 6, 1, 2, 1, 17)
BASE_PORT_IF_INDEX: Oid = (*BRIDGE, 1, 4, 1, 2)
BASE_NUM_PORTS: Oid = (*BRIDGE, 1, 2)
TRANSPARENT_FDB: Oid = (*BRIDGE, 4, 3, 1)
Q_BRIDGE: Oid = (*BRIDGE, 7)
Q_FDB: Oid = (*Q_BRIDGE, 1, 2, 2, 1)
CURRENT_VLAN: Oid = (*Q_BRIDGE, 1, 4, 2, 1)
STATIC_VLAN: Oid = (*Q_BRIDGE, 1, 4, 3, 1)
PVID: Oid = (*Q_BRIDGE, 1, 4, 5, 1, 1)
LLDP_LOCAL: Oid = (1, 0, 8802, 1, 1, 2, 1, 3, 7, 1)
LLDP_REMOTE: Oid = (1, 0, 8802, 1, 1, 2, 1, 4, 1, 1)

LEARNED = 3
_ACTIVE = 1


class Object(NamedTuple):
    """One instance: what `pass_persist` prints of it."""

    oid: Oid
    type: str
    value: str


def objects(
    state: SwitchState, learned: Iterable[tuple[int, str, int]], indexes: Mapping[str, int]
) -> tuple[Object, ...]:
    """Return every instance, in the order of their names.

    Args:
        state: Of the switch. Its quirks may be `no-base-ports`, `no-q-bridge`, `no-lldp-names` and `port-list-octets`.
        learned: VLAN, MAC and port of every address learned.
        indexes: Of the interfaces, by name.
    """
    learned = tuple(learned)
    found = [*_transparent(learned), *_neighbours(state)]
    if "no-base-ports" not in state.quirks:
        found += [_integer(BASE_NUM_PORTS, (0,), len(state.ports))]
        found += [
            _integer(BASE_PORT_IF_INDEX, (n,), indexes[name]) for name, n in state.ports.items() if name in indexes
        ]
    if "no-q-bridge" not in state.quirks:
        found += [*_q_fdb(learned), *_vlans(state)]
    return tuple(sorted(found))


def port_list(ports: Iterable[int], octets: int) -> bytes:
    """Return ports as a PortList: port 1 is the first octet's most significant bit."""
    bits = bytearray(octets)
    for port in ports:
        if port <= 8 * octets:
            bits[(port - 1) // 8] |= 0x80 >> ((port - 1) % 8)
    return bytes(bits)


def ports_in(octets: bytes) -> set[int]:
    """Return the ports of a PortList."""
    return {8 * i + bit + 1 for i, octet in enumerate(octets) for bit in range(8) if octet & (0x80 >> bit)}


def _transparent(learned: Iterable[tuple[int, str, int]]) -> Iterator[Object]:
    last = {mac: port for _, mac, port in learned}
    for mac, port in last.items():
        index = _mac_index(mac)
        yield Object((*TRANSPARENT_FDB, 1, *index), "octet", _octets(bytes(index)))
        yield _integer((*TRANSPARENT_FDB, 2), index, port)
        yield _integer((*TRANSPARENT_FDB, 3), index, LEARNED)


def _q_fdb(learned: Iterable[tuple[int, str, int]]) -> Iterator[Object]:
    for vlan, mac, port in learned:
        index = (vlan, *_mac_index(mac))
        yield _integer((*Q_FDB, 2), index, port)
        yield _integer((*Q_FDB, 3), index, LEARNED)


def _vlans(state: SwitchState) -> Iterator[Object]:
    octets = int(state.quirks.get("port-list-octets", "8"))
    for number, vlan in state.vlans.items():
        egress, untagged = (_octets(port_list(ports, octets)) for ports in (vlan.egress, vlan.untagged))
        yield Object((*STATIC_VLAN, 1, number), "string", f"vlan {number}")
        yield Object((*STATIC_VLAN, 2, number), "octet", egress)
        yield Object((*STATIC_VLAN, 3, number), "octet", _octets(bytes(octets)))
        yield Object((*STATIC_VLAN, 4, number), "octet", untagged)
        yield _integer((*STATIC_VLAN, 5), (number,), _ACTIVE)
        yield Object((*CURRENT_VLAN, 4, 0, number), "octet", egress)
        yield Object((*CURRENT_VLAN, 5, 0, number), "octet", untagged)
    for port, vlan_id in state.pvid.items():
        yield Object((*PVID, port), "gauge", str(vlan_id))


def _neighbours(state: SwitchState) -> Iterator[Object]:
    if "no-lldp-names" not in state.quirks:
        for name, port in state.ports.items():
            yield _integer((*LLDP_LOCAL, 2), (port,), 5)  # named as its interface is
            yield Object((*LLDP_LOCAL, 3, port), "string", name)
    for number, neighbour in enumerate(state.neighbours, 1):
        index = (0, neighbour.port, number)
        yield _integer((*LLDP_REMOTE, 4), index, 4)  # the chassis is named by a MAC
        yield Object((*LLDP_REMOTE, 5, *index), "octet", _octets(bytes(_mac_index(neighbour.chassis))))
        yield Object((*LLDP_REMOTE, 12, *index), "octet", _octets(neighbour.capabilities.to_bytes(2, "big")))


def _integer(column: Oid, index: Oid, value: int) -> Object:
    return Object((*column, *index), "integer", str(value))


def _octets(value: bytes) -> str:
    return value.hex(" ")


def _mac_index(mac: str) -> Oid:
    return tuple(bytes.fromhex(mac.replace(":", "")))
