"""Making the catalogue's metadata: first versions, proposed changes, root rotation. Bytes in, unsigned bytes out.

Every approved role (root, targets, policy, firmware) says inside its signed part who prepared it. Who signs, and
whether that is enough, is `bartizan.trust.approval`'s; what a change means is `bartizan.trust.review`'s.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec

from bartizan.errors import Malformed
from bartizan.firmware.model import Image
from bartizan.trust.keys import PublicKey
from bartizan.trust.tufdata import (
    APPROVED,
    DELEGATED,
    DIRECTOR_PATH,
    HOLDER_FIELD,
    LIMITS,
    ROOT,
    SNAPSHOT,
    TARGET_LIMIT,
    TARGETS,
    THRESHOLD,
    Prepared,
    load,
    load_root,
    load_targets,
    moment,
    prepare,
    to_tuf_key,
    unsigned,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from securesystemslib.signer import Key
    from tuf.api.metadata import Delegations, Root, TargetFile


class RoleKeys(msgspec.Struct, frozen=True):
    """Who may sign for a role, and how many of them must."""

    keys: tuple[PublicKey, ...]
    threshold: int = THRESHOLD


def new_root(roles: Mapping[str, RoleKeys], *, prepared: Prepared, expires_at: float) -> bytes:
    """Return the first root, unsigned.

    Args:
        roles: Keys of root, timestamp, snapshot and targets.
        prepared: Who prepares it.
        expires_at: Unix seconds.
    """
    from tuf.api.metadata import Root

    root = Root(version=1, expires=moment(expires_at))
    _set_roles(root, roles)
    return unsigned(prepare(root, prepared))


def rotate_root(current: bytes, roles: Mapping[str, RoleKeys], *, prepared: Prepared, expires_at: float) -> bytes:
    """Return the next root with other keys for `roles`, unsigned. It needs the old root's signers and its own.

    Raises:
        Malformed: `current` is no root.
    """
    root = load_root(current).signed
    root.version += 1
    root.expires = moment(expires_at)
    _set_roles(root, roles)
    return unsigned(prepare(root, prepared))


def new_targets(
    director: bytes, delegations: Mapping[str, RoleKeys], *, prepared: Prepared, expires_at: float
) -> bytes:
    """Return the first top-level targets, unsigned: the director's keys, and who signs policy and firmware.

    Args:
        director: Content of `trust/director.json`.
        delegations: Keys of policy and firmware.
        prepared: Who prepares it.
        expires_at: Unix seconds.
    """
    from tuf.api.metadata import TargetFile, Targets

    targets = Targets(
        version=1,
        expires=moment(expires_at),
        targets={DIRECTOR_PATH: TargetFile.from_data(DIRECTOR_PATH, director)},
        delegations=_delegations(delegations),
    )
    return unsigned(prepare(targets, prepared))


def new_delegated(*, prepared: Prepared, expires_at: float) -> bytes:
    """Return the first, empty version of a delegated role, unsigned."""
    from tuf.api.metadata import Targets

    return unsigned(prepare(Targets(version=1, expires=moment(expires_at)), prepared))


def propose(
    role: str,
    current: bytes,
    *,
    add: Mapping[str, bytes | Image],
    remove: Collection[str] = (),
    delegations: Mapping[str, RoleKeys] | None = None,
    prepared: Prepared,
    expires_at: float,
) -> bytes:
    """Return the next version of targets, policy or firmware, unsigned.

    Args:
        role: Which of the three.
        current: Its present metadata.
        add: Targets that are new or replaced: small ones as their content, images as their description.
        remove: Paths of targets that are taken out.
        delegations: New keys for policy and firmware; only for `targets`.
        prepared: Who prepares it.
        expires_at: Unix seconds.

    Raises:
        ValueError: A path is not this role's, or a path to remove is not there.
        Malformed: `current` is no such metadata.
    """
    signed = load_targets(current, role).signed
    for path in remove:
        if path not in signed.targets:
            raise ValueError(f"{path!r} cannot be removed: the {role} role does not hold it")
        del signed.targets[path]
    for path, content in add.items():
        signed.targets[path] = _target_file(role, path, content)
    if delegations is not None:
        if role != TARGETS:
            raise ValueError("only the targets role delegates")
        signed.delegations = _delegations(delegations)
    signed.version += 1
    signed.expires = moment(expires_at)
    return unsigned(prepare(signed, prepared))


def signers(role: str, metadata: bytes) -> dict[str, RoleKeys]:
    """Return who may sign for each role that a root, or top-level targets, names.

    Raises:
        Malformed: It is no such metadata.
    """
    named = load_root(metadata).signed if role == ROOT else load_targets(metadata, role).signed.delegations
    if named is None or named.roles is None:
        raise Malformed(f"the {role} metadata names nobody who may sign")
    return {
        name: RoleKeys(tuple(_public_key(named.keys[key_id]) for key_id in rule.keyids), rule.threshold)
        for name, rule in named.roles.items()
    }


def assemble_snapshot(roles: Mapping[str, bytes], *, version: int, expires_at: float) -> bytes:
    """Return a snapshot of targets, policy and firmware, unsigned.

    Raises:
        Malformed: Some of it is no such metadata.
    """
    from tuf.api.metadata import MetaFile, Snapshot

    meta = {
        f"{role}.json": MetaFile.from_data(load_targets(roles[role], role).signed.version, roles[role], ["sha256"])
        for role in APPROVED
    }
    return unsigned(Snapshot(version=version, expires=moment(expires_at), meta=meta))


def assemble_timestamp(snapshot: bytes, *, version: int, expires_at: float) -> bytes:
    """Return a timestamp that names a snapshot, unsigned.

    Raises:
        Malformed: It is no snapshot.
    """
    from tuf.api.metadata import MetaFile, Snapshot, Timestamp

    snapshot_version = load(snapshot, Snapshot, LIMITS[SNAPSHOT]).signed.version
    named = MetaFile.from_data(snapshot_version, snapshot, ["sha256"])
    return unsigned(Timestamp(version=version, expires=moment(expires_at), snapshot_meta=named))


def image_path(image: Image) -> str:
    """Return the target path of an image."""
    return f"firmware/{image.file_name}"


def _public_key(key: Key) -> PublicKey:
    public = base64.b64encode(bytes.fromhex(str(key.keyval["public"]))).decode()
    return PublicKey(public, str(key.unrecognized_fields.get(HOLDER_FIELD, "")))


def _set_roles(root: Root, roles: Mapping[str, RoleKeys]) -> None:
    for role, wanted in roles.items():
        for key_id in list(root.roles[role].keyids):
            root.revoke_key(key_id, role)
        for key in wanted.keys:
            root.add_key(to_tuf_key(key), role)
        root.roles[role].threshold = wanted.threshold


def _delegations(roles: Mapping[str, RoleKeys]) -> Delegations:
    from tuf.api.metadata import DelegatedRole, Delegations

    if set(roles) != set(DELEGATED):
        raise ValueError(f"the delegated roles are {' and '.join(DELEGATED)}")
    return Delegations(
        keys={key.id: to_tuf_key(key) for role in roles.values() for key in role.keys},
        roles={
            name: DelegatedRole(
                name, [key.id for key in role.keys], role.threshold, terminating=True, paths=[f"{name}/*"]
            )
            for name, role in roles.items()
        },
    )


def _target_file(role: str, path: str, content: bytes | Image) -> TargetFile:
    from tuf.api.metadata import TargetFile

    folder = "trust" if role == TARGETS else role
    if path.rpartition("/")[0] != folder or not path.rpartition("/")[2]:
        raise ValueError(f"{path!r} is no target of the {role} role: it should be {folder}/<name>")
    if isinstance(content, Image):
        if path != image_path(content):
            raise ValueError(f"{path!r} is not where the image {content.file_name!r} belongs")
        sha256 = content.id.removeprefix("sha256:")
        return TargetFile(content.length, {"sha256": sha256}, path, {"custom": msgspec.to_builtins(content)})
    if len(content) > TARGET_LIMIT:
        raise ValueError(f"{path!r} has {len(content)} octets; at most {TARGET_LIMIT} are accepted")
    return TargetFile.from_data(path, content)
