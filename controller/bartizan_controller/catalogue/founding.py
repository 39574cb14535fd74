"""Founding an estate's trust: the first keys, and the first version of every role.

Key files, PKCS#8 PEM, readable by their owner only:

    <offline>/root-1.pem root-2.pem targets-1.pem targets-2.pem      carried away, kept by different people
    <offline>/approver-1.pem approver-2.pem approver-3.pem           one to each approver of policy and firmware
    <online>/snapshot.pem timestamp.pem director.pem                 stay with the controller
"""

import secrets
from pathlib import Path

import msgspec

from bartizan.trust import keys
from bartizan.trust.approval import sign
from bartizan.trust.catalogue import RoleKeys, new_delegated, new_root, new_targets
from bartizan.trust.content import DirectorKeys
from bartizan.trust.keys import SigningKey
from bartizan.trust.tufdata import (
    DELEGATED,
    DIRECTOR_PATH,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Prepared,
)
from bartizan.wire import codec
from bartizan_controller.catalogue.online_keys import DIRECTOR, OnlineKeys, key_file
from bartizan_controller.catalogue.online_roles import Lifetimes
from bartizan_controller.catalogue.repository import CATALOGUE_CAPABILITY, CatalogueRepository
from bartizan_controller.durable import Write, create_file, replace_file


class FoundingKeys(msgspec.Struct, frozen=True):
    """Every key of a new estate, together in one place for the only time."""

    root: tuple[SigningKey, ...]
    targets: tuple[SigningKey, ...]
    approvers: tuple[SigningKey, ...]
    online: OnlineKeys


def make_keys(online: Path, offline: Path, *, passphrase: bytes | None = None) -> FoundingKeys:
    """Make all keys of a new estate and write them to two folders.

    Args:
        online: For the controller's own keys, without a passphrase.
        offline: For the keys that people carry away.
        passphrase: Encrypts the offline keys.

    Raises:
        FileExistsError: A key is already there. No key is ever overwritten.
    """

    def make(folder: Path, *names: str, passphrase: bytes | None) -> tuple[SigningKey, ...]:
        made = tuple(keys.from_seed(secrets.token_bytes(32), holder=name) for name in names)
        for key in made:
            create_file(key_file(folder, key.public.holder), key.pem(passphrase))
        return made

    snapshot, timestamp, director = make(online, SNAPSHOT, TIMESTAMP, DIRECTOR, passphrase=None)
    return FoundingKeys(
        root=make(offline, "root-1", "root-2", passphrase=passphrase),
        targets=make(offline, "targets-1", "targets-2", passphrase=passphrase),
        approvers=make(offline, "approver-1", "approver-2", "approver-3", passphrase=passphrase),
        online=OnlineKeys(snapshot=snapshot, timestamp=timestamp, director=director),
    )


def found(
    directory: Path,
    founders: FoundingKeys,
    *,
    now: float,
    lifetimes: Lifetimes | None = None,
    write: Write = replace_file,
) -> CatalogueRepository:
    """Make an empty catalogue, signed by everybody, and publish it.

    Args:
        directory: The repository's; must hold none yet.
        founders: The estate's keys.
        now: Unix seconds.
        lifetimes: How long versions last.
        write: How files get to the disk.

    Raises:
        FileExistsError: There is a catalogue already.
        Unavailable: The disk refuses.
    """
    lifetimes = lifetimes or Lifetimes()
    repository = CatalogueRepository(directory, founders.online, lifetimes=lifetimes, write=write)
    if repository.is_founded():
        raise FileExistsError(f"{directory} holds a catalogue already")
    director = codec.encode(director_keys(founders.online.director))
    root, targets, delegated = _first_versions(founders, director, now, lifetimes)
    metadata = {ROOT: root, TARGETS: targets, **delegated}
    repository.publish_first(metadata, {DIRECTOR_PATH: director}, now)
    return repository


def director_keys(*directors: SigningKey) -> DirectorKeys:
    """Return what `trust/director.json` says when these keys' orders are to count."""
    return DirectorKeys(keys={key.id: key.public.public for key in directors})


def _first_versions(
    founders: FoundingKeys, director: bytes, now: float, lifetimes: Lifetimes
) -> tuple[bytes, bytes, dict[str, bytes]]:
    def prepared(by: SigningKey) -> Prepared:
        return Prepared(by=by.id, at=int(now), needs_capability=CATALOGUE_CAPABILITY, note="founding")

    approvers = _role(*founders.approvers)
    root = new_root(
        {
            ROOT: _role(*founders.root),
            TARGETS: _role(*founders.targets),
            SNAPSHOT: _role(founders.online.snapshot, threshold=1),
            TIMESTAMP: _role(founders.online.timestamp, threshold=1),
        },
        prepared=prepared(founders.root[0]),
        expires_at=now + lifetimes.of(ROOT),
    )
    targets = new_targets(
        director,
        dict.fromkeys(DELEGATED, approvers),
        prepared=prepared(founders.targets[0]),
        expires_at=now + lifetimes.of(TARGETS),
    )
    delegated = {
        role: _signed(
            role,
            new_delegated(prepared=prepared(founders.approvers[0]), expires_at=now + lifetimes.of(role)),
            *founders.approvers[:2],
        )
        for role in DELEGATED
    }
    return _signed(ROOT, root, *founders.root), _signed(TARGETS, targets, *founders.targets), delegated


def _role(*holders: SigningKey, threshold: int = 2) -> RoleKeys:
    return RoleKeys(keys=tuple(key.public for key in holders), threshold=threshold)


def _signed(role: str, metadata: bytes, *signers: SigningKey) -> bytes:
    for key in signers:
        metadata = sign(role, metadata, key)
    return metadata
