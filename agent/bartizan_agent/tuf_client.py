"""python-tuf's client over files from anywhere. Imported when a catalogue is first verified, never before."""

import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from bartizan.errors import Malformed, Unavailable
from bartizan.trust.tufdata import APPROVED, DELEGATED, LIMITS, ROLES, ROOT, SNAPSHOT, TIMESTAMP, moment, translated
from bartizan_agent.verification import Files

METADATA_FOLDER = "metadata/"


def verify(root: bytes, files: Files, *, held: Mapping[str, bytes], reference_time: float) -> dict[str, bytes]:
    """Return the newest metadata of every role in `files`, verified by the TUF client workflow.

    Args:
        root: The root that is trusted already.
        files: Where the repository's files are.
        held: Metadata accepted earlier, by role: nothing older than it is accepted.
        reference_time: What counts as now for expiry; Unix seconds.

    Raises:
        BadSignature: Too few valid signatures, or a file that was not signed for.
        Stale: Something is older than in `held`, or files are of different versions.
        Expired: A role's time is over.
        Malformed: Something does not parse, is too large or breaks the standard.
        Unavailable: A file is not there, or the disk refuses.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="bartizan-catalogue-") as folder, translated():
            return _refresh(root, files, held, reference_time, Path(folder))
    except OSError as error:
        raise Unavailable("the catalogue cannot be verified: is the temporary folder full or read-only?") from error


def _refresh(
    root: bytes, files: Files, held: Mapping[str, bytes], reference_time: float, folder: Path
) -> dict[str, bytes]:
    for role, metadata in held.items():
        if role != ROOT:  # roots are fetched one after the other, so that each is checked
            (folder / f"{role}.json").write_bytes(metadata)
    try:
        updater = Updater(str(folder), METADATA_FOLDER, fetcher=_FileFetcher(files), config=_CONFIG, bootstrap=root)
        _set_reference_time(updater, moment(reference_time))
        updater.refresh()
        for role in DELEGATED:
            updater.get_targetinfo(f"{role}/-")  # loads the role; there is no public call that only does so
    except DownloadHTTPError as error:
        raise Unavailable("the bundle lacks a file that is not held either: say hello again to get all") from error
    unloaded = [role for role in ROLES if not (folder / f"{role}.json").exists()]
    if unloaded:
        raise Malformed(f"the catalogue does not delegate {', '.join(unloaded)}")
    return {role: (folder / f"{role}.json").read_bytes() for role in ROLES}


def _set_reference_time(updater: Updater, now: datetime) -> None:
    # python-tuf reads the machine's clock and has no way to be told the time (python-tuf issues 12 and 2359).
    trusted = updater._trusted_set  # noqa: SLF001 - see above; tests fail if the attribute moves
    if not isinstance(trusted.reference_time, datetime):
        raise TypeError("python-tuf keeps its reference time elsewhere: pin tuf to a version that was tested")
    trusted.reference_time = now


class _FileFetcher(FetcherInterface):
    """Fetches from memory what the client believes to be a server."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            return iter([self._files[url]])
        except KeyError as error:
            raise DownloadHTTPError(f"{url} is not in the bundle", 404) from error


_CONFIG = UpdaterConfig(
    max_delegations=len(ROLES),
    root_max_length=LIMITS[ROOT],
    timestamp_max_length=LIMITS[TIMESTAMP],
    snapshot_max_length=LIMITS[SNAPSHOT],
    targets_max_length=max(LIMITS[role] for role in APPROVED),
)
