"""A machine with the agent's own code, and a controller that it can be the gateway of."""

import asyncio
import contextlib
import dataclasses
import functools
import random
from collections.abc import AsyncIterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from bartizan.ids import SiteId
from bartizan_agent import app
from bartizan_agent.catalogue_fetch import CatalogueFetch, Patience
from bartizan_agent.enrol import enrol
from bartizan_agent.errors import EnrolmentFailed
from bartizan_agent.gateway import Gateway
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.link import Link
from bartizan_agent.places import Places
from bartizan_agent.settings import Interface, Settings, load
from bartizan_agent.store import open_volatile
from bartizan_agent.tls import client_context
from bartizan_controller.access import Role
from bartizan_controller.store import events as event_rows
from bartizan_controller.store.events import EventFilter, RecordedEvent
from tests.controller.running import ORGANISATION, Running
from tests.fakes.memory_firewall import MemoryFirewall

NUMBERS = count(1)


class Machine:
    """A gateway's disk."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(folder / "state")
        self.configuration = folder / "agent.toml"

    async def enrol(self, url: str, token: str, *, replace: bool = False) -> Settings:
        """Do what `bartizan-agent enrol` does."""
        segments = [Interface("cam0")]
        return await asyncio.to_thread(
            enrol, url, token, segments, places=self.places, configuration=self.configuration, replace=replace
        )

    async def refused(self, url: str, token: str, *, replace: bool = False) -> str:
        """Return why enrolment was refused; nothing is changed by it."""
        before = self.content()
        with pytest.raises(EnrolmentFailed) as refusal:
            await self.enrol(url, token, replace=replace)
        assert self.content() == before
        return str(refusal.value)

    def content(self) -> dict[Path, bytes]:
        folder = self.configuration.parent
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextlib.asynccontextmanager
async def linked(
    machine: Machine, firewall: MemoryFirewall | None = None, *, fetching: Patience | None = None
) -> AsyncIterator[Gateway]:
    """Start the agent's state and its link to the controller, without segments to look at.

    The catalogue is fetched by HTTPS only where it is said with how much patience.
    """
    settings, keys = load(machine.configuration), IdentityKeys(machine.places.keys)
    with closing(open_volatile(app.SCHEMAS)) as connection:
        parts = app.build(settings, machine.places, app.Opened(connection), firewall or MemoryFirewall())
        tls = functools.partial(client_context, keys.ca_file, keys.certificate_file, keys.tls_key_file)
        if fetching is not None:
            url, chance = settings.controller.images_url, random.Random(1)
            fetch = CatalogueFetch(url, tls, parts.last_good, clock=parts.clock, chance=chance, patience=fetching)
            parts = dataclasses.replace(parts, fetch=fetch)
        gateway = Gateway(parts)
        gateway.start(())
        link = Link(
            settings.controller,
            site=settings.site,
            boot=parts.boot,
            tls=tls,
            voice=gateway,
            outbox=parts.outbox,
            news=parts.news,
            clock=parts.clock,
            chance=random.Random(1),
        )
        async with asyncio.TaskGroup() as tasks:
            running: list[asyncio.Task[None]] = [tasks.create_task(link.run())]
            if fetching is not None:
                running.append(tasks.create_task(parts.fetch.run(gateway.accept)))
            yield gateway
            for task in running:
                task.cancel()


async def new_site(running: Running) -> tuple[SiteId, str]:
    """Return a new site and a token for its gateway."""
    site = SiteId(f"place-{next(NUMBERS)}")
    async with running.caller(Role.ADMIN) as admin:
        (await admin.post("sites", json={"id": site, "organisation": ORGANISATION})).raise_for_status()
        answer = (await admin.post(f"sites/{site}/enrolment-token")).raise_for_status()
    return site, answer.json()["token"]


def heard(running: Running, site: SiteId, kind: str) -> tuple[RecordedEvent, ...]:
    """Return the events of a kind that the controller keeps of a site."""
    wanted = EventFilter(site=site, kind=kind)
    return tuple(running.parts.database.query(lambda c: event_rows.page(c, wanted, after=0, limit=9)))
