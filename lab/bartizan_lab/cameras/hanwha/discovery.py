"""Hanwha's discovery: a request of fixed length to UDP 7701, answered to UDP 7711 wherever it came from."""

import struct
from collections.abc import Iterator

from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.datagrams import Datagram
from bartizan_lab.network import Network

PORT = 7701
ANSWER_PORT = 7711

_LENGTH = 0x106
_REQUEST, _ANSWER = 0x01, 0x0B


class HanwhaDiscovery:
    """Answers for one device."""

    def __init__(self, camera: Camera, network: Network) -> None:
        self._camera = camera
        self._network = network

    def respond(self, datagram: Datagram) -> Iterator[Datagram]:
        """Answer a search. Packets of another kind set addresses and passwords: noted, never done."""
        octets = datagram.octets
        if len(octets) != _LENGTH or octets[0] == _ANSWER:
            return
        if octets[0] != _REQUEST:
            self._camera.state.meddling.append(f"Hanwha packet {octets[0]:#04x} from {datagram.peer[0]}")
            return
        yield Datagram(self._answer(), (datagram.peer[0], ANSWER_PORT))

    def _answer(self) -> bytes:
        address = self._network.address
        answer = bytearray(_LENGTH)
        answer[0] = _ANSWER
        for offset, length, text in (
            (0x13, 18, self._camera.state.mac.upper()),
            (0x25, 16, address),
            (0x35, 16, "255.255.255.0"),
            (0x45, 16, f"{address.rpartition('.')[0]}.1"),
            (0x6D, 10, self._camera.state.model[:9]),
            (0x85, 39, f"http://{address}/"),
        ):
            struct.pack_into(f"{length}s", answer, offset, text.encode())
        return bytes(answer)
