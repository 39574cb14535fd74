"""Sony discovery over UDP 2380: lines of `KEY:value`, each ended by FF, between STX and ETX.

It only ever enquires: other commands of the same port change devices.
"""

from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, read_mac, read_port, say

PORT = 2380
MAKER = "sony"
LIMIT = 8 * 1024  # octets
_BEGIN, _END, _LINE_END = b"\x02", b"\x03", b"\xff"
_LINES = 64


def request() -> bytes:
    """Return the enquiry."""
    return _BEGIN + b"ENQ:allinfo" + _LINE_END + _END


def parse(data: bytes) -> Answer:
    """Return what an answer says; the enquiry of somebody else says nothing."""
    if not data.startswith(_BEGIN) or not data.endswith(_END):
        return Rubbish("message on port 2380 that is no Sony discovery answer")
    lines = data[1:-1][:LIMIT].split(_LINE_END)[:_LINES]
    pairs = (line.decode("utf-8", "replace").partition(":") for line in lines)
    said = {key.strip().lower(): value.strip() for key, colon, value in pairs if colon}
    if said.get("enq"):
        return None
    claimed = read_mac(said.get("mac", ""))
    if claimed is None and "model" not in said:
        return Rubbish("Sony answer with neither a model nor a MAC address")
    port = read_port(said.get("webport", ""))
    return Heard(
        evidence=(
            *say(Fact.MAKER, MAKER, Source.SONY, 75, "answers on UDP 2380"),
            *say(Fact.MODEL, said.get("model", ""), Source.SONY, 75, "MODEL"),
            *say(Fact.SERIAL, said.get("serial", ""), Source.SONY, 75, "SERIAL"),
            *say(Fact.FIRMWARE, said.get("softversion", ""), Source.SONY, 65, "SOFTVERSION"),
            *say(Fact.MAC, claimed or "", Source.SONY, 75, "MAC"),
        ),
        claimed_mac=claimed,
        web_ports=(port,) if port else (),
    )
