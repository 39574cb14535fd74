"""What has arrived and is not taken yet.

What the broker waits to have acknowledged is bounded by the Receive Maximum. Of a publish at QoS 0 it remembers
nothing, so whoever shouts that way could fill the memory: of those only a few wait here, and the rest goes unheard.
A gateway speaks at QoS 1, and says again whatever is not answered.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from bartizan.wire.mqtt5 import Message

UNCONFIRMED_AT_MOST = 200
UNCONFIRMED_OCTETS = 16 * 1024 * 1024


class Inbox:
    """Messages in their order. One reads."""

    def __init__(self, on_unheard: Callable[[], None]) -> None:
        self._on_unheard = on_unheard
        self._waiting: deque[Message] = deque()
        self._came = asyncio.Event()
        self._unconfirmed = 0
        self._unconfirmed_octets = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def put(self, message: Message) -> None:
        """Add a message, or let it go unheard."""
        if not message.number and not self._has_room(len(message.payload)):
            self._on_unheard()
            return
        self._waiting.append(message)
        self._came.set()

    async def take(self, at_most: int, octets: int) -> list[Message]:
        """Wait for a message; return it and those behind it, up to `at_most`, until they make so many octets."""
        while not self._waiting:
            self._came.clear()
            await self._came.wait()
        taken: list[Message] = []
        while self._waiting and len(taken) < at_most and octets > 0:
            message = self._waiting.popleft()
            octets -= len(message.payload)
            taken.append(message)
            if not message.number:
                self._unconfirmed -= 1
                self._unconfirmed_octets -= len(message.payload)
        return taken

    def _has_room(self, octets: int) -> bool:
        if self._unconfirmed >= UNCONFIRMED_AT_MOST or self._unconfirmed_octets + octets > UNCONFIRMED_OCTETS:
            return False
        self._unconfirmed += 1
        self._unconfirmed_octets += octets
        return True
