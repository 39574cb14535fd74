"""The agent's copy of the catalogue: taken in whole or not at all, kept on disk, verified again at every start.

    <folder>/root.json        what trust began with, from enrolment
    <folder>/last-good.json   the newest catalogue that was accepted, with all the files it was verified from

One file holds everything that must be of one version, so a crash can never leave half of it. At start it is verified
as of the moment when it was accepted: an expired catalogue is still the last good one. It keeps enforcing, and
nothing is flashed by it.

Policy of a catalogue that goes out in stages may have to wait here (`bartizan.trust.push`). Then the same file holds
the catalogue before as well, and the one in force is the newest with the policy role of that one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bartizan.errors import Expired, Stale, Unavailable
from bartizan.policy.facts import served_by
from bartizan.trust import push
from bartizan.trust.content import with_policy_of
from bartizan.trust.push import Because, Waiting
from bartizan.trust.tufdata import APPROVED, LIMITS, POLICY, ROOT, SNAPSHOT, TARGET_LIMIT, TIMESTAMP
from bartizan.wire import codec
from bartizan.wire.capability import CAPABILITY
from bartizan_agent.durable import Write, replace_file
from bartizan_agent.verification import Answer, Question, Verify, file, verify

if TYPE_CHECKING:
    from bartizan.firmware.model import Image
    from bartizan.ids import ImageId, SiteId
    from bartizan.trust.content import Catalogue
    from bartizan_agent.verification import Files

ROOT_FILE = "root.json"
TARGETS_FOLDER = "targets/"
LAST_GOOD_FILE = "last-good.json"
LIMIT = 32 * 1024 * 1024  # octets of the last good catalogue on disk
FILE_LIMIT = 1 + max(TARGET_LIMIT, *LIMITS.values())  # octets read of a file in a folder


class Before(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The catalogue whose policy is in force while that of a newer one waits."""

    files: dict[str, bytes]
    """Those of its files that the newer one has not."""
    shared: tuple[str, ...]
    """Paths of those that both have."""
    accepted_at: float
    since: float
    """When the newer one came, by this gateway's clock; Unix seconds."""


