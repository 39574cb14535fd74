"""Where on a bridge a device is: scans speak on the bridge, and devices are held at its ports.

A transparent bridge has one link on all its sides. What is beyond its uplink is nobody's to look at: who was not seen
to send by a camera port is neither connected to nor told of.
"""

import logging
import time
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from bartizan.identity.model import Observation
from bartizan.ids import Mac
from bartizan_agent.discovery import rtnetlink
from bartizan_agent.discovery.interfaces import Interface, dump, interfaces

GOOD_FOR_SECONDS = 1.0

log = logging.getLogger(__name__)


class Ports:
    """The camera ports of this machine's bridges, and who was seen behind which.

    Args:
        names: Of the ports; none: every interface is a segment of its own, and everybody on it is ours.
        clock: Seconds that only rise.
    """

    def __init__(self, names: Iterable[str] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._names = frozenset(names)
        self._clock = clock
        self._read_at = float("-inf")
        self._port_of: dict[Mac, str] = {}
        """Kept where the bridge has forgotten: it does after five minutes of silence."""

    def is_ours(self, mac: Mac | None) -> bool:
        """Return whether a device is behind one of the ports."""
        return not self._names or self._port(mac) in self._names

    def placed(self, observations: Iterable[Observation]) -> tuple[Observation, ...]:
        """Return the observations of devices that are behind a port, each told of its port."""
        if not self._names:
            return tuple(observations)
        found = ((each, self._port(each.mac)) for each in observations)
        return tuple(replace(each, interface=port) for each, port in found if port in self._names)

    def link_of(self, interface: Interface) -> Interface:
        """Return the interface that has the addresses of a segment's link: a port's bridge, or itself."""
        if not self._names:
            return interface
        return next((each for each in interfaces() if interface.bridge and each.index == interface.bridge), interface)

    def _port(self, mac: Mac | None) -> str:
        if self._clock() - self._read_at >= GOOD_FOR_SECONDS:
            self._read_at = self._clock()
            self._renew()
        return self._port_of.get(mac, "") if mac else ""

    def _renew(self) -> None:
        try:
            names = {each.index: each.name for each in interfaces()}
            learned = dump(rtnetlink.RTM_GETNEIGH, rtnetlink.AF_BRIDGE)
        except OSError:
            log.warning("the kernel does not tell who is behind which port of the bridge", exc_info=True)
            return
        for entry in learned:
            if isinstance(entry, rtnetlink.Learned) and entry.index in names:
                self._port_of[entry.mac] = names[entry.index]
