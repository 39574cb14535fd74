"""360 Vision discovery over UDP 3600: a word, answered by broadcast with the same word and `KEY=value` pairs.

Known from third-party code written against real devices, not from the vendor.
"""

import re

from bartizan.identity.model import Fact, Kind, Source
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, read_mac, say

PORT = 3600
MAKER = "360vision"
_WORD = b"DISCOVER"
_LIMIT = 2048  # octets
_PAIR = re.compile(r"""([A-Za-z_][A-Za-z0-9_]{0,31})=('[^']*'|"[^"]*"|[^ ]*)""")


def request() -> bytes:
    """Return the search."""
    return _WORD + b"\n"


def parse(data: bytes) -> Answer:
    """Return what the first line of an answer says; the search of somebody else says nothing."""
    word, _, rest = data[:_LIMIT].partition(b"\n")[0].strip().partition(b" ")
    if word != _WORD:
        return Rubbish("message on port 3600 that is no 360 Vision discovery answer")
    said = {key.upper(): value.strip("'\"") for key, value in _PAIR.findall(rest.decode("utf-8", "replace"))}
    if not said:
        return None
    claimed = read_mac(said.get("KEY", ""))
    if claimed is None and "TYPE" not in said:
        return Rubbish("360 Vision answer with neither a type nor a MAC address")
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.VISION360, 75, "answers on UDP 3600"),
            *say(Fact.KIND, Kind.CAMERA.value, Source.VISION360, 65, "the protocol is of cameras"),
            *say(Fact.MODEL, said.get("TYPE", ""), Source.VISION360, 55, "TYPE"),
            *say(Fact.MAC, claimed or "", Source.VISION360, 70, "KEY"),
        ),
        claimed_mac=claimed,
    )
