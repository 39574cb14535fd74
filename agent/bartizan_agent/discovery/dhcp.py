"""DHCP requests overheard (RFC 2131): what a device calls itself in the vendor class (option 60), without being asked.

Axis cameras name their model and firmware there; what a class means, fingerprints say.
"""

from bartizan.identity.model import Fact, Source
from bartizan.ids import Address, Mac
from bartizan_agent.discovery.answer import Heard, read_address, read_mac, say

SERVER_PORT = 67
LIMIT = 2048  # octets of one packet
_UDP_HEADER, _FIXED = 8, 236  # octets; of BOOTP, before the magic cookie
_COOKIE = bytes([99, 130, 83, 99])
_BOOTREQUEST, _ETHERNET = 1, 1
_REQUESTED_ADDRESS, _MESSAGE_TYPE, _VENDOR_CLASS, _PAD, _END = 50, 53, 60, 0, 255
_REQUEST, _INFORM = 3, 8  # DISCOVER names no address that the device really gets
_OPTIONS = 64


class Request(Heard, frozen=True):
    """A request that says something of its sender, and the address that it will have."""

    address: Address = Address("")


def parse(packet: bytes, sender: Mac) -> Request | None:
    """Return what an IPv4 packet to a DHCP server says of who sent it; None for anything else.

    Args:
        packet: From the IPv4 header on. Anybody on the link can send it.
        sender: The MAC address that it came from. Requests in the name of another are left aside.
    """
    bootp = packet[4 * (packet[0] & 0x0F) + _UDP_HEADER : LIMIT] if packet else b""
    if len(bootp) < _FIXED + len(_COOKIE) or bootp[0] != _BOOTREQUEST or bootp[1] != _ETHERNET:
        return None
    if bootp[_FIXED : _FIXED + 4] != _COOKIE or read_mac(bootp[28:34].hex()) != sender:
        return None
    options = _options(bootp[_FIXED + 4 :])
    address = _address(bootp[12:16]) or _address(options.get(_REQUESTED_ADDRESS, b""))
    vendor_class = options.get(_VENDOR_CLASS, b"").decode("utf-8", "replace")
    evidence = say(Fact.VENDOR_CLASS, vendor_class, Source.DHCP, 70, "option 60")
    if options.get(_MESSAGE_TYPE) not in {bytes([_REQUEST]), bytes([_INFORM])} or address is None or not evidence:
        return None
    return Request(evidence, sender, address=address)


def _options(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    offset = 0
    for _ in range(_OPTIONS):
        while data[offset : offset + 1] == bytes([_PAD]):
            offset += 1
        if offset + 2 > len(data) or data[offset] == _END:
            break
        found.setdefault(data[offset], data[offset + 2 : offset + 2 + data[offset + 1]])
        offset += 2 + data[offset + 1]
    return found


def _address(octets: bytes) -> Address | None:
    return read_address(".".join(str(octet) for octet in octets)) if len(octets) == 4 else None
