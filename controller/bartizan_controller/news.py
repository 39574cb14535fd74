"""Wakes those who wait for something that was committed. Says only *that* there is news; what it is, is read."""

import asyncio


class News:
    """A bell that many can wait for. Used from the event loop's thread only."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits now."""
        self._rung.set()
        self._rung = asyncio.Event()

    def listen(self) -> asyncio.Event:
        """Return what will be set by the next ring. Listen first, then look, then wait: nothing is missed."""
        return self._rung
