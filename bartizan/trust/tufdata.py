"""TUF metadata as bytes: loaded, bounded, dated and signed. What python-tuf raises becomes an error of ours here.

python-tuf is imported inside functions, so that a program that never touches a catalogue never pays for it.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from bartizan.errors import BadSignature, Expired, Malformed, Stale, Unavailable
from bartizan.ids import KeyId
from bartizan.trust.keys import PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from securesystemslib.signer import Key
    from tuf.api.metadata import Metadata, Root, Signed, Snapshot, Targets, Timestamp

    Payload = TypeVar("Payload", Root, Timestamp, Snapshot, Targets)

ROOT = "root"
TIMESTAMP = "timestamp"
SNAPSHOT = "snapshot"
TARGETS = "targets"
POLICY = "policy"
FIRMWARE = "firmware"
DELEGATED = (POLICY, FIRMWARE)
APPROVED = (TARGETS, POLICY, FIRMWARE)
"""Roles that hold targets; each version of them was approved by two people."""
THRESHOLD = 2
"""Distinct holders that must sign root, targets, policy and firmware."""
ROLES = (ROOT, TIMESTAMP, SNAPSHOT, *APPROVED)

DIRECTOR_PATH = "trust/director.json"

LIMITS = {
    ROOT: 512 * 1024,
    TIMESTAMP: 16 * 1024,
    SNAPSHOT: 64 * 1024,
    TARGETS: 512 * 1024,
    POLICY: 2 * 1024 * 1024,
    FIRMWARE: 2 * 1024 * 1024,
}
"""Octets of metadata that are accepted, by role."""
TARGET_LIMIT = 2 * 1024 * 1024
"""Octets of one small target (a policy, a list of sites)."""

PREPARED_FIELD = "x-bartizan-prepared"
HOLDER_FIELD = "x-bartizan-holder"


class Prepared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who prepared a version of a role and when. Part of what approvers sign."""

    by: KeyId
    at: int
    """Unix seconds."""
    needs_capability: int
    """A program that understands less refuses the whole catalogue before it reads on."""
    note: str = ""
    """Why, in the words of who prepared it."""


def load(data: bytes, kind: type[Payload], limit: int) -> Metadata[Payload]:
    """Return metadata that is parsed but not verified.

    Raises:
        Malformed: Too large, not TUF metadata, or of another kind.
    """
    from tuf.api.metadata import Metadata

    if len(data) > limit:
        raise Malformed(f"{kind.type} metadata of {len(data)} octets; at most {limit} are accepted")
    with translated():
        metadata: Metadata[Payload] = Metadata.from_bytes(data)
    if metadata.signed.type != kind.type:
        raise Malformed(f"metadata of type {metadata.signed.type!r}; {kind.type!r} is needed")
    return metadata


def load_any(role: str, data: bytes) -> Metadata[Any]:
    """Return the metadata of any role.

    Raises:
        Malformed: See `load`.
    """
    from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

    kinds: dict[str, type[Any]] = {ROOT: Root, TIMESTAMP: Timestamp, SNAPSHOT: Snapshot}
    return load(data, kinds.get(role, Targets), LIMITS[role])


def dump(metadata: Metadata[Any]) -> bytes:
    """Return the file form of metadata."""
    with translated():
        return metadata.to_bytes()


def unsigned(payload: Payload) -> bytes:
    """Return the file form of a new version that nobody has signed yet."""
    from tuf.api.metadata import Metadata

    return dump(Metadata(payload))


def prepare(payload: Payload, who: Prepared) -> Payload:
    """Write into a version who prepared it."""
    payload.unrecognized_fields[PREPARED_FIELD] = msgspec.to_builtins(who)
    return payload


def load_targets(data: bytes, role: str) -> Metadata[Targets]:
    """Return the metadata of `targets` or of a delegated role.

    Raises:
        Malformed: See `load`.
    """
    from tuf.api.metadata import Targets

    return load(data, Targets, LIMITS[role])


