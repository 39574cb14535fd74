"""What the passing of time makes of a gateway: a catalogue that expires, a clock that is wrong."""

from contextlib import suppress

from bartizan.wire import events
from bartizan_agent.clock import BEHIND_SECONDS
from bartizan_agent.notes import note
from bartizan_agent.parts import Parts


class TimeWatch:
    """Looks at the clock, and at what it means for the catalogue; tells each thing once."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._was_set = False

    def look(self) -> bool:
        """Look once; return whether the clock was set since the last look."""
        parts, clock = self._parts, self._parts.clock
        catalogue, expired = parts.last_good.catalogue, parts.last_good.is_expired(clock.now())
        since = f"{catalogue.expires_at:.0f}" if expired and catalogue.versions else ""
        told = [note(events.CATALOGUE_EXPIRED, since=since)] if since else []
        parts.announcements.once("catalogue expired", since, *told)
        behind = clock.behind_seconds()
        is_behind = behind > BEHIND_SECONDS
        told = [note(events.AGENT_CLOCK, offset_seconds=f"{-behind:.0f}")] if is_behind else []
        parts.announcements.once("clock behind", "yes" if is_behind else "", *told)
        stepped = clock.stepped_seconds()
        if stepped:
            parts.outbox.record(note(events.AGENT_CLOCK, offset_seconds=f"{stepped:.0f}"))
            self._was_set = True
        with suppress(OSError):  # a full disk: the floor stays where it was
            clock.keep(no_later_than=catalogue.expires_at)
        return bool(stepped)

    def was_set(self) -> bool:
        """Return, once, whether the clock was set: what it made look expired may not be."""
        was_set, self._was_set = self._was_set, False
        return was_set
