"""Bosch's discovery: a search to UDP 1757, answered to UDP 1758 wherever it came from, as XML or as 32 octets."""

import socket
import struct
from collections.abc import Iterator

from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.datagrams import Datagram
from bartizan_lab.cameras.xmltext import document, element, fields
from bartizan_lab.network import Network

PORT = 1757
ANSWER_PORT = 1758
RCP_PORT = 1756

_PACKET = struct.Struct(">III")
_MAGIC = 0x9939A427
_SEARCH = 0xFF0006DE


class BoschDiscovery:
    """Answers for one device."""

    def __init__(self, camera: Camera, network: Network, *, binary: bool) -> None:
        self._camera = camera
        self._network = network
        self._binary = binary

    def respond(self, datagram: Datagram) -> Iterator[Datagram]:
        """Answer a search. Whatever else has its magic would set something: noted, never done."""
        if len(datagram.octets) < _PACKET.size:
            return
        magic, transaction, asked = _PACKET.unpack_from(datagram.octets)
        if magic != _MAGIC or datagram.peer[1] == PORT:
            return
        if asked != _SEARCH:
            self._camera.state.meddling.append(f"Bosch packet {asked:#x} from {datagram.peer[0]}")
            return
        answer = self._octets(transaction) if self._binary else self._xml()
        yield Datagram(answer, (datagram.peer[0], ANSWER_PORT))

    def _octets(self, transaction: int) -> bytes:
        own = socket.inet_aton(self._network.address)
        mac = bytes.fromhex(self._camera.state.mac.replace(":", ""))
        places = own + b"\xff\xff\xff\0" + own[:3] + b"\1"
        return struct.pack(">II6s2x", _MAGIC, transaction, mac) + places + bytes(4)

    def _xml(self) -> bytes:
        state = self._camera.state
        pairs = (
            ("friendlyName", state.model),
            ("serialNumber", state.serial),
            ("physAddress", state.mac.replace(":", "-")),
            ("unitIPAddress", self._network.address),
            ("HTTPPort", "80"),
            ("HTTPSPort", "443"),
            ("RCPPort", str(RCP_PORT)),
        )
        return document(element("device", fields(pairs)))
