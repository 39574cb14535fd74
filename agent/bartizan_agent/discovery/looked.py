"""Which devices were looked at lately, so that a scan of what has not changed troubles nobody again. Pure."""

from collections.abc import Iterable

import msgspec

from bartizan.identity.model import Evidence
from bartizan.ids import Mac
from bartizan_agent.discovery.sightings import Place

AGAIN_SECONDS = 86_400.0
"""Firmware that changes without a word is noticed after this at the latest."""
AGAIN_SECONDS_IF_CLOSED = 3600.0
"""A device without one open port may have been starting."""
_STATEMENTS = 64  # remembered of one device, whatever it makes up
_PLACES = 4096  # remembered; more are looked at each time


class Looked:
    """What was looked at, when, and what it had said until then by itself."""

    def __init__(self) -> None:
        self._looks: dict[Place, _Look] = {}
        self._said: dict[Place, set[int]] = {}  # hashes: forged senders say a lot

    def is_known(self, place: Place, mac: Mac | None, *, before: float, now: float) -> bool:
        """Return whether the device at an address was looked at before a time, is the same, and needs no look yet."""
        look = self._looks.get(place)
        if look is None or look.at >= before or (mac and look.mac and mac != look.mac):
            return False
        return now - look.at < (AGAIN_SECONDS if look.is_open else AGAIN_SECONDS_IF_CLOSED)

    def note(self, place: Place, mac: Mac | None, now: float) -> None:
        """Note that a look begins."""
        if len(self._looks) < _PLACES or place in self._looks:
            self._looks[place] = _Look(now, mac)

    def opened(self, place: Place) -> None:
        """Note that a port was open there."""
        look = self._looks.get(place)
        if look:
            look.is_open = True

    def is_news(self, place: Place, evidence: Iterable[Evidence]) -> bool:
        """Return whether a device says what it has not said before, and remember that it did."""
        if len(self._said) >= _PLACES and place not in self._said:
            return True
        said = self._said.setdefault(place, set())
        new = {hash(statement) for statement in evidence} - said
        if len(said) + len(new) > _STATEMENTS:
            said.clear()
        said |= new
        return bool(new)

    def forget(self, place: Place) -> None:
        """Have a device looked at again."""
        self._looks.pop(place, None)

    def forget_closed(self, place: Place) -> None:
        """Have a device looked at again if it had no open port."""
        look = self._looks.get(place)
        if look and not look.is_open:
            self.forget(place)

    def forget_all(self) -> None:
        """Have every device looked at again."""
        self._looks.clear()


class _Look(msgspec.Struct):
    at: float
    mac: Mac | None
    is_open: bool = False
