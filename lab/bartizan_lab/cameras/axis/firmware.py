"""VAPIX firmware management: two slots, of which a new image has to be committed or falls back by itself."""

import asyncio
import contextlib
import enum
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bartizan_lab.cameras.axis.traits import AxisTraits, version_numbers
from bartizan_lab.cameras.camera import Camera, Installed
from bartizan_lab.cameras.faults import Fault
from bartizan_lab.cameras.flash import FlashState
from bartizan_lab.cameras.images import AXIS_IMAGE, NotFirmware, SealedImage
from bartizan_lab.network import Network

_DEFAULT_ROLLBACK_MINUTES = 10
Answer = Mapping[str, object]


class FirmwareError(Exception):
    """A request that VAPIX answers with an error: HTTP 200, and these in the body."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class AutoCommit(enum.Enum):
    """When a new image is committed without being told to."""

    NEVER = "never"
    BOOT = "boot"
    STARTED = "started"
    DEFAULT = "default"


@dataclass(frozen=True)
class Trial:
    """How a new image, not committed yet, will end if nobody says anything."""

    commit: AutoCommit
    rollback_minutes: int | None
    """After its first boot; None is never."""


class FirmwareManager:
    """The slots of one device, and the methods of `firmwaremanagement.cgi`."""

    def __init__(self, camera: Camera, traits: AxisTraits) -> None:
        self.committed = True
        self.inactive: Installed | None = None
        self._camera = camera
        self._traits = traits
        self._trial: Trial | None = None
        """Of the image being written, then of the one running uncommitted."""
        self._upgraded_at: datetime | None = None
        self._reset_after_upgrade = False
        self._falling_back = False
        self.methods: Mapping[str, Callable[[Mapping[str, object]], Answer]] = {
            "status": lambda _: self.status(),
            "commit": lambda _: self._commit(),
            "rollback": lambda _: self._roll_back(),
            "purge": lambda _: self._purge(),
            "factoryDefault": self._factory_default,
            "stopAuto": lambda _: self._stop_auto(),
            "reboot": lambda _: self._reboot(),
        }

    def status(self) -> Answer:
        """Return the status, with only those fields that mean something now."""
        state = self._camera.state
        committed = "isCommitted" if self._traits.spells_committed_right else "isCommited"
        answer: dict[str, object] = {
            "activeFirmwareVersion": state.firmware,
            "activeFirmwarePart": "10205490",
            committed: self.committed,
        }
        if self.inactive is not None:
            answer["inactiveFirmwareVersion"] = self.inactive.firmware
        if self._upgraded_at is not None:
            answer["lastUpgradeAt"] = self._upgraded_at.isoformat(timespec="seconds")
        if not self.committed and self._trial is not None:
            if self._trial.commit in {AutoCommit.STARTED, AutoCommit.DEFAULT}:
                answer["pendingCommit"] = "started"
            if (seconds := self._seconds_to_rollback()) is not None:
                answer["timeToRollback"] = max(0, int(seconds))
        return answer

    def upgrade(self, params: Mapping[str, object], octets: bytes) -> Answer:
        """Check an image, write it, and reboot into it.

        Raises:
            FirmwareError: It is refused.
        """
        self._refuse_if_not_ready()
        trial = _trial(params)
        image = self._examined(octets, hard_reset=params.get("factoryDefaultMode") == "hard")
        # "Any inactive firmware is purged when an upgrade starts even if it fails."
        self.inactive = None
        if Fault.UPGRADE_FAILS_MIDWAY in self._camera.state.faults:
            raise FirmwareError(500, "Internal error")
        self._trial = trial
        self._reset_after_upgrade = params.get("factoryDefaultMode") in {"soft", "hard"}
        self._upgraded_at = self._camera.now()
        self._camera.begin_flash_and_reboot(Installed(image.version, image.build))
        return {"firmwareVersion": image.version}

    def begin_boot(self, before: Installed, *, upgraded: bool) -> None:
        """Take up a boot: into a new image, back from an uncommitted one, or as always."""
        if upgraded:
            self.inactive = before
            self.committed = self._trial is not None and self._trial.commit is AutoCommit.BOOT
            if self._reset_after_upgrade:
                self._camera.factory_reset()
        elif not self.committed or self._falling_back:
            # A power cycle before the commit rolls back as well.
            self._swap_back()
        self._reset_after_upgrade = self._falling_back = False

    @contextlib.asynccontextmanager
    async def open(self, network: Network, tasks: asyncio.TaskGroup) -> AsyncIterator[None]:  # noqa: ARG002 - one form for all services
        """Watch the time of a trial while the device is up."""
        if not self.committed and self._trial is not None:
            tasks.create_task(self._commit_when_started())
            tasks.create_task(self._fall_back_in_time())
        yield

    async def _commit_when_started(self) -> None:
        await asyncio.sleep(self._camera.timings.settle_seconds)
        if self._trial is not None and self._trial.commit in {AutoCommit.STARTED, AutoCommit.DEFAULT}:
            self._commit()

    async def _fall_back_in_time(self) -> None:
        seconds = self._seconds_to_rollback()
        if seconds is None:
            return
        await asyncio.sleep(seconds)
        if not self.committed and self._seconds_to_rollback() is not None:
            self._camera.reboot()

    def _seconds_to_rollback(self) -> float | None:
        if self._trial is None or self._trial.rollback_minutes is None:
            return None
        timings = self._camera.timings
        return self._trial.rollback_minutes * timings.minute_seconds - self._camera.uptime_seconds

    def _refuse_if_not_ready(self) -> None:
        if self._camera.flash_state is FlashState.WRITING:
            raise FirmwareError(423, "Busy with another firmware management request.")
        if not self.committed:
            raise FirmwareError(412, "Active firmware is not committed.")

    def _examined(self, octets: bytes, *, hard_reset: bool) -> SealedImage:
        state = self._camera.state
        try:
            image = SealedImage.unpack(AXIS_IMAGE, octets)
        except NotFirmware as error:
            raise FirmwareError(415, "Invalid firmware image.") from error
        if Fault.REFUSES_IMAGE in state.faults:
            raise FirmwareError(415, "Invalid firmware image.")
        if image.model != state.model:
            raise FirmwareError(421, "The firmware image is not for this device.")
        if image.version in self._traits.revoked:
            raise FirmwareError(410, "The firmware version is revoked.")
        if version_numbers(image.version) < version_numbers(state.firmware) and not hard_reset:
            raise FirmwareError(409, "Downgrade is only allowed if factoryDefault=hard is set.")
        return image

    def _commit(self) -> Answer:
        self.committed = True
        self._trial = None
        return {}

    def _roll_back(self) -> Answer:
        if self.inactive is None:
            raise FirmwareError(404, "No old firmware to roll back to.")
        self._falling_back = True
        self._camera.reboot()
        return {"firmwareVersion": self.inactive.firmware}

    def _swap_back(self) -> None:
        if self.inactive is not None:
            self._camera.state.firmware, self._camera.state.build = self.inactive.firmware, self.inactive.build
        # One step only: there is nothing to come back to from here.
        self.inactive = self._trial = None
        self.committed = True

    def _purge(self) -> Answer:
        if not self.committed:
            raise FirmwareError(412, "Active firmware is not committed.")
        self.inactive = None
        return {}

    def _factory_default(self, params: Mapping[str, object]) -> Answer:
        if params.get("factoryDefaultMode") not in {"soft", "hard"}:
            raise FirmwareError(400, "factoryDefaultMode must be soft or hard.")
        self.inactive = None
        self._camera.factory_reset()
        return self._reboot()

    def _stop_auto(self) -> Answer:
        self._trial = None
        return {}

    def _reboot(self) -> Answer:
        self._camera.reboot()
        return {}


def _trial(params: Mapping[str, object]) -> Trial:
    try:
        commit = AutoCommit(params.get("autoCommit", "default"))
        rollback = params.get("autoRollback", "default")
        if rollback == "default":
            return Trial(commit, _DEFAULT_ROLLBACK_MINUTES if commit is AutoCommit.DEFAULT else None)
        return Trial(commit, None if rollback == "never" else int(str(rollback)))
    except ValueError as error:
        raise FirmwareError(400, "autoCommit or autoRollback has an unknown value.") from error
