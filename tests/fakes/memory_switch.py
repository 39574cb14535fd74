"""A managed switch in memory: the emulated one's own tables and rules, without snmpd and without a wire."""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from bartizan.ids import Mac
from bartizan_agent.switches import oids
from bartizan_agent.switches.client import Row, SwitchFailed, SwitchRefused, Value
from bartizan_agent.switches.oids import Oid
from bartizan_lab.switch import tree, writing
from bartizan_lab.switch.state import SwitchState, Vlan

Ports = set[int]
Pairs = set[frozenset[int]]


class PowerCut(BaseException):
    """The process that speaks to the switch is no more."""


@dataclass
class MemorySwitch:
    """Implements `Snmp`; what happens to its cables is set by assignment."""

    ports: int = 4
    learned: dict[Mac, int] = field(default_factory=dict)
    """The port on which each address is seen."""
    unplugged: Ports = field(default_factory=set)
    silent: bool = False
    cut_after: int | None = None
    """How many more values are set before the asking process dies."""
    writes: int = 0
    down: Ports = field(default_factory=set)
    state: SwitchState = field(default_factory=SwitchState)

    def __post_init__(self) -> None:
        numbers = range(1, self.ports + 1)
        self.state.ports = {f"p{number}": number for number in numbers}
        self.state.pvid = dict.fromkeys(numbers, 1)
        self.state.vlans = {1: Vlan(set(numbers), set(numbers))}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    async def get(self, oid: Oid) -> Value | None:
        self._hear()
        return dict(self._all()).get(oid)

    async def walk(self, column: Oid) -> tuple[Row, ...]:
        self._hear()
        return tuple((oid[len(column) :], value) for oid, value in self._all() if oid[: len(column)] == column)

    async def set(self, oid: Oid, value: Value, *, unsigned: bool = False) -> None:  # noqa: ARG002 - of the protocol
        self._hear()
        if self.cut_after == 0:
            raise PowerCut
        self.writes += 1
        self.cut_after = None if self.cut_after is None else self.cut_after - 1
        if oid[:-1] == oids.IF_ADMIN_STATUS:
            (self.down.add if value == oids.DOWN else self.down.discard)(oid[-1] - 100)
        elif (answer := writing.write(self.state, oid, value)) != writing.DONE:
            raise SwitchRefused(f"it refuses to be set: {answer}")
        if self.cut_after == 0:
            raise PowerCut

    def reachable(self) -> Pairs:
        """Return the pairs of ports of which one hears what the other sends."""
        up = [port for port in self.state.pvid if port not in self.down]
        return {
            frozenset((one, other))
            for one in up
            for other in up
            if one != other and other in self.state.vlans[self.state.pvid[one]].egress
        }

    def _hear(self) -> None:
        if self.silent:
            raise SwitchFailed("no answer")

    def _all(self) -> list[tuple[Oid, Value]]:
        indexes = {name: 100 + number for name, number in self.state.ports.items()}
        seen = [
            (self.state.pvid[port], mac, port)
            for mac, port in self.learned.items()
            if port not in self.down | self.unplugged
        ]
        found = [(each.oid, _value(each)) for each in tree.objects(self.state, seen, indexes)]
        for name, index in indexes.items():
            port = index - 100
            has_link = port not in self.down | self.unplugged
            found += [
                ((*oids.IF_NAME, index), name.encode()),
                ((*oids.IF_ADMIN_STATUS, index), oids.DOWN if port in self.down else oids.UP),
                ((*oids.IF_OPER_STATUS, index), oids.UP if has_link else oids.DOWN),
            ]
        return sorted(found, key=lambda each: each[0])


def _value(found: tree.Object) -> Value:
    match found.type:
        case "octet":
            return bytes.fromhex(found.value)
        case "string":
            return found.value.encode()
    return int(found.value)
