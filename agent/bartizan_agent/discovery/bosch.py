"""Bosch discovery: asked on UDP 1757, answered to UDP 1758, by XML or by 32 octets that hold little but the MAC."""

import struct
from uuid import UUID

from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery import loose_xml
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, read_mac, read_port, say

PORT = 1757
ANSWER_PORT = 1758
MAKER = "bosch"
_MAGIC = 0x9939A427
_SEARCH = 0xFF0006DE
_BINARY_LENGTH = 32


def request(uuid: UUID) -> bytes:
    """Return the search. Its transaction number is only echoed."""
    return struct.pack(">III", _MAGIC, uuid.int & 0xFFFFFFFF, _SEARCH)


def parse(data: bytes) -> Answer:
    """Return what an answer of either form says."""
    if data.startswith(_MAGIC.to_bytes(4, "big")):
        return _binary(data)
    root = loose_xml.read(data)
    if isinstance(root, Rubbish):
        return Rubbish("answer on port 1758 that is no Bosch discovery answer")
    said = loose_xml.fields(root)
    claimed = read_mac(said.get("physaddress", ""))
    if claimed is None and "serialnumber" not in said:
        return Rubbish("Bosch answer with neither a MAC address nor a serial number")
    port = read_port(said.get("httpport", ""))
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.BOSCH, 75, "answers on UDP 1758"),
            # The friendly name is the model unless somebody has changed it.
            *say(Fact.MODEL, said.get("friendlyname", ""), Source.BOSCH, 50, "friendlyName"),
            *say(Fact.SERIAL, said.get("serialnumber", ""), Source.BOSCH, 75, "serialNumber"),
            *say(Fact.MAC, claimed or "", Source.BOSCH, 70, "physAddress"),
        ),
        claimed_mac=claimed,
        web_ports=(port,) if port else (),
    )


def _binary(data: bytes) -> Answer:
    if data[8:12] == _SEARCH.to_bytes(4, "big"):
        return None
    claimed = read_mac(data[8:14].hex())
    if len(data) != _BINARY_LENGTH or claimed is None:
        return Rubbish("Bosch answer of the binary form that is cut short or has no MAC address")
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.BOSCH, 70, "answers on UDP 1758"),
            *say(Fact.MAC, claimed, Source.BOSCH, 70, "MAC"),
        ),
        claimed_mac=claimed,
    )
