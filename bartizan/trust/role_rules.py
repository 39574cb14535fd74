"""Bartizan's own rules about who may sign what, beyond TUF's.

Two distinct holders for everything that people approve, no online key among theirs, and exactly the roles and paths
that `bartizan.trust.content` lists: a catalogue that breaks them is refused, by whomever it is signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.errors import Malformed
from bartizan.trust.keys import key_id, public_octets
from bartizan.trust.tufdata import DELEGATED, HOLDER_FIELD, ROOT, SNAPSHOT, TARGETS, THRESHOLD, TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from securesystemslib.signer import Key
    from tuf.api.metadata import Role, Root, Targets

    from bartizan.trust.content import DirectorKeys

MAX_KEYS = 16  # of one role


def check_roles(root: Root, targets: Targets, director: DirectorKeys) -> None:
    """Check the keys, thresholds and delegations of a catalogue.

    Raises:
        Malformed: A rule is broken, and which.
    """
    online = _director_keys(director)
    for role in (TIMESTAMP, SNAPSHOT):
        online |= {_public(root.get_key(name)) for name in root.roles[role].keyids}
    for role in (ROOT, TARGETS):
        _check_role(role, root.roles[role], map(root.get_key, root.roles[role].keyids), online)
    delegations = targets.delegations
    if delegations is None or delegations.roles is None or set(delegations.roles) != set(DELEGATED):
        raise Malformed(f"the targets role must delegate {' and '.join(DELEGATED)}, nothing else")
    for name, delegated in delegations.roles.items():
        if delegated.paths != [f"{name}/*"]:
            raise Malformed(f"the {name} role must be delegated {name}/*, nothing else")
        _check_role(name, delegated, map(targets.get_key, delegated.keyids), online)


def _check_role(role: str, rule: Role, keys: Iterable[Key], online: Collection[str]) -> None:
    keys = list(keys)
    publics = {_public(key) for key in keys}
    holders = {str(key.unrecognized_fields.get(HOLDER_FIELD, key.keyid)) for key in keys}
    if rule.threshold < THRESHOLD or len(holders) < rule.threshold:
        raise Malformed(f"the {role} role must need {THRESHOLD} signatures, of different holders")
    if len(publics) != len(keys) or len(keys) > MAX_KEYS:
        raise Malformed(f"the {role} role lists a key twice, or more than {MAX_KEYS}")
    if publics.intersection(online):
        raise Malformed(f"the {role} role trusts a key that is kept online")


def _director_keys(director: DirectorKeys) -> set[str]:
    """Return the director's public keys in hexadecimal, each under its own id."""
    octets = {name: public_octets(text) for name, text in director.keys.items()}
    if not 0 < len(octets) <= MAX_KEYS or any(name != key_id(raw) for name, raw in octets.items()):
        raise Malformed(f"the director must have 1 to {MAX_KEYS} keys, each under its own id")
    return {raw.hex() for raw in octets.values()}


def _public(key: Key) -> str:
    if key.keytype != "ed25519":
        raise Malformed(f"key {key.keyid[:16]} is of type {key.keytype!r}; Ed25519 is needed")
    return str(key.keyval["public"]).lower()
