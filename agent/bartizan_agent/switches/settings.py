"""The managed switches of a site as its gateway is told of them, and the secrets by which it may set them.

The secrets lie in a file of their own that only root can read, never in the agent's configuration and never with the
controller: whoever takes the controller takes no switch.
"""

import enum
import stat
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from bartizan.containment.level import Level
from bartizan.ids import Address, address, slug
from bartizan_agent.errors import BadSettings

VlanId = Annotated[int, msgspec.Meta(ge=2, le=4094)]
PASSPHRASE_CHARACTERS = 8
"""RFC 3414, 11.2: shorter ones are refused by every SNMP engine."""


class SnmpVersion(enum.Enum):
    """How a switch is spoken to."""

    V3 = "v3"
    V2C_IN_THE_CLEAR = "v2c-in-the-clear"


class Authentication(enum.Enum):
    """By what SNMPv3 messages are authenticated. Nothing weaker is offered."""

    SHA256 = "sha-256"
    SHA384 = "sha-384"
    SHA512 = "sha-512"


class Privacy(enum.Enum):
    """By what SNMPv3 messages are encrypted."""

    AES128 = "aes-128"
    AES256 = "aes-256"


class From(enum.Enum):
    """The level from which on something is done."""

    ISOLATE = "isolate"
    QUARANTINE = "quarantine"
    NEVER = "never"

    def holds(self, level: Level) -> bool:
        """Return whether it is done at a level."""
        return self is not From.NEVER and level >= Level(self.value)


class SwitchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A managed switch that cameras are plugged into, and what this gateway may do to its ports."""

    name: str
    """What people call it; it stands in reports."""
    address: Address
    """Where its SNMP agent listens: an address that cameras cannot reach, best of all."""
    secret_file: str
    """Of its SNMP user: TOML that only root can read, with `user`, `authentication` and `privacy`; see the guide."""
    vlans: tuple[VlanId, ...] = ()
    """Isolation VLANs: a port is moved into one of its own, which no other switch port may be a member of but those in
    `untouched`. At most as many devices can be held by VLAN."""
    vlan_from: From = From.ISOLATE
    """Level from which on a device's port is moved to an isolation VLAN."""
    shutdown_from: From = From.NEVER
    """Level from which on its port is shut down. A camera that is shut down cannot be patched."""
    vlans_keep_ports_apart: bool = False
    """Whether the switch keeps ports of one isolation VLAN apart (private VLAN): then all may share them."""
    untouched: tuple[str, ...] = ()
    """Ports never to be set, by their names on the switch (ifName): uplinks, the gateway's own, recorders'. Trunks and
    ports with a neighbour switch, this gateway or a declared recorder are never set either."""
    snmp: SnmpVersion = SnmpVersion.V3
    """`v3`: authenticated and encrypted. `v2c-in-the-clear`: by a community string that all on the way can read."""
    authentication: Authentication = Authentication.SHA256
    """Of SNMPv3 messages."""
    encryption: Privacy = Privacy.AES128
    """Of SNMPv3 messages; AES-256 as in draft-blumenthal-aes-usm-04."""
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 161
    """UDP port of its SNMP agent."""
    answer_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 2.0
    """How long one answer may take; a question is asked three times."""
    round_seconds: Annotated[float, msgspec.Meta(ge=1, le=600)] = 60.0
    """How long everything that is done to it at one time may take."""

    def acts(self, level: Level) -> bool:
        """Return whether anything is done to a device's port at a level."""
        return self.shutdown_from.holds(level) or (bool(self.vlans) and self.vlan_from.holds(level))


COMMENTS = {
    "name": "What people call this switch; it stands in reports.",
    "address": "Where its SNMP agent listens.",
    "secret_file": "TOML that only root can read: user, authentication, privacy.",
    "vlans": "Isolation VLANs: a held port has one of its own.",
    "vlan_from": "From this level on a device's port is moved to one: isolate, quarantine or never.",
    "shutdown_from": "From this level on its port is shut down: isolate, quarantine or never.",
    "vlans_keep_ports_apart": "true if ports of one isolation VLAN do not reach each other (private VLAN).",
    "untouched": "Ports never to be set: uplinks, this gateway's own, recorders'.",
    "snmp": "v3, or v2c-in-the-clear: whoever hears that can set the switch too.",
    "authentication": "sha-256, sha-384 or sha-512.",
    "encryption": "aes-128 or aes-256.",
    "port": "UDP port of its SNMP agent.",
    "answer_seconds": "How long one answer may take, three times over.",
    "round_seconds": "How long everything that is done to it at one time may take.",
}
"""What stands above each entry in the agent's configuration file."""


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a secret file holds. Never printed: `repr` hides it."""

    user: str = ""
    authentication: str = ""
    privacy: str = ""
    community: str = ""

    def __repr__(self) -> str:
        return f"Secret(user={self.user!r}, …)"


def check(switches: tuple[SwitchSettings, ...]) -> tuple[SwitchSettings, ...]:
    """Return the switches with their addresses in canonical form.

    Raises:
        ValueError: Two have one name, or one could never do anything.
    """
    if len({each.name for each in switches}) != len(switches):
        raise ValueError("a name stands in two [[switches]]; keep one of them")
    for each in switches:
        slug(each.name)
        if not each.vlans and each.shutdown_from is From.NEVER:
            raise ValueError(f"switch {each.name} has no vlans and never shuts a port down: give it one or the other")
        if len(set(each.vlans)) != len(each.vlans):
            raise ValueError(f"switch {each.name} names an isolation VLAN twice")
    return tuple(msgspec.structs.replace(each, address=address(each.address)) for each in switches)


def read_secret(settings: SwitchSettings) -> Secret:
    """Return the secrets of a switch.

    Raises:
        BadSettings: The file is missing, can be read by others, or lacks what is needed.
    """
    path = Path(settings.secret_file)
    where = f"the secret file of switch {settings.name}, {path},"
    try:
        mode = path.stat().st_mode
        secret = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Secret)
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{where} cannot be read") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadSettings(f"{where} is not as it should be: {error}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise BadSettings(f"{where} can be read by others: chown root {path} && chmod 600 {path}")
    if settings.snmp is SnmpVersion.V2C_IN_THE_CLEAR:
        missing = [] if secret.community else ["community"]
    else:
        missing = [] if secret.user else ["user"]
        missing += [
            f"{name} ({PASSPHRASE_CHARACTERS} characters or more)"
            for name in ("authentication", "privacy")
            if len(getattr(secret, name)) < PASSPHRASE_CHARACTERS
        ]
    if missing:
        raise BadSettings(f"{where} lacks {' and '.join(missing)}")
    return secret
