"""What the gateway says to the controller and when, decided without a socket or a clock.

Whatever is not acknowledged is said again, more and more slowly, and at once after a new connection. One batch of
events is on its way at a time: an acknowledgement covers all events before it, so a later batch must not overtake.
"""

from __future__ import annotations

from collections.abc import Callable

from bartizan.errors import Malformed
from bartizan.ids import BootId
from bartizan.wire.down import CatalogueBundle, Down, EventsAck, OrdersEnvelope, ReportAck, ReportWanted
from bartizan.wire.topics import ALL_CATALOGUE, ALL_ORDERS
from bartizan.wire.up import Events, Hello, Report

FIRST_WAIT_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 300.0
Word = Hello | Report | Events
_BROADCASTS: dict[str, type[Down]] = {ALL_CATALOGUE: CatalogueBundle, ALL_ORDERS: OrdersEnvelope}


class Conversation:
    """One gateway's side of the talk, over as many connections as it takes. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._hello = _Retry()
        self._answered = False
        self._lacks = False
        self._named_digest = ""
        self._named_until = 0.0
        self._report = _Retry()
        self._said_digest = ""
        self._acknowledged_digest = ""
        self._events = _Retry()
        self._said_events: tuple[BootId, int] | None = None

    def begin(self) -> None:
        """Start over, on a new connection."""
        self._hello = _Retry()
        self._answered = self._lacks = False
        self._named_digest = ""
        self._report = _Retry()
        self._said_digest = ""
        self._events = _Retry()
        self._said_events = None

    def due_at(self, digest: str, *, events_pending: bool) -> float | None:
        """Return when there is next something to say, or None if nothing is owed.

        Args:
            digest: Of the present report; empty if there is none.
            events_pending: Whether there are unacknowledged events.
        """
        owed = []
        if self._lacks or not self._answered:
            owed.append(self._hello.due_at)
        if digest and digest != self._acknowledged_digest:
            owed.append(self._report_due_at(digest))
        if events_pending:
            owed.append(self._events.due_at if self._said_events else 0.0)
        return min(owed, default=None)

    def speak(
        self, at: float, hello: Callable[[], Hello], report: Report | None, head: Events | None
    ) -> tuple[Word, ...]:
        """Return what to say now, given the present state and the oldest unacknowledged events.

        A hello that the controller never answers was lost by a broker that forgot who listens; it is said again. One
        that names a report gives the controller a moment to say whether it wants that report.
        """
        words: list[Word] = []
        if (self._lacks or not self._answered) and at >= self._hello.due_at:
            words.append(self._say_hello(at, hello()))
        if report and report.digest != self._acknowledged_digest and at >= self._report_due_at(report.digest):
            self._said_digest = report.digest
            self._report.said(at)
            words.append(report)
        if head and (self._said_events is None or at >= self._events.due_at):
            self._said_events = (head.boot, head.events[-1].sequence)
            self._events.said(at)
            words.append(head)
        return tuple(words)

    def heard(self, message: Down) -> None:
        """Take note of what the controller has, or lacks."""
        self._answered = True
        match message:
            case EventsAck(boot, through):
                if self._said_events and self._said_events[0] == boot and self._said_events[1] <= through:
                    self._said_events = None
                    self._events.start_over()
            case ReportAck(digest):
                self._acknowledged_digest = digest
                self._report.start_over()
            case ReportWanted():
                self._acknowledged_digest = ""
                self._named_digest = ""
            case _:
                pass

    def missed(self) -> None:
        """Something is missing that only the controller has: say hello again, whatever else it answers meanwhile."""
        self._lacks = True

    def _say_hello(self, at: float, hello: Hello) -> Hello:
        self._hello.said(at)
        self._answered = self._lacks = False
        if hello.report_digest != self._named_digest:
            self._named_digest, self._named_until = hello.report_digest, self._hello.due_at
        return hello

    def _report_due_at(self, digest: str) -> float:
        if digest == self._said_digest:
            return self._report.due_at
        return self._named_until if digest == self._named_digest else 0.0


class _Retry:
    """When to say something again: after a wait that doubles each time."""

    def __init__(self) -> None:
        self.due_at = 0.0
        self._wait = FIRST_WAIT_SECONDS

    def said(self, at: float) -> None:
        self.due_at = at + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT_SECONDS)

    def start_over(self) -> None:
        self._wait = FIRST_WAIT_SECONDS


def check_place(topic: str, own_topic: str, message: Down) -> None:
    """Check that a message came on a topic where its kind is spoken; anything is on the gateway's own.

    Raises:
        Malformed: It did not.
    """
    if topic != own_topic and not isinstance(message, _BROADCASTS.get(topic, ())):
        raise Malformed(f"{type(message).__name__} is not spoken on {topic}")
