"""Dahua's two discovery protocols: DHDiscover (UDP 37810) and the older broadcast (UDP 5050)."""

import json
import socket
import struct
from collections.abc import Iterator, Mapping

from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.dahua.traits import DahuaTraits
from bartizan_lab.cameras.datagrams import Datagram
from bartizan_lab.network import Network

DHIP_PORT = 37810
DHIP_GROUP = "239.255.255.251"
OLD_PORT = 5050
DVRIP_PORT = 37777

_DHIP_HEADER = struct.Struct("<4s4sQIIII")
_DHIP_START = b"\x20\0\0\0"
_DHIP = b"DHIP"

_OLD_REQUEST = bytes.fromhex("a301000100000000000000000000000002000000000000000000000000000000")
_OLD_FIRST_SECTION = 0x78


class DahuaDiscovery:
    """Answers both protocols for one device."""

    def __init__(self, camera: Camera, traits: DahuaTraits, network: Network) -> None:
        self._camera = camera
        self._traits = traits
        self._network = network

    def respond_dhip(self, datagram: Datagram) -> Iterator[Datagram]:
        """Answer `DHDiscover.search`. Without the header, or with another method, there is no answer."""
        request = self._dhip_body(datagram.octets)
        if request.get("method") == "DHDiscover.search":
            yield Datagram(_dhip(self._announcement()), datagram.peer)
        elif request:
            self._camera.state.meddling.append(f"DHIP {request.get('method')} from {datagram.peer[0]}")

    def respond_old(self, datagram: Datagram) -> Iterator[Datagram]:
        """Answer the old search, which is always the same 32 octets."""
        if datagram.octets == _OLD_REQUEST:
            yield Datagram(self._old_answer(), datagram.peer)

    def _dhip_body(self, octets: bytes) -> Mapping[str, object]:
        if len(octets) < _DHIP_HEADER.size:
            return {}
        start, magic, _, length, _, again, _ = _DHIP_HEADER.unpack_from(octets)
        accepted = (_DHIP,) if self._traits.strict_magic else (_DHIP, _DHIP[::-1])
        if start != _DHIP_START or magic not in accepted or length != again:
            return {}
        try:
            body = json.loads(octets[_DHIP_HEADER.size : _DHIP_HEADER.size + length].rstrip(b"\0\n"))
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}

    def _announcement(self) -> Mapping[str, object]:
        state, traits = self._camera.state, self._traits
        device = {
            "AlarmInputChannels": 1,
            "AlarmOutputChannels": 1,
            "DeviceClass": traits.device_class,
            "DeviceType": state.model,
            "Find": "BC",
            "HttpPort": 80,
            "IPv4Address": {
                "DefaultGateway": f"{self._network.address.rpartition('.')[0]}.1",
                "DhcpEnable": True,
                "IPAddress": self._network.address,
                "SubnetMask": "255.255.255.0",
            },
            "Init": 149 if state.factory_state else 150,
            "MachineName": traits.machine_name,
            "Manufacturer": traits.manufacturer,
            "Port": DVRIP_PORT,
            "RemoteVideoInputChannels": 0,
            "SerialNo": state.serial,
            "Vendor": traits.vendor,
            "Version": state.firmware,
            "VideoInputChannels": 1,
            "VideoOutputChannels": 0,
        }
        return {"mac": state.mac, "method": "client.notifyDevInfo", "params": {"deviceInfo": device}}

    def _old_answer(self) -> bytes:
        """Three sections: fixed offsets, MAC and type as text, and lines of names."""
        state = self._camera.state
        second = state.mac.encode() + state.model.encode() + b"\0"
        lines = (f"Name:{self._traits.machine_name}", f"Device:{state.model}", f"SerialNo:{state.serial}")
        third = "".join(f"{line}\r\n" for line in lines).encode()
        first = bytearray(_OLD_FIRST_SECTION)
        struct.pack_into("<BBHI", first, 0, 0xB3, 0, len(second), _OLD_FIRST_SECTION - 32)
        struct.pack_into("<I", first, 0x10, 2)
        struct.pack_into("<H", first, 0x14, len(third))
        struct.pack_into("16s", first, 0x28, state.model.encode())
        own = socket.inet_aton(self._network.address)
        gateway = own[:3] + b"\1"
        first[0x38:0x48] = own + b"\xff\xff\xff\0" + gateway + gateway
        struct.pack_into("<3H", first, 32 + 62, 80, 443, DVRIP_PORT)
        return bytes(first) + second + third


def _dhip(content: Mapping[str, object]) -> bytes:
    body = json.dumps(content).encode() + b"\n\0"
    return _DHIP_HEADER.pack(_DHIP_START, _DHIP, 0, len(body), 0, len(body), 0) + body
