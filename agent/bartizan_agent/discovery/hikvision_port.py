"""Hikvision's control port, TCP 8000: it greets, so that nothing need be sent to it."""

from bartizan.identity.model import Fact, Source
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, say

PORT = 8000
GREETING = bytes.fromhex("00000010 0000001e 0000001e 00000000")


def is_complete(data: bytes) -> bool:
    """Return whether as much was read as the greeting is long."""
    return len(data) >= len(GREETING)


def parse(data: bytes) -> Answer:
    """Return the greeting; silence is no statement, for much else listens here."""
    if not data:
        return None
    if data.startswith(GREETING):
        return Heard(say(Fact.GREETING, GREETING.hex(), Source.CONTROL_PORT, 65, "TCP 8000"))
    return Rubbish("TCP 8000 greets with something else than Hikvision's control port")
