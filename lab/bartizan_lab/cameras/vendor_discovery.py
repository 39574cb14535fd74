"""Discovery as Vivotek, Foscam, Sony, Panasonic and Ubiquiti devices answer it, each over a UDP port of its own."""

import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bartizan_lab.cameras.datagrams import Datagram
from bartizan_lab.cameras.state import DeviceState
from bartizan_lab.network import Network

BROADCAST = "255.255.255.255"


@dataclass(frozen=True)
class Dialect:
    """One vendor's protocol: where it is spoken, and the answer to a datagram."""

    port: int
    respond: Callable[[Datagram, DeviceState, Network], Iterator[Datagram]]
    groups: tuple[str, ...] = ()


def _vivotek(asked: Datagram, state: DeviceState, network: Network) -> Iterator[Datagram]:
    magic = bytes.fromhex("4a5d8f1c")
    if len(asked.octets) == 5 and asked.octets[1:] == magic:
        values = (
            (1, b"Network Camera"),
            (2, _octets(state)),
            (3, socket.inet_aton(network.address)),
            (9, state.model.encode()),
        )
        # Type 4 has no length: the octet in its place is the value.
        listed = b"\x04\x02" + b"".join(bytes([kind, len(value)]) + value for kind, value in values)
        yield Datagram(asked.octets[:1] + magic + listed, asked.peer)


def _sony(asked: Datagram, state: DeviceState, network: Network) -> Iterator[Datagram]:
    if asked.octets == b"\x02ENQ:allinfo\xff\x03":
        lines = (
            "ACK:ENQ",
            "INFO:allinfo",
            f"MAC:{state.mac.upper().replace(':', '-')}",
            f"MODEL:{state.model}",
            f"SERIAL:{state.serial}",
            f"SOFTVERSION:{state.firmware}",
            f"IPADR:{network.address}",
            "WEBPORT:80",
        )
        answer = b"\x02" + b"".join(line.encode() + b"\xff" for line in lines) + b"\x03"
        yield Datagram(answer, (BROADCAST, asked.peer[1]))
    elif asked.octets.startswith(b"\x02") and not asked.octets.startswith(b"\x02ACK"):
        state.meddling.append(f"Sony setup from {asked.peer[0]}")


def _panasonic(asked: Datagram, state: DeviceState, network: Network) -> Iterator[Datagram]:
    head = b"\x00\x01"
    if len(asked.octets) < 52 or asked.octets[:2] != head or any(asked.octets[6:12]):
        return
    if asked.octets[4:6] != b"\x00\x0d":
        state.meddling.append(f"Panasonic setup from {asked.peer[0]}")
        return
    values = (
        (0x00, b"\x00"),
        (0x20, socket.inet_aton(network.address)),
        (0x21, b"\xff\xff\xff\x00"),
        (0x25, struct.pack(">H", 80)),
        (0xA7, b"WV-camera\x00"),
        (0xA8, state.model.encode() + b"\x00"),
        (0xA9, state.firmware.encode() + b"\x00"),
        (0xD1, state.serial.encode() + b"\x00"),
    )
    listed = b"".join(struct.pack(">HH", kind, len(value)) + value for kind, value in values)
    answer = (head + b"\x00\x12\x00\x0d" + _octets(state)).ljust(48, b"\x00") + listed + b"\xff\xff"
    yield Datagram(answer + struct.pack(">H", (sum(answer) + 1) & 0xFFFF), (BROADCAST, 10669))


def _ubiquiti(asked: Datagram, state: DeviceState, network: Network) -> Iterator[Datagram]:
    if asked.octets == b"\x01\x00\x00\x00":
        values = (
            (0x02, _octets(state) + socket.inet_aton(network.address)),
            (0x01, _octets(state)),
            (0x03, f"UVC.S2L.v{state.firmware}.67.abcdef0.{state.build:%y%m%d}.1200".encode()),
            (0x0B, b"camera"),
            (0x0C, state.model.encode()),
        )
        listed = b"".join(struct.pack(">BH", kind, len(value)) + value for kind, value in values)
        yield Datagram(b"\x01\x00" + struct.pack(">H", len(listed)) + listed, asked.peer)


def _foscam(asked: Datagram, state: DeviceState, network: Network) -> Iterator[Datagram]:
    """Head of 23 octets, little-endian; the answer of 65 behind it, numbers in the order of the network."""
    head = asked.octets[:23]
    if len(head) < 23 or head[:4] != b"MO_I":
        return
    operation = int.from_bytes(head[4:6], "little")
    if operation > 1:
        state.meddling.append(f"Foscam operation {operation} from {asked.peer[0]}")
    elif operation == 0:
        address = socket.inet_aton(network.address)
        text = state.mac.replace(":", "").upper().encode().ljust(13, b"\0") + b"Yard".ljust(21, b"\0")
        text += address + b"\xff\xff\xff\0" + address[:3] + b"\x01" + address[:3] + b"\x01" + bytes(4)
        text += bytes(int(part) for part in state.firmware.split(".")) + b"\x02\x04\x0a\x02" + b"\x00\x50" + b"\0"
        length = struct.pack("<II", len(text), len(text))
        yield Datagram(b"MO_I\x01\0" + bytes(9) + length + text, (BROADCAST, 10000))


VIVOTEK = Dialect(10000, _vivotek)
FOSCAM = Dialect(10000, _foscam)
SONY = Dialect(2380, _sony)
PANASONIC = Dialect(10670, _panasonic)
UBIQUITI = Dialect(10001, _ubiquiti, groups=("233.89.188.1",))


def _octets(state: DeviceState) -> bytes:
    return bytes.fromhex(state.mac.replace(":", ""))
