"""Everything that logs in to cameras: updates and reads. Imported when there is a first reason to, for its memory."""

import asyncio
import sqlite3
from collections.abc import Iterable

from bartizan.identity.model import Device
from bartizan.ids import DeviceId
from bartizan.trust.credentials import Credential
from bartizan.wire import events
from bartizan_agent import camera_certificates, default_passwords, login_budget
from bartizan_agent.assignments import Assigned
from bartizan_agent.camera_http import CameraHttp
from bartizan_agent.channels import Told
from bartizan_agent.clock import BEHIND, BEHIND_SECONDS, GatewayClock
from bartizan_agent.default_passwords import DefaultPasswords
from bartizan_agent.drivers import DRIVERS
from bartizan_agent.identity_keys import IdentityKeys
from bartizan_agent.images import ImageCache
from bartizan_agent.login_budget import LoginBudget
from bartizan_agent.notes import note
from bartizan_agent.outbox import Outbox
from bartizan_agent.places import Places
from bartizan_agent.reads import Reads
from bartizan_agent.settings import Settings
from bartizan_agent.tls import client_context
from bartizan_agent.turns import Turns
from bartizan_agent.updates import engine
from bartizan_agent.updates.engine import Updater


class Cameras:
    """The updater and the reads of one site, and the budget, the sessions and the images they share."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        settings: Settings,
        places: Places,
        keys: IdentityKeys,
        *,
        clock: GatewayClock,
        outbox: Outbox,
        told: Told,
    ) -> None:
        self._outbox = outbox
        for schema in (login_budget.SCHEMA, camera_certificates.SCHEMA, default_passwords.SCHEMA):
            connection.executescript(schema)
        budget = LoginBudget(connection, clock.now, self._refused_login)
        http = CameraHttp(budget, connection, clock=clock.now, turns=Turns(places.turns))
        images = ImageCache(
            places.images,
            settings.controller.images_url,
            tls=lambda: client_context(keys.ca_file, keys.certificate_file, keys.tls_key_file),
            limit=settings.limits.images_octets,
        )
        self._reads = Reads(http.open, told, clock, settings.limits.reads_at_once)
        self._passwords = DefaultPasswords(connection, http.open, told.learn, self._tried_default, clock)
        self._updater = Updater(
            connection,
            DRIVERS,
            http.open,
            images,
            clock=clock,
            emit=self._tell,
            settings=engine.Settings(places.backups, settings.limits.updates_at_once),
            # The gateway looks at its clock every few minutes; a camera must not be flashed in between.
            hold=lambda: BEHIND if clock.behind_seconds() > BEHIND_SECONDS else "",
        )

    async def run(self) -> None:
        """Update and read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._updater.run(), name="updater")
            tasks.create_task(self._reads.run(), name="reads")
            tasks.create_task(self._passwords.run(), name="default passwords")

    def assign(self, assigned: Assigned, *, frozen_because: str) -> None:
        """Take over what is to be installed; begin no more writing where there is a reason not to."""
        if frozen_because:
            self._updater.freeze(frozen_because)
        else:
            self._updater.thaw()
        self._updater.assign(assigned.assignments)

    def consider(self, readable: Iterable[tuple[Device, Credential]]) -> None:
        """Take over whom to ask who they are."""
        self._reads.consider(readable)

    def check_default_passwords(self, devices: Iterable[Device], *, permitted: bool) -> None:
        """Take over which devices there are to try once with a default password, if the site permits it."""
        self._passwords.consider(devices, permitted=permitted)

    def seen_alive(self, device: DeviceId) -> None:
        """A device was seen at work."""
        self._updater.seen_alive(device)

    def _tell(self, kind: str, device: DeviceId, detail: dict[str, str]) -> None:
        # Raises where the disk refuses, so that the journal's step, of the same transaction, is not taken either.
        self._outbox.write(note(kind, device, **detail))
        if kind in {events.UPDATE_SUCCEEDED, events.UPDATE_FAILED}:
            self._reads.soon(device)

    def _tried_default(self, device: DeviceId, outcome: str) -> None:
        self._outbox.record(note(events.CAMERA_DEFAULT_PASSWORD, device, outcome=outcome))

    def _refused_login(self, camera: str, attempts: int) -> None:
        if camera == self._passwords.trying:
            return  # told by its own event: nobody gave a wrong password
        self._outbox.record(note(events.CAMERA_REFUSED_LOGIN, DeviceId(camera), attempts=attempts))
