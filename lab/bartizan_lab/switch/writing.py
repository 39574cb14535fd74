"""What an emulated switch makes of a SET: one object after the other, as most real ones do it. Pure."""

from bartizan_lab.switch import tree
from bartizan_lab.switch.state import SwitchState, Vlan
from bartizan_lab.switch.tree import Oid

DONE, NOT_WRITABLE, WRONG_VALUE, INCONSISTENT = "DONE", "not-writable", "wrong-value", "inconsistent-value"
CREATE_AND_GO, DESTROY = 4, 6


def write(state: SwitchState, oid: Oid, value: bytes | int) -> str:
    """Change the state, and return what `pass_persist` answers.

    Quirks: `refuse` names what is never taken (`pvid`, `egress`, `untagged`, `row`); with `one-untagged` a port that
    becomes an untagged member of a VLAN stops being one of the others, as many switches have it.
    """
    *column, index = oid
    match tuple(column), value:
        case (tree.PVID, int(vlan)):
            return _refused(state, "pvid") or _set_pvid(state, index, vlan)
        case ((*table, 2), bytes(octets)) if tuple(table) == tree.STATIC_VLAN:
            return _refused(state, "egress") or _set_egress(state, index, tree.ports_in(octets))
        case ((*table, 4), bytes(octets)) if tuple(table) == tree.STATIC_VLAN:
            return _refused(state, "untagged") or _set_untagged(state, index, tree.ports_in(octets))
        case ((*table, 5), int(status)) if tuple(table) == tree.STATIC_VLAN:
            return _refused(state, "row") or _set_row(state, index, status)
    return NOT_WRITABLE


def _refused(state: SwitchState, name: str) -> str:
    return INCONSISTENT if name in state.quirks.get("refuse", "").split() else ""


def _set_pvid(state: SwitchState, port: int, vlan: int) -> str:
    if port not in state.pvid:
        return NOT_WRITABLE
    if vlan not in state.vlans:
        return INCONSISTENT
    state.pvid[port] = vlan
    return DONE


def _set_egress(state: SwitchState, number: int, ports: set[int]) -> str:
    vlan = state.vlans.get(number)
    if vlan is None:
        return INCONSISTENT
    if not ports <= set(state.pvid):
        return WRONG_VALUE
    vlan.egress = ports
    vlan.untagged &= ports
    return DONE


def _set_untagged(state: SwitchState, number: int, ports: set[int]) -> str:
    vlan = state.vlans.get(number)
    if vlan is None or not ports <= vlan.egress:
        return INCONSISTENT
    vlan.untagged = ports
    if "one-untagged" in state.quirks:
        for other in (each for each in state.vlans.values() if each is not vlan):
            other.egress -= ports & other.untagged
            other.untagged -= ports
    return DONE


def _set_row(state: SwitchState, number: int, status: int) -> str:
    if status == CREATE_AND_GO and number not in state.vlans:
        state.vlans[number] = Vlan()
    elif status == DESTROY and number in state.vlans and number not in state.pvid.values():
        del state.vlans[number]
    else:
        return INCONSISTENT
    return DONE
