"""The catalogue on the controller: changes are proposed, signed elsewhere by people, and published when approved.

    metadata/<n>.root.json <n>.targets.json <n>.policy.json <n>.firmware.json <n>.snapshot.json timestamp.json
    targets/<folder>/<sha256>.<name>       small targets; images live elsewhere
    changes/<role>-<version>-<hash>.json   staged changes

`timestamp.json` (and the newest root) says what is published. It is replaced last, so a crash leaves the old version
whole, and the next publication overwrites what was left lying.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bartizan.errors import BadSignature, Expired, Malformed
from bartizan.trust.approval import Approval, add_signature, approval, require_approval
from bartizan.trust.catalogue import propose, rotate_root, signers
from bartizan.trust.content import Catalogue
from bartizan.trust.push import Push, check_push
from bartizan.trust.reading import (
    PUSH_PATH,
    check_content,
    needed_capability,
    read_catalogue,
    small_targets,
    with_policy,
)
from bartizan.trust.review import Description, Review, describe
from bartizan.trust.tufdata import (
    APPROVED,
    DELEGATED,
    FIRMWARE,
    POLICY,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    Prepared,
    load_approved,
    load_targets,
    prepared,
    version_and_expiry,
)
from bartizan.wire import codec
from bartizan.wire.capability import CAPABILITY
from bartizan_controller.catalogue.online_roles import Lifetimes, OnlineRoles
from bartizan_controller.catalogue.published import Published
from bartizan_controller.catalogue.staging import Change, ChangeId, Staging
from bartizan_controller.durable import Write, replace_file
from bartizan_controller.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from bartizan.firmware.model import Image
    from bartizan.ids import KeyId
    from bartizan.trust.catalogue import RoleKeys
    from bartizan_controller.catalogue.online_keys import OnlineKeys

CATALOGUE_CAPABILITY = 1  # what a program must understand to read a catalogue of this form at all
BUNDLE_LIMIT = codec.LIMIT * 3 // 4 - 128 * 1024  # octets; as base64, with its names, it fits one wire message


class Outlook(msgspec.Struct, frozen=True):
    """The catalogue as it would be, for looking ahead. Nothing of what is new in it has been approved."""

    catalogue: Catalogue
    needs_capability: int
    """What a gateway must understand to accept it."""


class CatalogueRepository:
    """One estate's catalogue. Used by one controller process at a time."""

    def __init__(
        self,
        folder: Path,
        online: OnlineKeys,
        *,
        lifetimes: Lifetimes | None = None,
        write: Write = replace_file,
    ) -> None:
        self._published = Published(folder, write)
        self._staging = Staging(folder / "changes", write)
        self._lifetimes = lifetimes or Lifetimes()
        self._online = OnlineRoles(online, self._lifetimes)

    def is_founded(self) -> bool:
        """Return whether there is a catalogue here."""
        return self._published.is_founded()

    def publish_first(self, metadata: Mapping[str, bytes], contents: Mapping[str, bytes], now: float) -> None:
        """Publish the founding version of the roles that people sign.

        Raises:
            Unavailable: The disk refuses.
        """
        self._publish(metadata, contents, now, versions={SNAPSHOT: 0, TIMESTAMP: 0})

    def versions(self) -> dict[str, int]:
        """Return the published version of each role."""
        return {role: version_and_expiry(role, data)[0] for role, data in self._published.metadata().items()}

    def expiries(self) -> dict[str, float]:
        """Return when the published version of each role expires, Unix seconds."""
        return {role: version_and_expiry(role, data)[1] for role, data in self._published.metadata().items()}

    def first_root(self) -> bytes:
        """Return what a new gateway's trust begins with."""
        return self._published.roots()[0]

    def catalogue(self) -> Catalogue:
        """Return what the published version says."""
        metadata = self._published.metadata()
        return read_catalogue(metadata, self._published.contents(metadata), CAPABILITY)

    def signers(self) -> dict[str, RoleKeys]:
        """Return who may sign for each role in the published version."""
        present = self._published.metadata()
        return signers(ROOT, present[ROOT]) | signers(TARGETS, present[TARGETS])

    def bundle(self, since: Mapping[str, int], *, limit_octets: int = BUNDLE_LIMIT) -> dict[str, bytes]:
        """Return the files that a gateway lacks which holds these versions, by repository path.

        Where they are more than `limit_octets`, small targets are left out: gateways fetch those by HTTPS.
        """
        return self._published.bundle(since, limit_octets=limit_octets)

    def propose(
        self,
        role: str,
        *,
        add: Mapping[str, bytes | Image],
        remove: Collection[str] = (),
        delegations: Mapping[str, RoleKeys] | None = None,
        prepared_by: KeyId,
        now: float,
        note: str = "",
    ) -> ChangeId:
        """Stage the next version of targets, policy or firmware, and return its name.

        With nothing to add or remove it is the present content with a new expiry. Stages of an earlier version of
        policy say nothing of the next one and are left out.

        Args:
            role: Which of the three.
            add: New or replaced targets: small ones as content, images as their description.
            remove: Paths to take out.
            delegations: New keys for policy and firmware; only for `targets`.
            prepared_by: The key of who prepares it; that person alone cannot approve it.
            now: Unix seconds.
            note: Why, for those who approve.

        Raises:
            ValueError: A path is not this role's, or is not there to be removed.
            Malformed: A target is not of its type.
            Unavailable: The disk refuses.
        """
        present = self._published.metadata()
        contents = {path: content for path, content in add.items() if isinstance(content, bytes)}
        for path, content in contents.items():
            check_content(path, content, CAPABILITY)
        if PUSH_PATH in contents:
            _check_push(contents[PUSH_PATH], version_and_expiry(POLICY, present[POLICY])[0] + 1, now)
        elif role == POLICY and PUSH_PATH in load_targets(present[POLICY], POLICY).signed.targets:
            remove = {*remove, PUSH_PATH}
        metadata = propose(
            role,
            present[role],
            add=add,
            remove=remove,
            delegations=delegations,
            prepared=self._prepared(prepared_by, now, note, self._resulting(role, present, contents, remove)),
            expires_at=now + self._lifetimes.of(role),
        )
        return self._staging.put(Change(role, metadata, contents))

    def propose_root(
        self, roles: Mapping[str, RoleKeys], *, prepared_by: KeyId, now: float, note: str = ""
    ) -> ChangeId:
        """Stage the next root, with other keys for `roles`, and return its name.

        Raises:
            Unavailable: The disk refuses.
        """
        metadata = rotate_root(
            self._published.metadata()[ROOT],
            roles,
            prepared=self._prepared(prepared_by, now, note, {}),
            expires_at=now + self._lifetimes.of(ROOT),
        )
        return self._staging.put(Change(ROOT, metadata))

    def pending(self) -> dict[ChangeId, Approval]:
        """Return the waiting changes, and what each waits for."""
        done = _done(self._published.metadata())
        waiting = [change_id for change_id in self._staging.all() if change_id not in done]
        return {change_id: self._approval(self._staging.get(change_id)) for change_id in waiting}

    def review(self, change_id: ChangeId) -> Review:
        """Return all that an approver's own machine needs to explain, check and sign a change.

        Raises:
            NotFound: No such change waits.
        """
        change = self._staging.get(change_id)
        present = self._published.metadata()
        before = {} if change.role not in (TARGETS, POLICY) else self._replaced(change, present)
        return Review(
            role=change.role,
            roots=self._published.roots(),
            targets=present[TARGETS],
            current=present[change.role],
            proposed=change.metadata,
            before=before,
            after=change.contents,
        )

    def describe(self, change_id: ChangeId) -> Description:
        """Return what a change does, for people.

        Raises:
            NotFound: No such change waits.
            Stale: Another version was published since it was prepared.
        """
        return describe(self.review(change_id), self.first_root())

    def outlook(self, change_id: ChangeId, now: float) -> Outlook:
        """Return what the catalogue would say with a waiting change.

        Raises:
            NotFound: No such change waits.
            Conflict: Another version was published since it was prepared.
            Expired: It waited until it was too old.
        """
        change = self._staging.get(change_id)
        present = self._published.metadata()
        self._check_follows(change, present, now)
        return self._outlook({**present, change.role: change.metadata}, change.contents)

    def outlook_with(self, contents: Mapping[str, bytes]) -> Outlook:
        """Return what the catalogue would say with these targets of the policy role, new or replaced.

        Raises:
            Malformed: A target is not of its type.
            TooNew: It needs a greater capability.
        """
        for path, content in contents.items():
            check_content(path, content, CAPABILITY)
        return self._outlook(self._published.metadata(), contents)

    def approvals(self) -> dict[str, Approval]:
        """Return who signed the published version of each role that people sign."""
        present = self._published.metadata()
        return {role: approval(role, present[role], _delegators(role, present, present)) for role in (ROOT, *APPROVED)}

    def sign(self, change_id: ChangeId, key_id: KeyId, signature: bytes) -> Approval:
        """Add a signature that an approver made elsewhere; return how far the approval has come.

        Raises:
            NotFound: No such change waits.
            BadSignature: It is not by a key that counts for this role, or will if another waiting change is published.
            Unavailable: The disk refuses.
        """
        change = self._staging.get(change_id)
        signed = msgspec.structs.replace(
            change, metadata=add_signature(change.role, change.metadata, key_id, signature)
        )
        if not any(key_id in approval(signed.role, signed.metadata, [d]).signed_by for d in self._may_delegate(signed)):
            raise BadSignature(f"this signature does not count for the {change.role} role: wrong key, or other bytes")
        self._staging.put(signed)
        return self._approval(signed)

    def withdraw(self, change_id: ChangeId) -> None:
        """Forget a waiting change.

        Raises:
            Unavailable: The disk refuses.
        """
        self._staging.drop(change_id)

    def publish(self, *change_ids: ChangeId, now: float) -> dict[str, int]:
        """Publish approved changes together and return the new versions.

        Keys are exchanged in one publication: the delegation, and what the new keys signed.

        Raises:
            NotFound: A change does not wait.
            Conflict: Another version was published since one was prepared, or two are of the same role.
            BadSignature: One is not approved, and what it needs.
            Expired: One waited until it was too old.
            Malformed: The result would be refused by gateways.
            Unavailable: The disk refuses. The version before is still published.
        """
        changes = [self._staging.get(change_id) for change_id in change_ids]
        present = self._published.metadata()
        following = {**present, **{change.role: change.metadata for change in changes}}
        if len({change.role for change in changes}) != len(changes):
            raise Conflict("two changes of one role cannot be published together: withdraw one")
        for change in changes:
            self._check_follows(change, present, now)
            require_approval(change.role, change.metadata, _delegators(change.role, present, following))
        contents = {path: content for change in changes for path, content in change.contents.items()}
        if PUSH_PATH in contents and codec.decode(contents[PUSH_PATH], Push).not_after <= now:
            raise Expired("the time by which it was to be in force everywhere is over: propose it again")
        self._publish(following, contents, now, versions=self.versions())
        for change_id in {*change_ids, *_done(present)}:
            self._staging.drop(change_id)
        return self.versions()

    def refresh_online(self, now: float) -> bool:
        """Sign snapshot and timestamp again if half of a lifetime is over or their keys changed; return whether.

        Call at start and daily.

        Raises:
            BadSignature: The root names other online keys than this controller holds.
            Unavailable: The disk refuses.
        """
        present = self._published.metadata()
        if not self._online.is_due(present, now):
            return False
        self._publish(present, {}, now, versions=self.versions())
        return True

    def _publish(
        self, approved: Mapping[str, bytes], contents: Mapping[str, bytes], now: float, *, versions: Mapping[str, int]
    ) -> None:
        metadata = self._online.sign(approved, versions=versions, now=now)
        held = {path: file for path, file in small_targets(metadata).items() if path not in contents}
        read_catalogue(metadata, {**self._published.read_targets(held), **contents}, CAPABILITY)
        self._published.replace(metadata, contents)

    def _prepared(self, by: KeyId, now: float, note: str, contents: Mapping[str, bytes]) -> Prepared:
        needs = max(CATALOGUE_CAPABILITY, needed_capability(contents))
        return Prepared(by=by, at=int(now), needs_capability=needs, note=note)

    def _resulting(
        self, role: str, present: Mapping[str, bytes], added: Mapping[str, bytes], removed: Collection[str]
    ) -> dict[str, bytes]:
        """Return the policies that there will be, whose needs the next version must state."""
        if role != POLICY:
            return {}
        kept = {path: content for path, content in self._published.contents(present).items() if path not in removed}
        return {**kept, **added}

    def _outlook(self, metadata: Mapping[str, bytes], added: Mapping[str, bytes]) -> Outlook:
        held = {path: file for path, file in small_targets(metadata).items() if path not in added}
        contents = {**self._published.read_targets(held), **added}
        others = [prepared(load_approved(role, metadata[role]).signed) for role in (ROOT, *APPROVED) if role != POLICY]
        needs = max(needed_capability(contents), *(mark.needs_capability for mark in others))
        return Outlook(with_policy(self.catalogue(), contents, CAPABILITY), needs)

    def _replaced(self, change: Change, present: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the content of present targets that the change replaces or removes."""
        before = small_targets(present)
        after = small_targets({**present, change.role: change.metadata})
        return self._published.read_targets({path: file for path, file in before.items() if after.get(path) != file})

    def _may_delegate(self, change: Change) -> list[bytes]:
        """Return metadata that does, or once published would, say whose signatures count for this change."""
        parent = TARGETS if change.role in DELEGATED else ROOT
        waiting = [self._staging.get(change_id) for change_id in self._staging.all()]
        own = [change.metadata] if change.role == ROOT else []
        return [self._published.metadata()[parent], *own, *(each.metadata for each in waiting if each.role == parent)]

    def _approval(self, change: Change) -> Approval:
        present = self._published.metadata()
        following = {**present, change.role: change.metadata}
        return approval(change.role, change.metadata, _delegators(change.role, present, following))

    def _check_follows(self, change: Change, present: Mapping[str, bytes], now: float) -> None:
        version, expires_at = version_and_expiry(change.role, change.metadata)
        published, _ = version_and_expiry(change.role, present[change.role])
        if version != published + 1:
            raise Conflict(f"{change.role} {published} is published; prepare change {change.id!r} again on top of it")
        if expires_at <= now:
            raise Expired(f"change {change.id!r} waited too long for its signatures; prepare it again")


def _check_push(content: bytes, version: int, now: float) -> None:
    push = codec.decode(content, Push)
    if push.policy != version:
        raise Malformed(f"the push is about policy {push.policy}; this will be policy {version}")
    check_push(push, prepared_at=int(now))


def _done(present: Mapping[str, bytes]) -> set[ChangeId]:
    """Return the changes that were published last: a crash right after that leaves them as if they waited."""
    return {Change(role, present[role]).id for role in (ROOT, *APPROVED)}


def _delegators(role: str, present: Mapping[str, bytes], following: Mapping[str, bytes]) -> list[bytes]:
    """Return whose keys must approve a version of `role`: for a root, the old one's and its own."""
    if role == ROOT:
        return [present[ROOT], following[ROOT]]
    return [following[TARGETS if role in (POLICY, FIRMWARE) else ROOT]]
