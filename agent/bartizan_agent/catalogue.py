"""The agent's copy of the catalogue: taken in whole or not at all, kept on disk, verified again at every start.

    <folder>/root.json        what trust began with, from enrolment
    <folder>/last-good.json   the newest catalogue that was accepted, with all the files it was verified from

One file holds everything that must be of one version, so a crash can never leave half of it. At start it is verified
as of the moment when it was accepted: an expired catalogue is still the last good one. It keeps enforcing, and
nothing is flashed by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bartizan.errors import Expired, Stale, Unavailable
from bartizan.trust.approval import require_approval
from bartizan.trust.reading import read_catalogue, small_targets
from bartizan.trust.tufdata import APPROVED, LIMITS, ROOT, SNAPSHOT, TARGET_LIMIT, TIMESTAMP, version_and_expiry
from bartizan.wire import codec
from bartizan.wire.capability import CAPABILITY
from bartizan_agent.durable import Write, replace_file

if TYPE_CHECKING:
    from bartizan.firmware.model import Image
    from bartizan.ids import ImageId
    from bartizan.trust.content import Catalogue
    from bartizan_agent.tuf_client import Files

ROOT_FILE = "root.json"
TARGETS_FOLDER = "targets/"
LAST_GOOD_FILE = "last-good.json"
LIMIT = 32 * 1024 * 1024  # octets of the last good catalogue on disk
FILE_LIMIT = 1 + max(TARGET_LIMIT, *LIMITS.values())  # octets read of a file in a folder


class LastGood(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An accepted catalogue as it is kept."""

    files: dict[str, bytes]
    """Files of the repository by repository path: enough to verify it again from `root.json`."""
    accepted_at: float
    """What counted as now when it was accepted; Unix seconds."""
    newest_time: float
    """The latest time known to have passed; Unix seconds."""


def keep_first_root(folder: Path, root: bytes, write: Write = replace_file) -> None:
    """Begin to trust a root, at enrolment. A catalogue that was held before is forgotten if it does not follow.

    Raises:
        BadSignature: Too few of its own keys signed it.
        Malformed: It is no root.
        Unavailable: The disk refuses.
    """
    require_approval(ROOT, root, [root])
    write(folder / ROOT_FILE, root)


class CatalogueClient:
    """Holds the last good catalogue and judges what arrives. Used by one task at a time."""

    def __init__(self, folder: Path, *, capability: int = CAPABILITY, write: Write = replace_file) -> None:
        self._folder = folder
        self._capability = capability
        self._write = write
        self._files: dict[str, bytes] = {}
        self._metadata: dict[str, bytes] = {}
        self._newest_time = 0.0
        self._catalogue: Catalogue | None = None

    @property
    def catalogue(self) -> Catalogue | None:
        """The last good catalogue, expired or not; None before the first."""
        return self._catalogue

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
        """Take up the catalogue on disk, expired or not; return None if there is none.

        When this raises, nothing is held: the next hello asks for all, and what is enforced stays as it is.

        Raises:
            Refused: The file was damaged or tampered with, or is not for this program.
            Unavailable: The disk refuses.
        """
        data = _read(self._folder / LAST_GOOD_FILE)
        if data is None:
            return None
        kept = codec.decode(data, LastGood, LIMIT)
        metadata, catalogue = self._verify(self._first_root(), kept.files, held={}, reference_time=kept.accepted_at)
        self._hold(kept, metadata, catalogue)
        return catalogue

    def update(self, files: Files, now: float) -> Catalogue:
        """Accept a newer catalogue and return it, or raise and keep the last good one.

        Args:
            files: Files of the repository by repository path; those that are held already need not be among them.
                They are asked for one by one, so they may come from a server where a bundle was too small.
            now: Unix seconds. Where this clock is behind a time that has surely passed, that time counts.

        Raises:
            BadSignature: Too few valid signatures, or a file that was not signed for.
            Stale: Something is older than what is held.
            Expired: Its time is over.
            TooNew: It needs a greater capability.
            Malformed: It does not parse, is too large, or breaks a rule.
            Unavailable: A file is missing that is not held either (say hello again), or the disk refuses.
        """
        available = _Both(files, self._files)
        reference_time = self._latest(now)
        # From the root that is held, not from the first: keys that a root took away must never count again.
        root = self._metadata[ROOT] if self._metadata else self._first_root()
        metadata, catalogue = self._verify(root, available, held=self._metadata, reference_time=reference_time)
        self._check_not_older(catalogue)
        newest_time = max(reference_time, catalogue.prepared_at)
        if catalogue.expires_at <= newest_time:
            raise Expired("the catalogue had expired when its newest part was prepared: this clock is far behind")
        kept = LastGood(self._needed(metadata, available), reference_time, newest_time)
        if kept.files != self._files:
            self._write(self._folder / LAST_GOOD_FILE, codec.encode(kept))
        self._hold(kept, metadata, catalogue)
        return catalogue

    def _verify(
        self, root: bytes, files: Files, *, held: Mapping[str, bytes], reference_time: float
    ) -> tuple[dict[str, bytes], Catalogue]:
        from bartizan_agent import no_fetcher

        no_fetcher.stand_in()
        from bartizan_agent import tuf_client

        metadata = tuf_client.verify(root, files, held=held, reference_time=reference_time)
        contents = {path: _file(files, name) for path, name in small_targets(metadata).items()}
        return metadata, read_catalogue(metadata, contents, self._capability)

    def _check_not_older(self, catalogue: Catalogue) -> None:
        """Check the versions that people signed; TUF forgets them when the online keys are exchanged."""
        for role in (ROOT, *APPROVED):
            held = self.versions().get(role, 0)
            if catalogue.versions[role] < held:
                raise Stale(f"{role} {catalogue.versions[role]} came after {held}")

    def _needed(self, metadata: Mapping[str, bytes], available: Files) -> dict[str, bytes]:
        """Return the files from which exactly this catalogue can be verified again."""
        first = version_and_expiry(ROOT, self._first_root())[0]
        last = version_and_expiry(ROOT, metadata[ROOT])[0]
        roots = [f"metadata/{number}.root.json" for number in range(first + 1, last + 1)]
        files = {name: self._files[name] if name in self._files else available[name] for name in roots}
        files |= {name: available[name] for name in small_targets(metadata).values()}
        for role in (*APPROVED, SNAPSHOT):
            version, _ = version_and_expiry(role, metadata[role])
            files[f"metadata/{version}.{role}.json"] = metadata[role]
        return {**files, "metadata/timestamp.json": metadata[TIMESTAMP]}

    def _first_root(self) -> bytes:
        root = _read(self._folder / ROOT_FILE)
        if root is None:
            raise Unavailable(f"{self._folder / ROOT_FILE} is missing: enrol this gateway again")
        return root

    def _hold(self, kept: LastGood, metadata: dict[str, bytes], catalogue: Catalogue) -> None:
        self._files, self._metadata, self._catalogue = kept.files, metadata, catalogue
        self._newest_time = kept.newest_time

    def _latest(self, now: float) -> float:
        return max(now, self._newest_time)


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


def _file(files: Files, name: str) -> bytes:
    try:
        return files[name]
    except KeyError as error:
        raise Unavailable(f"the bundle lacks {name!r}, which is not held either: say hello again") from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read") from error
