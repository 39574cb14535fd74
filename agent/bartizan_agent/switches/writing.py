"""What to set on a switch so that a port is as it should be, one object at a time, in an order that never opens. Pure.

A port joins its new VLAN before its PVID names it, and leaves the old one last: what some switches insist on, and what
is harmless on the others. A port that is shut for isolation is moved first and let up then.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bartizan_agent.switches import oids
from bartizan_agent.switches.journal import Member, Setting
from bartizan_agent.switches.oids import Oid
from bartizan_agent.switches.reading import View


class MakeVlan(NamedTuple):
    """Make a row of the static VLAN table."""

    vlan: int


class Join(NamedTuple):
    """Make the port one of a VLAN's egress or untagged ports."""

    vlan: int
    column: Oid


class Leave(NamedTuple):
    """The reverse of `Join`."""

    vlan: int
    column: Oid


class Pvid(NamedTuple):
    """Set the VLAN of untagged frames that come in by the port."""

    vlan: int


class Admin(NamedTuple):
    """Let the port up, or shut it down."""

    up: bool


Step = MakeVlan | Join | Leave | Pvid | Admin


def setting(view: View, number: int) -> Setting:
    """Return how a port is set."""
    port = view.ports[number]
    members = (Member(vlan, number in row.untagged) for vlan, row in sorted(view.vlans.items()) if number in row.egress)
    return Setting(port.admin_up, port.pvid, tuple(members))


def steps(view: View, number: int, target: Setting) -> tuple[Step, ...]:
    """Return what is to be set so that a port is as it should be; nothing if it is."""
    now = setting(view, number)
    found: list[Step] = []
    if target.pvid is not None:
        has, wants = _untagged(now), _untagged(target)
        found += [MakeVlan(vlan) for vlan in wants if vlan not in view.vlans]
        found += [Join(vlan, column) for vlan, column in _added(has, wants)]
        found += [Pvid(target.pvid)] if now.pvid != target.pvid else []
        found += [Leave(vlan, column) for vlan, column in reversed(list(_added(wants, has)))]
    if now.admin_up != target.admin_up:
        found.append(Admin(target.admin_up))
    return tuple(found)


def _untagged(each: Setting) -> dict[int, bool]:
    return {member.vlan: member.untagged for member in each.members}


def _added(before: Mapping[int, bool], after: Mapping[int, bool]) -> Iterator[tuple[int, Oid]]:
    """Yield the memberships that only the second one has, each one's egress first: untagged ports are among those."""
    for vlan, untagged in after.items():
        if vlan not in before:
            yield vlan, oids.VLAN_EGRESS
        if untagged and not before.get(vlan, False):
            yield vlan, oids.VLAN_UNTAGGED