class LastGood(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An accepted catalogue as it is kept."""

    files: dict[str, bytes]
    """Files of the repository by repository path: enough to verify it again from `root.json`."""
    accepted_at: float
    """What counted as now when it was accepted; Unix seconds."""
    newest_time: float
    """The latest time known to have passed; Unix seconds."""
    before: Before | None = None
    """None: nothing of this catalogue waits."""


class _Verified(msgspec.Struct, frozen=True):
    """A catalogue in memory, with what it was verified from."""

    files: dict[str, bytes]
    metadata: dict[str, bytes]
    catalogue: Catalogue
    accepted_at: float

    @property
    def policy(self) -> int:
        return self.catalogue.versions[POLICY]


def keep_first_root(folder: Path, root: bytes, write: Write = replace_file) -> None:
    """Begin to trust a root, at enrolment. A catalogue that was held before is forgotten if it does not follow.

    Raises:
        BadSignature: Too few of its own keys signed it.
        Malformed: It is no root.
        Unavailable: The disk refuses.
    """
    from bartizan.trust.approval import require_approval

    require_approval(ROOT, root, [root])
    write(folder / ROOT_FILE, root)


class CatalogueClient:
    """Holds the last good catalogue and judges what arrives. Used by one task at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        site: SiteId | None = None,
        capability: int = CAPABILITY,
        write: Write = replace_file,
        verify: Verify = verify,
    ) -> None:
        self._folder = folder
        self._site = site
        self._capability = capability
        self._write = write
        self._verify = verify
        self._newest: _Verified | None = None
        self._before: _Verified | None = None
        """Whose policy is in force while the newest's waits."""
        self._since = 0.0
        self._newest_time = 0.0
        self._catalogue: Catalogue | None = None

    @property
    def catalogue(self) -> Catalogue | None:
        """The last good catalogue as it is in force, expired or not; None before the first."""
        return self._catalogue

    @property
    def newest(self) -> Catalogue | None:
        """The last good catalogue as it came; its policy may wait."""
        return self._newest.catalogue if self._newest else None

    @property
    def policy_in_force(self) -> int:
        """The version of the policy role that is in force; 0 before the first."""
        verified = self._before or self._newest
        return verified.policy if verified else 0

    @property
    def waiting(self) -> Waiting | None:
        """The policy that waits, if any."""
        return _waiting(self._newest.catalogue, self._since) if self._newest and self._before else None

    def versions(self) -> dict[str, int]:
        """Return the versions held, as a hello names them."""
        return dict(self._catalogue.versions) if self._catalogue else {}

    def is_expired(self, now: float) -> bool:
        """Return whether there is no catalogue that something may be flashed by."""
        return self._catalogue is None or self._catalogue.expires_at <= self._latest(now)

    def clock_behind_seconds(self, now: float) -> float:
        """Return how far this clock is behind a time that has surely passed; 0 where it is not."""
        return max(0.0, self._newest_time - now)

    def image(self, image_id: ImageId) -> Image | None:
        """Return what the catalogue says of an image; None if it does not hold it."""
        images = self._catalogue.images if self._catalogue else ()
        return next((image for image in images if image.id == image_id), None)

    def rehearsal(self) -> CatalogueClient:
        """Return one that holds the same and writes nothing down: to find out what an update would bring."""
        other = copy(self)
        other._write = lambda _path, _data: None  # noqa: SLF001 - another of this class
        return other

    def load(self) -> Catalogue | None:
        """Take up the catalogue on disk, expired or not; return it as it is in force, None if there is none.

        When this raises, nothing is held: the next hello asks for all, and what is enforced stays as it is.

        Raises:
            Refused: The file was damaged or tampered with, or is not for this program.
            Unavailable: The disk refuses.
        """
        data = _read(self._folder / LAST_GOOD_FILE)
        if data is None:
            return None
        kept = codec.decode(data, LastGood, LIMIT)
        newest = self._verify_again(kept.files, kept.accepted_at)
        before, since = None, 0.0
        if kept.before is not None:
            shared = {path: file(kept.files, path) for path in kept.before.shared}
            before = self._verify_again({**shared, **kept.before.files}, kept.before.accepted_at)
            since = kept.before.since
            if push.on_arrival(newest.catalogue.push, self._serves(newest), in_force=before.policy) is not None:
                before = None  # what was signed says that it need not wait, whatever was written here
        self._hold(newest, before, since, kept.newest_time)
        return self._catalogue

    def _serves(self, verified: _Verified) -> SiteId | None:
        """Return the site by whose name this gateway is staged: that of the one it stands by for."""
        return None if self._site is None else served_by(verified.catalogue.sites, self._site)

    def update(self, files: Files, now: float, activated: Collection[tuple[int, str]] = ()) -> Catalogue:
        """Accept a newer catalogue and return it, or raise and keep the last good one. Its policy may have to wait.

        Args:
            files: Files of the repository by repository path; those that are held already need not be among them.
                They are asked for one by one, so they may come from a server where a bundle was too small.
            now: Unix seconds. Where this clock is behind a time that has surely passed, that time counts.
            activated: As `settle`'s.

        Raises:
            BadSignature: Too few valid signatures, or a file that was not signed for.
            Stale: Something is older than what is held.
            Expired: Its time is over.
            TooNew: It needs a greater capability.
            Malformed: It does not parse, is too large, or breaks a rule.
            Unavailable: A file is missing that is not held either (say hello again), or the disk refuses.
        """
        held = self._newest
        available = _Both(files, held.files if held else {})
        reference_time = self._latest(now)
        answer = self._ask(available, held=held.metadata if held else {}, reference_time=reference_time)
        catalogue = answer.catalogue
        self._check_not_older(catalogue)
        newest_time = max(reference_time, catalogue.prepared_at)
        if catalogue.expires_at <= newest_time:
            raise Expired("the catalogue had expired when its newest part was prepared: this clock is far behind")
        newest = _Verified(self._needed(answer, available), answer.metadata, catalogue, reference_time)
        before, since = self._still_in_force(newest, now, activated)
        if held is None or newest.files != held.files:
            self._keep(newest, before, since, newest_time)
        self._hold(newest, before, since, newest_time)
        return catalogue

    def settle(self, now: float, activated: Collection[tuple[int, str]]) -> Because | None:
        """Put policy in force that waits no longer; return why, or None if nothing has changed.

        Args:
            now: Unix seconds.
            activated: What standing orders activate: versions of the policy role with their digests.

        Raises:
            Unavailable: The disk refuses.
        """
        waiting = self.waiting
        because = push.no_longer(waiting, activated, now) if waiting else None
        if because is not None and self._newest is not None:
            self._keep(self._newest, None, 0.0, self._newest_time)
            self._hold(self._newest, None, 0.0, self._newest_time)
        return because

    def _still_in_force(
        self, newest: _Verified, now: float, activated: Collection[tuple[int, str]]
    ) -> tuple[_Verified | None, float]:
        """Return the catalogue whose policy stays in force though a newer one came, and since when that is so."""
        held = self._newest
        if held is not None and newest.policy == held.policy:
            return self._before, self._since
        present = self._before or held
        if (
            present is None
            or push.on_arrival(newest.catalogue.push, self._serves(newest), in_force=present.policy) is not None
        ):
            return None, 0.0
        waiting = _waiting(newest.catalogue, now)
        return (None, 0.0) if waiting is None or push.no_longer(waiting, activated, now) else (present, now)

    def _ask(self, files: Files, *, held: Mapping[str, bytes], reference_time: float) -> Answer:
        return self._verify(Question(self._first_root(), held, reference_time, self._capability), files)

    def _verify_again(self, files: dict[str, bytes], accepted_at: float) -> _Verified:
        answer = self._ask(files, held={}, reference_time=accepted_at)
        return _Verified(files, answer.metadata, answer.catalogue, accepted_at)

    def _check_not_older(self, catalogue: Catalogue) -> None:
        """Check the versions that people signed; TUF forgets them when the online keys are exchanged."""
        for role in (ROOT, *APPROVED):
            held = self.versions().get(role, 0)
            if catalogue.versions[role] < held:
                raise Stale(f"{role} {catalogue.versions[role]} came after {held}")

    def _needed(self, answer: Answer, available: Files) -> dict[str, bytes]:
        """Return the files from which exactly this catalogue can be verified again."""
        metadata, versions = answer.metadata, answer.catalogue.versions
        roots = [f"metadata/{number}.root.json" for number in range(answer.first_root + 1, versions[ROOT] + 1)]
        held = self._newest.files if self._newest else {}
        files = {name: held[name] if name in held else available[name] for name in roots}
        files |= {name: available[name] for name in answer.targets}
        files |= {f"metadata/{versions[role]}.{role}.json": metadata[role] for role in (*APPROVED, SNAPSHOT)}
        return {**files, "metadata/timestamp.json": metadata[TIMESTAMP]}

    def _first_root(self) -> bytes:
        root = _read(self._folder / ROOT_FILE)
        if root is None:
            raise Unavailable(f"{self._folder / ROOT_FILE} is missing: enrol this gateway again")
        return root

    def _keep(self, newest: _Verified, before: _Verified | None, since: float, newest_time: float) -> None:
        """Write both down in one step: a crash must never leave the newest without what is in force instead."""
        kept = None if before is None else _kept_before(before, newest, since)
        last_good = LastGood(newest.files, newest.accepted_at, newest_time, kept)
        self._write(self._folder / LAST_GOOD_FILE, codec.encode(last_good))

    def _hold(self, newest: _Verified, before: _Verified | None, since: float, newest_time: float) -> None:
        self._newest, self._before, self._since, self._newest_time = newest, before, since, newest_time
        self._catalogue = newest.catalogue if before is None else with_policy_of(newest.catalogue, before.catalogue)

    def _latest(self, now: float) -> float:
        return max(now, self._newest_time)


