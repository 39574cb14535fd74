"""What is published: the files that gateways may see, read back and replaced in an order that survives a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.errors import Unavailable
from bartizan.trust.reading import small_targets
from bartizan.trust.tufdata import (
    APPROVED,
    POLICY,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    snapshot_versions,
    timestamp_snapshot,
    version_and_expiry,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bartizan_controller.durable import Write

TIMESTAMP_FILE = "metadata/timestamp.json"


class Published:
    """The published part of a repository's folder. Paths are relative to it, with `/`, as in bundles."""

    def __init__(self, folder: Path, write: Write) -> None:
        self._folder = folder
        self._write = write

    def is_founded(self) -> bool:
        """Return whether anything is published."""
        return (self._folder / TIMESTAMP_FILE).exists()

    def metadata(self) -> dict[str, bytes]:
        """Return the present metadata of every role, by role.

        Raises:
            Unavailable: A file is not there.
            Malformed: A file was damaged.
        """
        timestamp = self._read(TIMESTAMP_FILE)
        snapshot = self._read(metadata_path(SNAPSHOT, timestamp_snapshot(timestamp)))
        return {
            ROOT: self.roots()[-1],
            TIMESTAMP: timestamp,
            SNAPSHOT: snapshot,
            **{role: self._read(metadata_path(role, n)) for role, n in snapshot_versions(snapshot).items()},
        }

    def roots(self) -> tuple[bytes, ...]:
        """Return every root, the first one first.

        Raises:
            Unavailable: There is none.
        """
        roots = [self._read(metadata_path(ROOT, 1))]
        while (self._folder / metadata_path(ROOT, len(roots) + 1)).exists():
            roots.append(self._read(metadata_path(ROOT, len(roots) + 1)))
        return tuple(roots)

    def contents(self, metadata: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the small targets that this metadata names, by target path.

        Raises:
            Unavailable: A file is not there.
        """
        return self.read_targets(small_targets(metadata))

    def read_targets(self, files: Mapping[str, str]) -> dict[str, bytes]:
        """Return the content of these repository paths, under the same names.

        Raises:
            Unavailable: A file is not there.
        """
        return {path: self._read(file) for path, file in files.items()}

    def bundle(self, since: Mapping[str, int], *, limit_octets: int) -> dict[str, bytes]:
        """Return the files that a gateway lacks which holds these versions; all files if it holds none.

        Where they are more than `limit_octets`, small targets are left out: gateways fetch those by HTTPS.

        Raises:
            Unavailable: A file is not there.
        """
        present = self.metadata()
        files = {
            metadata_path(ROOT, number): root
            for number, root in enumerate(self.roots(), start=1)
            if number > since.get(ROOT, 0)
        }
        for role in (*APPROVED, SNAPSHOT, TIMESTAMP):
            version, _ = version_and_expiry(role, present[role])
            if since.get(role) != version:
                files[metadata_path(role, version)] = present[role]
        held = set(self._small_targets_of(since).values())
        octets = sum(map(len, files.values()))
        for file in small_targets(present).values():
            content = b"" if file in held else self._read(file)
            octets += len(content)
            if content and octets <= limit_octets:
                files[file] = content
        return files

    def replace(self, metadata: Mapping[str, bytes], contents: Mapping[str, bytes]) -> None:
        """Publish metadata of every role, and the small targets that are new in it.

        What is named is written before what names it, and the timestamp last.

        Raises:
            Unavailable: The disk refuses. Nothing is published but, perhaps, the root.
        """
        files = small_targets(metadata)
        for path, content in contents.items():
            self._put(files[path], content)
        for role in (ROOT, *APPROVED, SNAPSHOT, TIMESTAMP):
            version, _ = version_and_expiry(role, metadata[role])
            self._put(metadata_path(role, version), metadata[role])

    def _small_targets_of(self, versions: Mapping[str, int]) -> dict[str, str]:
        """Return the small targets of an earlier version, or none if it is not known here."""
        files = {role: self._folder / metadata_path(role, versions.get(role, 0)) for role in (TARGETS, POLICY)}
        if not all(file.exists() for file in files.values()):
            return {}
        return small_targets({role: file.read_bytes() for role, file in files.items()})

    def _put(self, path: str, data: bytes) -> None:
        file = self._folder / path
        if not file.exists() or file.read_bytes() != data:
            self._write(file, data)

    def _read(self, path: str) -> bytes:
        try:
            return (self._folder / path).read_bytes()
        except OSError as error:
            raise Unavailable(f"{self._folder / path} cannot be read: restore the catalogue from a backup") from error


def metadata_path(role: str, version: int) -> str:
    """Return where a version of a role is kept, and what a bundle calls it."""
    return TIMESTAMP_FILE if role == TIMESTAMP else f"metadata/{version}.{role}.json"
