"""Interfaces of camera segments that are called otherwise now: what is plugged into them must not come loose.

The packet filter knows a segment by its interface's name. Within one run of the agent an interface is known by its
number, which it keeps when it is renamed; over a restart by its MAC, which is kept in the state folder if no other
interface has the same: a VLAN has that of its trunk, and taking the one for the other would hold all of the site.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from bartizan.errors import Malformed, Unavailable
from bartizan.ids import Mac
from bartizan.wire import codec
from bartizan_agent.discovery.interfaces import Interface
from bartizan_agent.durable import replace_file

log = logging.getLogger(__name__)


class _Macs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: the MAC of each interface, by the name that the configuration has for it."""

    macs: dict[str, Mac]


class Remembered:
    """The interfaces of the configured names, as they were last seen.

    Args:
        file: Where their MACs are kept for the next start.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._indexes: dict[str, int] = {}
        try:
            self._macs = codec.decode(file.read_bytes(), _Macs).macs
        except (OSError, Malformed):
            self._macs = {}

    def look(self, names: Iterable[str], present: Mapping[str, Interface]) -> dict[str, str]:
        """Return what each configured name that is gone is called now; names whose interface is not there are left out.

        Args:
            names: As configured.
            present: The interfaces that there are, by name.
        """
        names = tuple(names)
        bridges = {each.bridge for each in present.values()}  # a bridge takes the MAC of one of its ports
        others = [each for each in present.values() if each.name not in names and each.index not in bridges]
        there = [present[name] for name in names if name in present]
        shared = Counter(each.mac for each in present.values() if each.index not in bridges)
        self._indexes |= {each.name: each.index for each in there}
        gone = {name: mac for name, mac in self._macs.items() if name in names and name not in present}
        self._keep(gone | {each.name: each.mac for each in there if each.mac and shared[each.mac] == 1})
        found = {}
        for name in names:
            if name not in present:
                now = [each.name for each in others if each.index == self._indexes.get(name)] or [
                    each.name for each in others if each.mac and each.mac == self._macs.get(name)
                ]
                if len(now) == 1:
                    found[name] = now[0]
        return found

    def _keep(self, macs: dict[str, Mac]) -> None:
        if macs == self._macs:
            return
        self._macs = macs
        try:
            replace_file(self._file, codec.encode(_Macs(macs)))
        except Unavailable:
            log.warning("could not keep which interfaces the segments have; a renamed one is not known after a restart")
