"""Discovery as 360 Vision, VStarcam, NiceVision and Eden Optima devices answer it.

As third-party scanners found it on real devices; no vendor has published any of the four.
"""

import socket
from collections.abc import Iterator

from bartizan_lab.cameras.datagrams import Datagram
from bartizan_lab.cameras.state import DeviceState
from bartizan_lab.cameras.vendor_discovery import BROADCAST, Dialect
from bartizan_lab.network import Network


def _vision360(asked: Datagram, state: DeviceState, _: Network) -> Iterator[Datagram]:
    if asked.octets.strip() == b"DISCOVER":
        number = int(state.mac.replace(":", "")[-8:], 16)
        answer = f"DISCOVER TYPE={state.model} KEY='{state.mac}' ID={number}\n"
        yield Datagram(answer.encode(), (BROADCAST, 3600))
    elif not asked.octets.startswith(b"DISCOVER "):
        state.meddling.append(f"360 Vision command from {asked.peer[0]}")


def _vstarcam(asked: Datagram, state: DeviceState, network: Network) -> Iterator[Datagram]:
    """A record of 524 octets, texts in fields of 16 and 32, the port little-endian."""
    if asked.octets[:2] != b"DH":
        return
    if asked.octets != b"DH\x01\x01":
        state.meddling.append(f"VStarcam command from {asked.peer[0]}")
        return
    address = network.address.encode()
    near = ".".join([*network.address.split(".")[:3], "1"]).encode()
    texts = b"".join(text.ljust(16, b"\0") for text in (address, b"255.255.255.0", near, near, near))
    told = _octets(state) + (80).to_bytes(2, "little") + state.serial.encode().ljust(32, b"\0")
    told += b"Yard".ljust(80, b"\0") + state.firmware.encode().ljust(16, b"\0")
    yield Datagram((b"DH\x01\x08" + texts + told).ljust(524, b"\0"), (asked.peer[0], 8601))


def _nicevision(asked: Datagram, state: DeviceState, network: Network) -> Iterator[Datagram]:
    """Answered to the port that the search names, its transaction repeated."""
    if len(asked.octets) != 14 or not asked.octets.startswith(b"NICE"):
        return
    if asked.octets[6:8] != b"\x01\x08":
        state.meddling.append(f"NiceVision command from {asked.peer[0]}")
        return
    address = socket.inet_aton(network.address)
    head = asked.octets[:6] + b"\x01\x09\x00\x50" + _octets(state)
    head += address + b"\xff\xff\xff\x00" + address[:3] + b"\x01"
    answer = head.ljust(0x4A, b"\0") + state.model.encode()[:16].ljust(16, b"\0")
    yield Datagram(answer, (BROADCAST, int.from_bytes(asked.octets[12:14], "big")))


def _eden(asked: Datagram, state: DeviceState, network: Network) -> Iterator[Datagram]:
    if asked.octets == b"DETECT BOX":
        near = ".".join([*network.address.split(".")[:3], "1"])
        answer = (
            f"BOX|<root><serialNumber>{state.mac.upper()}</serialNumber><network><dhcp>0</dhcp>"
            f"<adresseIP>{network.address}</adresseIP><masqueSousReseau>255.255.255.0</masqueSousReseau>"
            f"<passerelle>{near}</passerelle></network><portWeb>80</portWeb></root>"
        )
        yield Datagram(answer.encode(), (BROADCAST, 8088))
    elif not asked.octets.startswith(b"BOX|"):
        state.meddling.append(f"Optima command from {asked.peer[0]}")


VISION360 = Dialect(3600, _vision360)
VSTARCAM = Dialect(8600, _vstarcam)
NICEVISION = Dialect(2007, _nicevision)
EDEN = Dialect(8088, _eden)


def _octets(state: DeviceState) -> bytes:
    return bytes.fromhex(state.mac.replace(":", ""))
