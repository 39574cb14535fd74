"""What a proposed change means, told to the person who is about to sign it.

This runs on the approver's own machine and believes nothing that the controller says: the present state is checked up
to the approver's own root, and every shown content against the hashes that the signature will cover. A controller
that hides newer versions gains nothing: the version it has signed is then one that no gateway accepts any more.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from bartizan.errors import Malformed, Stale
from bartizan.ids import KeyId
from bartizan.trust.approval import Approval, approval, require_approval
from bartizan.trust.tufdata import (
    DELEGATED,
    FIRMWARE,
    HOLDER_FIELD,
    ROLES,
    ROOT,
    TARGET_LIMIT,
    TARGETS,
    load_approved,
    load_root,
    load_targets,
    prepared,
    translated,
)
from bartizan.wire import codec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tuf.api.metadata import Delegations, Key, Role, Root, TargetFile, Targets

ABSENT = ""
IDENTITIES = ("id", "name", "interface")
"""Fields by which an entry of a list is known when its place changes."""


class Review(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that an approver needs to judge a change, as the controller hands it out."""

    role: str
    roots: tuple[bytes, ...]
    """Every published root, oldest first."""
    targets: bytes
    """The present top-level targets, which name policy's and firmware's keys."""
    current: bytes
    """The role's present metadata."""
    proposed: bytes
    """The next version, with the signatures so far."""
    before: dict[str, bytes] = {}
    """Content of the small targets that the change replaces or removes."""
    after: dict[str, bytes] = {}
    """Content of the small targets that the change adds or replaces."""


class Difference(msgspec.Struct, frozen=True):
    """One value that changes. Empty where there was, or will be, none."""

    path: str
    """Target path, or `keys` for who may sign."""
    field: str
    before: str
    after: str


class Description(msgspec.Struct, frozen=True):
    """A change in words and data."""

    role: str
    version: int
    prepared_by: str
    """Holder of the key, or its id where no holder is named."""
    prepared_at: int
    note: str
    expires_at: float
    approval: Approval
    differences: tuple[Difference, ...]

    def lines(self) -> list[str]:
        """Return the differences as lines, as a person reads them in a terminal."""
        return [
            f"{each.path}: {each.field}: {each.before or '(nothing)'} -> {each.after or '(nothing)'}"
            for each in self.differences
        ]


def describe(review: Review, trusted_root: bytes) -> Description:
    """Return what a change does, having verified everything that is shown.

    Args:
        review: As received from the controller.
        trusted_root: A root that this person has from elsewhere (founding, or an earlier review).

    Raises:
        BadSignature: The present state is not what the owners of `trusted_root` signed, or contents do not match.
        Stale: The change does not follow the present version.
        Malformed: Something is missing or makes no sense.
    """
    delegators = _delegators(review, trusted_root)
    require_approval(review.role, review.current, delegators)
    current = load_approved(review.role, review.current).signed
    proposed = load_approved(review.role, review.proposed).signed
    if proposed.version != current.version + 1:
        raise Stale(f"{review.role} {proposed.version} does not follow {current.version}: prepare the change again")
    mark = prepared(proposed)
    state = approval(review.role, review.proposed, [*delegators, *([review.proposed] if review.role == ROOT else [])])
    return Description(
        role=review.role,
        version=proposed.version,
        prepared_by=_holder(delegators[0], review.role, mark.by),
        prepared_at=mark.at,
        note=mark.note,
        expires_at=proposed.expires.timestamp(),
        approval=state,
        differences=(*_key_differences(current, proposed), *_target_differences(review)),
    )


def newest_root(roots: tuple[bytes, ...], trusted_root: bytes) -> bytes:
    """Return the last of `roots` that follows from a trusted one, each approved by the one before and by itself.

    Raises:
        BadSignature: One of them is not so approved.
        Malformed: One is missing, or no root.
    """
    root = trusted_root
    for candidate in sorted(roots, key=lambda data: load_root(data).signed.version):
        version, held = load_root(candidate).signed.version, load_root(root).signed.version
        if version <= held:
            continue
        if version != held + 1:
            raise Malformed(f"root {held + 1} is missing")
        require_approval(ROOT, candidate, [root, candidate])
        root = candidate
    return root


