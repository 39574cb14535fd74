"""Refused messages become events that operators see; a gateway gone mad does not fill the database with them."""

from bartizan.errors import Refused
from bartizan.ids import SiteId
from bartizan.wire import events
from bartizan_controller.link.parse import site_of
from bartizan_controller.store.events import RecordedEvent

QUIET_SECONDS = 60.0
REMEMBERED = 10_000
TOPIC_CHARACTERS = 200


class Refusals:
    """Remembers which refusals were told of lately: one event a minute for each site and reason."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], float] = {}
        self._repeated: dict[tuple[str, str], int] = {}

    def event(self, topic: str, refused: Refused, *, now: float) -> RecordedEvent | None:
        """Return the event that tells of a refusal, or None if it was told of in the last minute."""
        site = site_of(topic) or SiteId("")
        key = (site, refused.code)
        if now - self._told.get(key, -QUIET_SECONDS) < QUIET_SECONDS:
            self._repeated[key] = self._repeated.get(key, 0) + 1
            return None
        if len(self._told) >= REMEMBERED:
            self._told.clear()
            self._repeated.clear()
        self._told[key] = now
        detail = {"topic": topic[:TOPIC_CHARACTERS], "code": refused.code, "reason": str(refused)}
        if repeated := self._repeated.pop(key, 0):
            detail["untold_before"] = str(repeated)
        return RecordedEvent(site=site, at=now, received_at=now, kind=events.MESSAGE_REFUSED, detail=detail)
