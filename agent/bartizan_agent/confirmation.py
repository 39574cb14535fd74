"""Commit-confirm: a change of containment that cuts this gateway off from its controller is amended by itself.

What is amended is the way to the controller and nothing else: TCP between the two ends that were seen to work, let
through where a judgement would drop it. No device, segment, recorder or network is ever put back, so whoever cuts the
link to have a change reverted gains nothing by it (docs/adr/0010).

    settled      the controller answered since the last change that may have cut its way, or no change may have
    unconfirmed  one was made; it has until the deadline
    let through  the deadline passed: the way is let through, until the kernel has shown that this made no difference

The state is on disk, so neither the agent's death nor a reboot stops the deadline.
"""

import contextlib
import logging
import math
import socket
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from bartizan.containment.check import check
from bartizan.containment.management import may_cut
from bartizan.containment.model import ManagementPath, Ruleset
from bartizan.errors import Malformed, Unavailable
from bartizan.ids import Address, address
from bartizan.wire import codec
from bartizan_agent.clock import Clock
from bartizan_agent.durable import replace_file
from bartizan_agent.places import Places

GRACE_SECONDS = 30.0
"""What is left at least after a start: an agent that did not run could not be answered."""

log = logging.getLogger(__name__)


class Confirmed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept on disk."""

    path: ManagementPath | None = None
    """By which the controller answered last; None before it ever did."""
    harmless: tuple[str, ...] = ()
    """Judgements under which it answered, although they would drop the path's packets if these were forwarded."""
    unconfirmed_since: float | None = None
    """Unix seconds."""
    let_through: bool = False
    spared_before: int = 0
    """Packets that the kernel had spared before the way was let through."""


class Confirmation:
    """Whether the controller answered since the last change that may have cut its way."""

    def __init__(self, places: Places, clock: Clock, within_seconds: float) -> None:
        self._file = places.confirmation
        self._clock = clock
        self._within = within_seconds
        self._written = self.state = read(places)
        self._deadline = self._deadline_from_disk()
        self._enforced: Ruleset | None = None
        self._enforced_at = math.inf
        self.suspects: tuple[str, ...] = ()
        """What may have cut the way to the controller, for people."""
        self.is_needed = False
        """Whether the controller is here for having been let through: the kernel had packets to spare."""

    def amended(self, wanted: Ruleset, spared: Callable[[], int]) -> Ruleset:
        """Return `wanted`, with the way to the controller let through if it is time for that.

        Args:
            wanted: What is to be enforced now, without any management path.
            spared: Gives the packets that the kernel has spared so far.
        """
        path = self.state.path
        if path is None:
            return wanted
        suspects = may_cut(wanted, path).difference(self.state.harmless)
        self.suspects = tuple(sorted(suspects))
        if not suspects:
            self._settle(self.state.harmless)
        elif self._deadline is None and not self.state.let_through:
            # A later change does not put it off, or a thief could for ever.
            self._deadline = self._clock.monotonic() + self._within
            self.state = replace(self.state, unconfirmed_since=self._clock.now())
        elif self._deadline is not None and self._clock.monotonic() >= self._deadline:
            log.warning("the controller did not answer since a change: its way is let through", extra=self._fields())
            self._deadline = None
            self.state = replace(self.state, unconfirmed_since=None, let_through=True, spared_before=spared())
        return replace(wanted, management=path) if self.state.let_through else wanted

    def enforced(self, ruleset: Ruleset) -> None:
        """Take note of what is in force now."""
        if ruleset != self._enforced:
            self._enforced, self._enforced_at = ruleset, self._clock.monotonic()

    def answered(self, path: ManagementPath, asked_at: float, spared: Callable[[], int]) -> bool:
        """Take note that the controller's broker answered, to something asked at this monotonic time, by this path.

        Returns:
            Whether it was let through for nothing, so that something else is to be enforced.
        """
        ruleset = self._enforced
        if ruleset is None or asked_at <= self._enforced_at:
            return False
        let_through = self.state.let_through
        if let_through and path == self.state.path and spared() not in (0, self.state.spared_before):
            self.is_needed = True
            return False
        self.state = replace(self.state, path=path)
        self._settle(tuple(sorted(may_cut(ruleset, path))))
        if let_through:
            log.warning("the controller is here, and not for having been let through", extra=self._fields())
        return let_through

    def due_in(self) -> float:
        """Return the seconds until something has to be done; infinity if nothing has."""
        return math.inf if self._deadline is None else max(0.0, self._deadline - self._clock.monotonic())

    def keep(self) -> None:
        """Write what changed to disk. One that refuses costs a reboot's worth of deadline."""
        if self.state == self._written:
            return
        try:
            replace_file(self._file, codec.encode(self.state))
        except Unavailable:
            log.warning("it could not be kept that a change of containment is unconfirmed")
        else:
            self._written = self.state

    def _settle(self, harmless: tuple[str, ...]) -> None:
        self._deadline = None
        self.is_needed = False
        self.state = replace(self.state, harmless=harmless, unconfirmed_since=None, let_through=False, spared_before=0)

    def _deadline_from_disk(self) -> float | None:
        since = self.state.unconfirmed_since
        if since is None:
            return None
        left = since + self._within - self._clock.now()
        # Bounded on both sides: the clock of a machine that has just booted may say anything.
        left = min(max(left, min(GRACE_SECONDS, self._within)), self._within)
        return self._clock.monotonic() + left

    def _fields(self) -> dict[str, object]:
        return {"path": describe(self.state.path), "because": "; ".join(self.suspects)}


def read(places: Places) -> Confirmed:
    """Return what is kept; nothing where it cannot be read, so that nothing is let through."""
    try:
        kept = codec.decode(places.confirmation.read_bytes(), Confirmed)
        check(_alone(kept.path))
    except (OSError, Malformed):
        return Confirmed()
    return kept


def path_between(own: Address, controller: Address, port: int) -> ManagementPath | None:
    """Return the path between two ends, or None where it is none that a packet filter could let through."""
    path = ManagementPath(own, controller, port)
    try:
        check(_alone(path))
    except Malformed:
        return None
    return path


def expect(places: Places, host: str, port: int) -> None:
    """Keep the way to a controller that was never linked to yet: what is enforced first may cut it already."""
    with contextlib.suppress(OSError, ValueError, Unavailable):  # no route or no name yet: the first link will tell
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as asking:
            asking.connect(where)  # asks the routing table, and sends nothing
            path = path_between(address(asking.getsockname()[0]), address(str(where[0])), port)
        replace_file(places.confirmation, codec.encode(Confirmed(path)))


def _alone(path: ManagementPath | None) -> Ruleset:
    return Ruleset((), (), (), management=path)


def describe(path: ManagementPath | None) -> str:
    """Return a path for people."""
    return "" if path is None else f"{path.own} to {path.controller} port {path.port}"
