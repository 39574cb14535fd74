"""Changes that wait for signatures: one file each, so that a change is whole or absent.

A change is named by what it says, so preparing the same twice gives one change, and nobody can swap what waits under
a name that people have talked about.
"""

import hashlib
import re
from pathlib import Path
from typing import NewType

import msgspec

from bartizan.errors import Malformed, Unavailable
from bartizan.trust.approval import signing_payload
from bartizan.trust.tufdata import version_and_expiry
from bartizan.wire import codec
from bartizan_controller.durable import Write
from bartizan_controller.errors import NotFound

ChangeId = NewType("ChangeId", str)

LIMIT = 16 * 1024 * 1024  # octets of one staged change
_ID = re.compile(r"\A[a-z]{4,8}-[0-9]{1,10}-[0-9a-f]{16}\Z")


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The next version of one role, with its signatures so far and the small targets that are new in it."""

    role: str
    metadata: bytes
    contents: dict[str, bytes] = {}

    @property
    def id(self) -> ChangeId:
        """Its name: role, version, and the beginning of the hash of what is signed."""
        version, _ = version_and_expiry(self.role, self.metadata)
        digest = hashlib.sha256(signing_payload(self.role, self.metadata)).hexdigest()
        return ChangeId(f"{self.role}-{version}-{digest[:16]}")


class Staging:
    """The folder of waiting changes."""

    def __init__(self, folder: Path, write: Write) -> None:
        self._folder = folder
        self._write = write

    def put(self, change: Change) -> ChangeId:
        """Keep a change, in place of the same change with fewer signatures.

        Raises:
            Unavailable: The disk refuses.
        """
        self._write(self._path(change.id), codec.encode(change))
        return change.id

    def get(self, change_id: ChangeId) -> Change:
        """Return a change.

        Raises:
            NotFound: There is none of this name.
            Malformed: The file was damaged.
        """
        if not _ID.match(change_id):
            raise NotFound(
                f"{change_id!r} is not the name of a change: `bartizan policy changes` lists those that wait"
            )
        try:
            data = self._path(change_id).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"no change {change_id!r} waits: it was published, withdrawn or never prepared") from error
        change = codec.decode(data, Change, LIMIT)
        if change.id != change_id:
            raise Malformed(f"the file of change {change_id!r} holds another change: withdraw it")
        return change

    def all(self) -> tuple[ChangeId, ...]:
        """Return the names of all waiting changes."""
        return tuple(ChangeId(path.stem) for path in sorted(self._folder.glob("*.json")) if _ID.match(path.stem))

    def drop(self, change_id: ChangeId) -> None:
        """Forget a change, if it is there.

        Raises:
            Unavailable: The disk refuses.
        """
        if not _ID.match(change_id):
            return
        try:
            self._path(change_id).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"change {change_id!r} cannot be removed: is the disk read-only?") from error

    def _path(self, change_id: ChangeId) -> Path:
        return self._folder / f"{change_id}.json"