def _waiting(catalogue: Catalogue, since: float) -> Waiting | None:
    if catalogue.push is None:
        return None
    return Waiting(catalogue.push, catalogue.policy_digest, catalogue.policy_prepared_at, since)


def _kept_before(before: _Verified, newest: _Verified, since: float) -> Before:
    own = {path: data for path, data in before.files.items() if newest.files.get(path) != data}
    return Before(own, tuple(sorted(before.files.keys() - own.keys())), before.accepted_at, since)


class FolderFiles:
    """A repository in a folder (a mirror, a memory stick) as `CatalogueClient.update` takes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, path: str) -> bytes:
        """Return a file, or a little more of it than would be accepted.

        Raises:
            KeyError: It is not there, or outside the folder.
        """
        if ".." in Path(path).parts or not (self._folder / path).is_relative_to(self._folder):
            raise KeyError(path)
        try:
            with (self._folder / path).open("rb") as file:
                return file.read(FILE_LIMIT)
        except (OSError, ValueError) as error:  # ValueError: a name with a zero octet
            raise KeyError(path) from error


class _Both:
    """Files that just came, and those that are held."""

    def __init__(self, came: Files, held: Mapping[str, bytes]) -> None:
        self._came = came
        self._held = held

    def __getitem__(self, path: str) -> bytes:
        # Named by its hash, so a server need not send it again. One that came is judged: a forgery has to be told of.
        has_come = isinstance(self._came, Mapping) and path in self._came
        if path.startswith(TARGETS_FOLDER) and path in self._held and not has_come:
            return self._held[path]
        try:
            return self._came[path]
        except KeyError:
            return self._held[path]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read") from error