def load_root(data: bytes) -> Metadata[Root]:
    """Return root metadata.

    Raises:
        Malformed: See `load`.
    """
    from tuf.api.metadata import Root

    return load(data, Root, LIMITS[ROOT])


def load_approved(role: str, data: bytes) -> Metadata[Root] | Metadata[Targets]:
    """Return the metadata of a role that people sign.

    Raises:
        Malformed: See `load`.
    """
    return load_root(data) if role == ROOT else load_targets(data, role)


def snapshot_versions(snapshot: bytes) -> dict[str, int]:
    """Return the versions of targets, policy and firmware that a snapshot names.

    Raises:
        Malformed: It is no snapshot, or names other roles.
    """
    from tuf.api.metadata import Snapshot

    meta = load(snapshot, Snapshot, LIMITS[SNAPSHOT]).signed.meta
    if set(meta) != {f"{role}.json" for role in APPROVED}:
        raise Malformed(f"a snapshot must name {', '.join(APPROVED)}, nothing else")
    return {role: meta[f"{role}.json"].version for role in APPROVED}


def timestamp_snapshot(timestamp: bytes) -> int:
    """Return the version of the snapshot that a timestamp names.

    Raises:
        Malformed: It is no timestamp.
    """
    from tuf.api.metadata import Timestamp

    return load(timestamp, Timestamp, LIMITS[TIMESTAMP]).signed.snapshot_meta.version


def require_online_signature(role: str, data: bytes, root: bytes) -> None:
    """Check that a snapshot or timestamp is signed by the key that a root names for it.

    Raises:
        BadSignature: It is not.
        Malformed: One of them is no such metadata.
    """
    signer = load_root(root).signed
    loaded = load_any(role, data)
    with translated():
        signer.verify_delegate(role, loaded.signed_bytes, loaded.signatures)


def version_and_expiry(role: str, metadata: bytes) -> tuple[int, float]:
    """Return a version and when it expires, Unix seconds.

    Raises:
        Malformed: It is no metadata of this role.
    """
    signed = load_any(role, metadata).signed
    return signed.version, signed.expires.timestamp()


def prepared(signed: Signed) -> Prepared:
    """Return who prepared this version.

    Raises:
        Malformed: It does not say, or not in a form that this program knows.
    """
    try:
        return msgspec.convert(signed.unrecognized_fields.get(PREPARED_FIELD), Prepared)
    except msgspec.ValidationError as error:
        raise Malformed(f"{signed.type} metadata does not say who prepared it") from error


def to_tuf_key(key: PublicKey) -> Key:
    """Return a key in python-tuf's form."""
    from securesystemslib.signer import SSlibKey

    extra = {HOLDER_FIELD: key.holder} if key.holder else {}
    return SSlibKey(key.id, "ed25519", "ed25519", {"public": key.raw.hex()}, extra)


def moment(unix_seconds: float) -> datetime:
    """Return a time as python-tuf wants it."""
    return datetime.fromtimestamp(int(unix_seconds), UTC)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what python-tuf raises into errors of `bartizan.errors`.

    Its parsers check types only where they need them, so hostile metadata can also raise builtins.
    """
    from tuf.api import exceptions

    try:
        yield
    except exceptions.ExpiredMetadataError as error:
        raise Expired("the catalogue has expired, by this clock") from error
    except exceptions.UnsignedMetadataError as error:
        raise BadSignature("metadata of the catalogue has too few valid signatures") from error
    except exceptions.BadVersionNumberError as error:
        raise Stale("metadata of the catalogue is older than what it should follow") from error
    except exceptions.LengthOrHashMismatchError as error:
        raise BadSignature("a file of the catalogue is not the one that was signed for") from error
    except exceptions.DownloadLengthMismatchError as error:
        raise Malformed("a file of the catalogue is larger than accepted") from error
    except exceptions.DownloadError as error:
        raise Unavailable("a file of the catalogue could not be fetched") from error
    except (exceptions.RepositoryError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Malformed("metadata of the catalogue makes no sense") from error
