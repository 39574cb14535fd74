"""What the catalogue holds, once verified: the only source of policy, waivers, makers, advisories and images.

Target paths in the TUF repository, by the role that signs them:

    trust/director.json                 targets    `DirectorKeys`
    policy/<policy id>.json             policy     `Policy`
    policy/waivers.json                 policy     list of `Waiver`
    policy/makers.json                  policy     list of `Maker`
    policy/fingerprints.json            policy     list of `Fingerprint`
    policy/advisories.json              policy     list of `Advisory`
    policy/sites-<organisation>.json    policy     list of `SiteFacts`
    policy/push.json                    policy     `Push`
    firmware/<file name>                firmware   the image; its target's custom metadata is an `Image`
"""

import msgspec

from bartizan.firmware.model import Advisory, Image
from bartizan.identity.fingerprints import Fingerprint
from bartizan.ids import KeyId
from bartizan.policy.model import Maker, Policy, SiteFacts, Waiver
from bartizan.trust.push import Push


class DirectorKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The online keys whose orders count: Ed25519 public keys, 32 octets in base64, by key id."""

    keys: dict[KeyId, str]


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A verified catalogue. Exists only because its signatures were checked; kept as the last good state."""

    versions: dict[str, int]
    """Version of each role: root, timestamp, snapshot, targets, policy, firmware."""
    expires_at: float
    """When the first of its roles expires; Unix seconds."""
    director: DirectorKeys
    prepared_at: float = 0.0
    """When the newest part that people approved was prepared; Unix seconds. It is never earlier than that."""
    policies: tuple[Policy, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    makers: tuple[Maker, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    advisories: tuple[Advisory, ...] = ()
    sites: tuple[SiteFacts, ...] = ()
    images: tuple[Image, ...] = ()
    push: Push | None = None
    """How this very version of the policy role goes out; None: to everybody at once."""
    policy_digest: str = ""
    """SHA-256 of what was signed of the policy role, hexadecimal."""
    policy_prepared_at: float = 0.0
    """When the policy role was prepared; Unix seconds."""


def with_policy_of(newest: Catalogue, before: Catalogue) -> Catalogue:
    """Return a catalogue of which all but the policy role is in force, and of that role an earlier version."""
    return msgspec.structs.replace(
        newest,
        policies=before.policies,
        waivers=before.waivers,
        makers=before.makers,
        fingerprints=before.fingerprints,
        advisories=before.advisories,
        sites=before.sites,
    )
