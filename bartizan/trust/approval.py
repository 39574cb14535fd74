"""Signing a version of a role, and whether its signatures amount to an approval.

The rule: two distinct holders of keys that count, and never only the one who prepared the change. `sign` runs on the
approver's own machine, over bytes that `bartizan.trust.review` explained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bartizan.errors import BadSignature
from bartizan.ids import KeyId
from bartizan.trust.keys import SigningKey
from bartizan.trust.tufdata import (
    DELEGATED,
    HOLDER_FIELD,
    TARGETS,
    THRESHOLD,
    dump,
    load_any,
    load_approved,
    load_root,
    load_targets,
    prepared,
    translated,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tuf.api.metadata import Metadata, Root, Targets


class Approval(msgspec.Struct, frozen=True):
    """How far the approval of a version has come."""

    signed_by: tuple[KeyId, ...]
    holders: tuple[str, ...]
    """Of the keys that signed, in the same order."""
    prepared_by: KeyId
    threshold: int
    complete: bool
    reason: str
    """Why it is not complete, for people; empty if it is."""


def signing_payload(role: str, metadata: bytes) -> bytes:
    """Return the canonical bytes that an approver's key signs.

    Raises:
        Malformed: It is no metadata of this role.
    """
    with translated():
        return load_any(role, metadata).signed_bytes


def sign(role: str, metadata: bytes, key: SigningKey) -> bytes:
    """Return the metadata with one more signature, replacing an earlier one of the same key.

    Raises:
        Malformed: It is no metadata of this role.
    """
    return add_signature(role, metadata, key.id, key.sign(signing_payload(role, metadata)))


def add_signature(role: str, metadata: bytes, key_id: KeyId, signature: bytes) -> bytes:
    """Return the metadata with a signature that was made elsewhere. Whether it counts is `approval`'s to say.

    Raises:
        Malformed: It is no metadata of this role.
    """
    from securesystemslib.signer import Signature

    loaded = load_any(role, metadata)
    loaded.signatures[key_id] = Signature(key_id, signature.hex())
    return dump(loaded)


def approval(role: str, metadata: bytes, delegators: Collection[bytes]) -> Approval:
    """Return who has approved a version, and what is missing.

    Args:
        role: Root, targets, policy or firmware.
        metadata: The version, with its signatures so far.
        delegators: Metadata that names the keys which count: root for targets, targets for policy and firmware;
            for a root, the previous root and the root itself (the first root: itself).

    Raises:
        Malformed: Some of it is no such metadata.
    """
    loaded = load_approved(role, metadata)
    by = prepared(loaded.signed).by
    signers: dict[KeyId, str] = {}
    threshold, reasons = 0, []
    for delegator in delegators:
        signed = _signers(role, loaded, delegator)
        signers |= signed.holders
        threshold = max(threshold, signed.threshold)
        reasons.append(_what_is_missing(signed.holders, by, signed.threshold))
    reason = next(filter(None, reasons), "")
    return Approval(
        signed_by=tuple(signers),
        holders=tuple(signers.values()),
        prepared_by=by,
        threshold=threshold,
        complete=not reason,
        reason=reason,
    )


def require_approval(role: str, metadata: bytes, delegators: Collection[bytes]) -> None:
    """Check that a version is approved.

    Raises:
        BadSignature: It is not, and why.
        Malformed: Some of it is no such metadata.
    """
    state = approval(role, metadata, delegators)
    if not state.complete:
        raise BadSignature(f"the {role} role is not approved: {state.reason}")


class _Signers(msgspec.Struct, frozen=True):
    holders: dict[KeyId, str]
    threshold: int


def _signers(role: str, loaded: Metadata[Root] | Metadata[Targets], delegator: bytes) -> _Signers:
    """Return the holders of the keys that really signed, by key id, and how many are needed."""
    parent: Root | Targets = (
        load_targets(delegator, TARGETS).signed if role in DELEGATED else load_root(delegator).signed
    )
    with translated():
        result = parent.get_verification_result(role, loaded.signed_bytes, loaded.signatures)
    return _Signers(
        holders={KeyId(k): str(key.unrecognized_fields.get(HOLDER_FIELD, k)) for k, key in result.signed.items()},
        threshold=max(result.threshold, THRESHOLD),
    )


def _what_is_missing(signers: Mapping[KeyId, str], prepared_by: KeyId, threshold: int) -> str:
    count = len(set(signers.values()))
    if count >= threshold and set(signers) - {prepared_by}:
        return ""
    if count == 0:
        return f"0 of {threshold} signatures"
    who = "a second person's" if count == 1 else "another person's"
    return f"{count} of {threshold} signatures; needs {who}"
