"""One step done on a switch. Lists of ports are read just before they are written, so that no other port is changed."""

from collections.abc import Callable

from bartizan_agent.switches import oids
from bartizan_agent.switches.client import Snmp, SwitchFailed
from bartizan_agent.switches.port_list import with_port, without_port
from bartizan_agent.switches.reading import Port
from bartizan_agent.switches.writing import Admin, Join, Leave, MakeVlan, Pvid, Step

WRITES_AT_ONCE = 300  # to one switch in one round; to move a port takes five


class Setter:
    """Does steps on one switch, so many at most."""

    def __init__(self, switch: Snmp) -> None:
        self._switch = switch
        self._left = WRITES_AT_ONCE
        self._made: set[int] = set()

    async def do(self, step: Step, port: Port) -> None:
        """Do one step for one port.

        Raises:
            SwitchFailed: No answer. Whether it is done is unknown.
            SwitchRefused: The switch would not.
        """
        if not self._left:
            raise SwitchFailed(f"{WRITES_AT_ONCE} settings in one round are enough: the rest waits for the next")
        self._left -= 1
        match step:
            case MakeVlan(vlan):
                await self._make(vlan)
            case Join(vlan, column):
                await self._write((*column, vlan), with_port, port)
            case Leave(vlan, column):
                await self._write((*column, vlan), without_port, port)
            case Pvid(vlan):
                await self._switch.set((*oids.PVID, port.number), vlan, unsigned=True)
            case Admin(up):
                await self._switch.set((*oids.IF_ADMIN_STATUS, port.interface), oids.UP if up else oids.DOWN)

    async def remove_vlan(self, vlan: int) -> None:
        """Take a row out of the static VLAN table."""
        await self._switch.set((*oids.VLAN_ROW_STATUS, vlan), oids.DESTROY)

    async def _make(self, vlan: int) -> None:
        if vlan not in self._made:  # another port of the same round may have wanted it too
            await self._switch.set((*oids.VLAN_ROW_STATUS, vlan), oids.CREATE_AND_GO)
        self._made.add(vlan)

    async def _write(self, oid: oids.Oid, change: Callable[[bytes, int], bytes], port: Port) -> None:
        value = await self._switch.get(oid)
        before = value if isinstance(value, bytes) else b""
        after = change(before, port.number)
        if after != before:  # some ports leave a VLAN by themselves when they join another
            await self._switch.set(oid, after)
