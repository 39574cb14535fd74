"""PortList of Q-BRIDGE-MIB: a bit for each bridge port, port 1 the most significant bit of the first octet. Pure."""


def ports_of(octets: bytes) -> frozenset[int]:
    """Return the ports whose bit is set."""
    return frozenset(
        8 * place + bit + 1 for place, octet in enumerate(octets) for bit in range(8) if octet & (0x80 >> bit)
    )


def with_port(octets: bytes, port: int) -> bytes:
    """Return the list with one port more. A list too short for it grows; its length is otherwise kept."""
    place, bit = divmod(port - 1, 8)
    grown = bytearray(octets.ljust(place + 1, b"\0"))
    grown[place] |= 0x80 >> bit
    return bytes(grown)


def without_port(octets: bytes, port: int) -> bytes:
    """Return the list with one port less, as long as before."""
    place, bit = divmod(port - 1, 8)
    changed = bytearray(octets)
    if place < len(changed):
        changed[place] &= ~(0x80 >> bit) & 0xFF
    return bytes(changed)