def _delegators(review: Review, trusted_root: bytes) -> list[bytes]:
    root = newest_root(review.roots, trusted_root)
    if review.role in (ROOT, TARGETS):
        return [root]
    if review.role not in DELEGATED:
        raise Malformed(f"{review.role!r} is no role that people approve; these are {', '.join(ROLES)}")
    require_approval(TARGETS, review.targets, [root])
    return [review.targets]


def _holder(delegator: bytes, role: str, key_id: KeyId) -> str:
    keys = _keys(load_approved(TARGETS if role in DELEGATED else ROOT, delegator).signed)
    return _name(keys[key_id]) if key_id in keys else key_id


def _target_differences(review: Review) -> Iterator[Difference]:
    if review.role == ROOT:
        return
    before = load_targets(review.current, review.role).signed.targets
    after = load_targets(review.proposed, review.role).signed.targets
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) == after.get(path):
            continue
        old = _leaves(_document(review.role, before.get(path), review.before))
        new = _leaves(_document(review.role, after.get(path), review.after))
        for field in sorted(old.keys() | new.keys()):
            if old.get(field) != new.get(field):
                yield Difference(path, "".join(field), old.get(field, ABSENT), new.get(field, ABSENT))


def _document(role: str, target: TargetFile | None, contents: Mapping[str, bytes]) -> Any:
    if target is None:
        return None
    if role == FIRMWARE:
        return target.custom
    content = contents.get(target.path)
    if content is None:
        raise Malformed(f"the content of {target.path!r} was not sent: it cannot be approved unseen")
    with translated():
        target.verify_length_and_hashes(content)
    return codec.decode(content, object, TARGET_LIMIT)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Return every value of a document by where it stands. No two places share a path, so none can hide another."""
    parts: dict[str, Any] = {}
    if isinstance(value, dict):
        parts = {f".{key}" if path else str(key): part for key, part in value.items()}
    elif isinstance(value, list) and any(isinstance(part, (dict, list)) for part in value):
        parts = dict(zip(_entry_names(value), value, strict=True))
    if not parts:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return {path: text} if path else {}
    leaves: dict[tuple[str, ...], str] = {}
    for name, part in parts.items():
        leaves |= _leaves(part, (*path, name))
    return leaves


def _entry_names(entries: list[Any]) -> list[str]:
    """Return a name for each entry: its id where all have one and no two the same, else its place."""
    for field in IDENTITIES:
        names = [str(entry.get(field)) for entry in entries if isinstance(entry, dict) and field in entry]
        if len(set(names)) == len(entries):
            return [f"[{name}]" for name in names]
    return [f"[{place}]" for place in range(len(entries))]


def _key_differences(before: Root | Targets, after: Root | Targets) -> Iterator[Difference]:
    old, new = _who_signs(before), _who_signs(after)
    for role in sorted(old.keys() | new.keys()):
        if old.get(role) != new.get(role):
            yield Difference("keys", role, old.get(role, ABSENT), new.get(role, ABSENT))


def _who_signs(signed: Root | Targets) -> dict[str, str]:
    keys = _keys(signed)
    return {
        name: f"{role.threshold} of {', '.join(sorted(_describe(keys[key_id]) for key_id in role.keyids))}"
        for name, role in _roles(signed).items()
    }


def _keys(signed: Root | Targets) -> Mapping[str, Key]:
    delegator = _delegator(signed)
    return delegator.keys if delegator else {}


def _roles(signed: Root | Targets) -> Mapping[str, Role]:
    delegator = _delegator(signed)
    return (delegator.roles or {}) if delegator else {}


def _delegator(signed: Root | Targets) -> Root | Delegations | None:
    from tuf.api.metadata import Root

    return signed if isinstance(signed, Root) else signed.delegations


def _describe(key: Key) -> str:
    return f"{_name(key)} ({key.keyid[:16]})"


def _name(key: Key) -> str:
    return str(key.unrecognized_fields.get(HOLDER_FIELD, key.keyid))
