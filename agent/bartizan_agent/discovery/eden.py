"""Eden Optima discovery over UDP 8088: two words, answered by broadcast with XML. Door controllers, not cameras.

Known from third-party code written against real devices, not from the vendor.
"""

import re

from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, read_mac, read_port, say

PORT = 8088
MAKER = "eden"
_SEARCH = b"DETECT BOX"
_FOUND = "BOX"
_LIMIT = 4096  # octets


def request() -> bytes:
    """Return the search."""
    return _SEARCH


def parse(data: bytes) -> Answer:
    """Return what an answer says; the search of somebody else says nothing."""
    if data.strip() == _SEARCH:
        return None
    word, bar, described = data[:_LIMIT].decode("utf-8", "replace").partition("|")
    if word != _FOUND or not bar:
        return Rubbish("message on port 8088 that is no Optima discovery answer")
    serial = _element(described, "serialNumber")
    if not serial:
        return Rubbish("Optima answer without a serial number")
    claimed = read_mac(serial)
    port = read_port(_element(described, "portWeb"))
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.EDEN, 75, "answers on UDP 8088"),
            *say(Fact.KIND, "access controller", Source.EDEN, 70, "the protocol is of door controllers"),
            *say(Fact.MODEL, "Optima box", Source.EDEN, 55, "answers on UDP 8088"),
            *say(Fact.MAC, claimed or "", Source.EDEN, 70, "serialNumber"),
            *say(Fact.SERIAL, "" if claimed else serial, Source.EDEN, 70, "serialNumber"),
        ),
        claimed_mac=claimed,
        web_ports=(port,) if port else (),
    )


def _element(text: str, name: str) -> str:
    """Return the text of the first such element: answers are not always well-formed."""
    match = re.search(f"<{name}>([^<]{{1,128}})</{name}>", text)
    return match.group(1).strip() if match else ""
