"""A gateway towards its cameras: what is to be done with them, and what they say once they are logged in to."""

import asyncio
from collections.abc import Callable, Iterable

from bartizan.identity.model import Device, Evidence, Observation
from bartizan.ids import DeviceId
from bartizan.wire import events
from bartizan_agent import changes
from bartizan_agent.assignments import assigned, credential_for
from bartizan_agent.channels import Told, recorded
from bartizan_agent.clock import BEHIND, BEHIND_SECONDS
from bartizan_agent.drivers.contract import Channel, Failure
from bartizan_agent.notes import note
from bartizan_agent.parts import CameraWork, Parts

_TOLD_OTHERWISE = frozenset({"login-refused", "login-withheld", "in-use"})
"""Why a device was not read, where another event says it or nothing is wrong with it."""


class CameraSide:
    """Employs the updater and the reads, and takes in what devices say of themselves."""

    def __init__(self, parts: Parts, stir: Callable[[float], None]) -> None:
        """Employ nobody yet.

        Args:
            parts: Of the gateway.
            stir: Called with the monotonic time at which something became known that may change what is enforced.
        """
        self._parts = parts
        self._stir = stir
        self._frozen_because = ""
        self.work: CameraWork | None = None
        """Made as soon as there is anything to do."""
        self.is_wanted = asyncio.Event()
        """`work` is there now."""

    def employ(self) -> None:
        """Hand the updater and the reads what they are to do; make them if there is anything."""
        parts, last_good, now = self._parts, self._parts.last_good, self._parts.clock.now()
        devices = {device.id: device for device in parts.roster.devices}
        credentials = last_good.credentials
        # Two gateways must not update one camera: a standby leaves that to the gateway it stands by for.
        books = last_good.books if last_good.serves == last_good.site else ()
        work = assigned(books, last_good.catalogue, last_good.facts, devices, credentials, now)
        for order, reason in work.impossible:
            told = note(
                events.UPDATE_REFUSED,
                order.device,
                rollout=order.rollout,
                image=order.image,
                code="image-missing",
                reason=reason,
            )
            parts.announcements.once(f"order {order.id} attempt {order.attempt}", reason, told)
        readable = [
            (device, credential)
            for device in devices.values()
            if device.addresses and not device.lost and (credential := credential_for(device, credentials))
        ]
        may_check = last_good.facts.default_password_check
        if self.work is None and (work.assignments or readable or parts.updates_unfinished or may_check):
            self.work = parts.cameras(Told(self.learn, self.tie, self.unread))
            self.is_wanted.set()
        self._frozen_because = self._why_frozen(now)
        if self.work is not None:
            self.work.assign(work, frozen_because=self._frozen_because)
            self.work.consider(readable)
            self.work.check_default_passwords(devices.values(), permitted=may_check)

    def has_thawed_or_frozen(self) -> bool:
        """Return whether it is otherwise than at the last `employ` whether anything may be flashed, or why not."""
        return self._why_frozen(self._parts.clock.now()) != self._frozen_because

    def seen(self, observations: Iterable[Observation]) -> None:
        """Tell those at work which devices were seen alive."""
        if self.work is None:
            return
        macs = {observation.mac for observation in observations}
        for device in self._parts.roster.devices:
            if not macs.isdisjoint(device.macs):
                self.work.seen_alive(device.id)

    def learn(self, device: DeviceId, evidence: tuple[Evidence, ...]) -> None:
        """Take in what a device said of itself once it was logged in to."""
        roster = self._parts.roster
        if roster.device(device) is not None:
            before = roster.devices
            self._parts.outbox.record(*changes.notes(roster.learn(device, evidence)))
            self._stir_if_other(before)

    def tie(self, recorder: DeviceId, channels: tuple[Channel, ...]) -> None:
        """Keep which cameras a recorder records; tell it, where that is otherwise than it was told last."""
        roster = self._parts.roster
        found = recorded(channels, roster.devices)
        before = roster.devices
        roster.tie(recorder, found.channels)
        self._stir_if_other(before)
        cameras, strangers = " ".join(sorted(found.cameras)), " ".join(sorted(found.strangers))
        told = note(events.RECORDER_CHANNELS, recorder, cameras=cameras, strangers=strangers)
        self._parts.announcements.once(f"channels of {recorder}", f"{cameras} / {strangers}", told)

    def unread(self, device: DeviceId, failure: Failure | None) -> None:
        """Tell why a device cannot be asked who it is, once until the cause is another or it can be asked again."""
        if self._parts.roster.device(device) is None or (failure is not None and failure.code in _TOLD_OTHERWISE):
            return
        told = (
            [] if failure is None else [note(events.CAMERA_NOT_READ, device, code=failure.code, reason=failure.reason)]
        )
        self._parts.announcements.once(f"reading {device}", failure.code if failure else "", *told)

    def _stir_if_other(self, before: tuple[Device, ...]) -> None:
        if self._parts.roster.devices != before:
            self._stir(self._parts.clock.monotonic())

    def _why_frozen(self, now: float) -> str:
        """Return why nothing may be flashed at present; nothing if it may."""
        if self._parts.last_good.is_expired(now):
            return "the catalogue has expired"
        if self._parts.clock.behind_seconds() > BEHIND_SECONDS:
            return BEHIND
        if not self._parts.is_durable:
            return "the gateway's disk takes no journal"
        return ""
