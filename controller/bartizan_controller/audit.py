"""The audit chain: what makes a deleted, changed or reordered entry visible.

Each entry's digest covers the one before it. Whoever can write the database could forge the whole chain, and could cut
its end off: so the newest digest is to be kept elsewhere from time to time (`audit verify` prints it).
"""

from collections.abc import Iterable

import msgspec

from bartizan.wire import codec

GENESIS = "0" * 64


class AuditEntry(msgspec.Struct, frozen=True):
    """Who changed what."""

    number: int
    """From 1, without gaps."""
    at: float
    """Unix seconds."""
    who: str
    action: str
    subject: str
    detail: dict[str, str]
    digest: str = ""
    """SHA-256 over the entry and the digest of the one before it."""


class Verification(msgspec.Struct, frozen=True):
    """What a walk along the chain found."""

    entries: int
    head: str
    """Digest of the last sound entry."""
    broken_at: int | None = None
    """Number of the first entry that does not follow from the one before."""
    has_wanted: bool = True
    """Whether the digest that was asked for is one of the chain's."""


def seal(entry: AuditEntry, previous: str) -> AuditEntry:
    """Return the entry with its digest, given the digest of the entry before it."""
    content = [previous, entry.number, entry.at, entry.who, entry.action, entry.subject, entry.detail]
    return msgspec.structs.replace(entry, digest=codec.digest(content))


def verify(entries: Iterable[AuditEntry], wanted: str = GENESIS) -> Verification:
    """Walk the chain from its beginning, looking out for the digest of an entry that was noted earlier."""
    head, count, has_wanted = GENESIS, 0, wanted == GENESIS
    for entry in entries:
        if entry.number != count + 1 or seal(entry, head).digest != entry.digest:
            return Verification(entries=count, head=head, broken_at=count + 1, has_wanted=has_wanted)
        head, count = entry.digest, entry.number
        has_wanted = has_wanted or head == wanted
    return Verification(entries=count, head=head, has_wanted=has_wanted)
