"""Carrying out one step of one camera's update: the I/O between two states of the machine, and no decision."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from bartizan.errors import Unavailable
from bartizan.firmware import containers
from bartizan.firmware.suitability import Installed, other_model, why_not
from bartizan.identity.model import Device, Identity
from bartizan.trust.credentials import Credential
from bartizan_agent.drivers.contract import (
    Act,
    Activity,
    CameraSession,
    CameraState,
    Driver,
    Failure,
    ImageFile,
    Progress,
)
from bartizan_agent.drivers.family import Family
from bartizan_agent.images import ImageCache, NotFetched
from bartizan_agent.updates import proof
from bartizan_agent.updates.backups import Backups
from bartizan_agent.updates.model import (
    Busy,
    Checked,
    Done,
    Outcome,
    Phase,
    Seen,
    Trouble,
    Unsuitable,
    Update,
)

_LEADS_NOWHERE = frozenset({"image-refused", "write-failed"})


class OpenSession(Protocol):
    """Opens a session with a camera. Where no credential is given, it may know one itself."""

    def __call__(
        self, device: Device, credential: Credential | None, *, restarting: bool
    ) -> AbstractAsyncContextManager[CameraSession]:
        """Return a session; `restarting` as for `CameraHttp.open`."""


class Steps:
    """What steps need, whichever camera they are for."""

    def __init__(self, open_session: OpenSession, images: ImageCache, backups: Backups) -> None:
        self._open_session = open_session
        self._images = images
        self._backups = backups

    async def perform(self, update: Update, driver: Driver, credential: Credential | None, now: float) -> Outcome:
        """Do what the update's phase asks for, and return what it came to. `WINDOW` is the engine's own."""
        if update.phase is Phase.FETCH:
            return _fetched(await self._images.fetch(update.image))
        if update.phase is Phase.VERIFY:
            return await self._verify(update)
        if not update.device.addresses:
            return Trouble(Act.LATER, "no-address", "the camera has no address at present")
        restarting = update.phase in _AFTER_WRITE
        async with self._open_session(update.device, credential, restarting=restarting) as session:
            if update.phase is Phase.BACK_UP:
                return await self._back_up(update, driver, session, now)
            if update.phase is Phase.WRITE:
                return await self._write(update, driver, session)
            return await _WITH_CAMERA[update.phase](update, driver, session)

    async def clean_up(self, update: Update, driver: Driver, credential: Credential | None) -> None:
        """Undo on the camera what was prepared. Whether it works or not, the update has ended."""
        async with self._open_session(update.device, credential, restarting=True) as session:
            await driver.clean_up(session)

    async def _verify(self, update: Update) -> Outcome:
        if not self._images.was_verified(update.image.id):
            wrong = await self._images.verify(update.image)
            if wrong is not None:
                return _fetched(wrong)
        head, tail = _ends(self._images.path(update.image.id))
        identity = update.device.identity
        image = update.image
        reasons = containers.objections(image.maker, image.file_name, head, tail=tail, kind=identity.kind)
        return Unsuitable(reasons) if reasons else Done()

    async def _back_up(self, update: Update, driver: Driver, session: CameraSession, now: float) -> Outcome:
        configuration = await driver.back_up(session)
        if isinstance(configuration, Failure) and configuration.code != "not-offered":
            return _trouble(configuration)
        if isinstance(configuration, bytes):
            try:
                self._backups.keep(update.device.id, configuration, now)
            except Unavailable as error:
                return Trouble(Act.LATER, "disk-full", str(error))
        return Done()

    async def _write(self, update: Update, driver: Driver, session: CameraSession) -> Outcome:
        family = _family(update, driver)
        if family is None:
            return Trouble(Act.NEVER, "no-family", "how this model takes an image is no longer known here")
        image = ImageFile(self._images.path(update.image.id), update.image.length, update.image.file_name)
        with self._images.in_use(update.image.id):
            # Days may lie between fetching and the window: what goes into a camera is hashed just before.
            wrong = await self._images.verify(update.image)
            if wrong is not None:
                return _fetched(wrong)
            failure = await driver.prepare(session)
            if failure is None:
                failure = await driver.write(session, family, image)
        return _done(failure)


async def _preflight(update: Update, driver: Driver, session: CameraSession) -> Outcome:
    state = await driver.read_state(session)
    if isinstance(state, Failure):
        return _trouble(state)
    if state.factory_state:
        return Trouble(Act.CREDENTIALS, "not-activated", "the camera is in factory state: it has no password yet")
    if proof.is_version(update.image, state):
        # Models have versions of the same name: one that runs it already may still not be meant.
        wrong = other_model(update.image, _answering(update, state))
        return Checked(state, wrong, installed=not wrong)
    if state.stream is None and state.picture is None and not update.tries:
        # What cannot be seen before cannot be compared after: an encoder that is starting gets a second chance.
        return Trouble(Act.LATER, "not-ready", "the camera shows neither stream nor picture")
    progress = await driver.progress(session)
    if isinstance(progress, Progress) and progress.activity is Activity.WORKING:
        return Trouble(Act.LATER, "busy", "the camera is working on an image that somebody else gave it")
    return Checked(state, _why_not(update, driver, state))


def _why_not(update: Update, driver: Driver, state: CameraState) -> tuple[str, ...]:
    """Return why the image must not go on the camera that answers now: on that one, not on the one once seen."""
    identity = update.device.identity
    reasons = []
    if identity.serial and identity.serial != state.serial:
        reasons.append(f"serial {state.serial} answers, the order is for {identity.serial}")
    family = driver.family(state.model or identity.model, state.platform or identity.platform)
    if family is None or family.name != update.plan.family:
        reasons.append(f"{state.model} takes images in another way than the inventory's {identity.model}")
    device = msgspec.structs.replace(update.device, identity=_answering(update, state))
    running = Installed(state.firmware, state.build_date, state.platform or identity.platform)
    return (*reasons, *why_not(update.image, device, running))


def _answering(update: Update, state: CameraState) -> Identity:
    identity = update.device.identity
    return msgspec.structs.replace(identity, model=state.model or identity.model)


async def _prove(_update: Update, driver: Driver, session: CameraSession) -> Outcome:
    return _seen(await driver.read_state(session))


async def _commit(_update: Update, driver: Driver, session: CameraSession) -> Outcome:
    return _done(await driver.commit(session))


async def _roll_back(_update: Update, driver: Driver, session: CameraSession) -> Outcome:
    return _done(await driver.roll_back(session))


async def _wait(update: Update, driver: Driver, session: CameraSession) -> Outcome:
    progress = await driver.progress(session)
    if isinstance(progress, Failure):
        # Without such an interface, or with rubbish in it, who answers still tells enough.
        if progress.act is not Act.NEVER or progress.code in _LEADS_NOWHERE:
            return _trouble(progress)
        return _seen(await driver.identify(session))
    if progress.activity is Activity.WORKING:
        return Busy("" if progress.percent is None else f"the camera is at {progress.percent} %")
    state = await driver.identify(session)
    if (
        isinstance(state, CameraState)
        and progress.activity is Activity.WANTS_RESTART
        and _wants_it_still(update, state)
    ):
        failure = await driver.restart(session)
        return _trouble(failure) if failure is not None else Busy("told to restart", told_to_restart=True)
    return _seen(state)


def _wants_it_still(update: Update, state: CameraState) -> bool:
    """Return whether a wish to restart is of now. Some cameras repeat it after they have restarted."""
    if update.told_to_restart or update.leaving is None or update.trouble:
        return False
    return proof.is_same_start(update.leaving, state, was_away=update.was_away)


def _family(update: Update, driver: Driver) -> Family | None:
    return next((family for family in driver.families if family.name == update.plan.family), None)


def _fetched(problem: NotFetched | None) -> Outcome:
    if problem is None:
        return Done()
    return Trouble(Act.NEVER if problem.lasting else Act.LATER, problem.code, problem.reason)


def _done(failure: Failure | None) -> Outcome:
    return Done() if failure is None else _trouble(failure)


def _seen(state: CameraState | Failure) -> Outcome:
    return _trouble(state) if isinstance(state, Failure) else Seen(state)


def _trouble(failure: Failure) -> Trouble:
    return Trouble(failure.act, failure.code, failure.reason, failure.octets_sent, failure.wait_seconds)


def _ends(path: Path) -> tuple[bytes, bytes]:
    """Return the first and last octets of a file, as far as its container is told by them."""
    with path.open("rb") as file:
        head = file.read(containers.HEAD_LENGTH)
        file.seek(0, 2)
        file.seek(max(0, file.tell() - containers.TAIL_LENGTH))
        return head, file.read(containers.TAIL_LENGTH)


_AFTER_WRITE = frozenset({Phase.WAIT, Phase.PROVE, Phase.COMMIT, Phase.ROLL_BACK})
_WITH_CAMERA: dict[Phase, Callable[[Update, Driver, CameraSession], Awaitable[Outcome]]] = {
    Phase.PREFLIGHT: _preflight,
    Phase.WAIT: _wait,
    Phase.PROVE: _prove,
    Phase.COMMIT: _commit,
    Phase.ROLL_BACK: _roll_back,
}
