"""Whoever changed the packet filter is told of, whichever way it was put right; a release is no such thing."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bartizan.ids import SiteId
from bartizan.wire import events
from bartizan_agent import app, release
from bartizan_agent.gateway import Gateway
from bartizan_agent.notes import note
from bartizan_agent.places import Places
from bartizan_agent.release import Release
from bartizan_agent.settings import ControllerSettings, SegmentSettings, Settings
from bartizan_agent.store import open_volatile
from tests.fakes.memory_firewall import MemoryFirewall

SETTINGS = Settings(
    SiteId("town-hall"), ControllerSettings("mqtts://controller", "https://controller"), (SegmentSettings("cam0"),)
)
HOUR = 3600.0


class Site:
    """A started gateway whose packet filter somebody else can reach."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.firewall, self.places = MemoryFirewall(), Places(folder)
        parts = app.build(SETTINGS, self.places, app.Opened(connection), self.firewall)
        self.gateway, self._outbox = Gateway(parts), parts.outbox
        self.gateway.start(())

    def drift(self) -> list[tuple[str, str]]:
        """What was found and whether it was repaired, of each event."""
        head = self._outbox.head()
        told = [event for event in head.events if event.kind == events.CONTAINMENT_DRIFT] if head else []
        return [(event.detail["found"], event.detail["repaired"]) for event in told]

    @property
    def is_open(self) -> bool:
        """Whether nothing is enforced."""
        return self.firewall.enforced is None


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with closing(open_volatile(app.SCHEMAS)) as connection:
        yield Site(tmp_path, connection)


@pytest.mark.parametrize("notice", [Gateway.look, Gateway.reconcile], ids=["seen", "put right by the way"])
def test_a_flushed_table_is_told_once(site: Site, notice: Callable[[Gateway], None]) -> None:
    site.firewall.enforced = None

    notice(site.gateway)
    notice(site.gateway)

    assert site.drift() == [("the table is gone", "yes")]


def test_what_nobody_changed_is_not_told(site: Site) -> None:
    site.gateway.reconcile()
    site.gateway.look()

    assert site.drift() == []


def test_neither_a_release_nor_its_end_is_told_as_drift(site: Site) -> None:
    now = time.time()
    lifted = Release(by="duty officer", reason="drill", began_at=now, ends_at=now + HOUR)
    with release.changing(site.places):
        release.begin(site.places, lifted, note(events.CONTAINMENT_RELEASED, by=lifted.by, reason=lifted.reason))
        site.firewall.enforced = None  # the command has a way to the kernel of its own
    site.gateway.attend()
    release.end(site.places)
    site.gateway.attend()

    assert not site.is_open
    assert site.drift() == []
