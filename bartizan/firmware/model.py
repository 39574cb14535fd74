"""Vetted firmware images as the catalogue describes them, and advisories."""

import enum

import msgspec

from bartizan.identity.model import Kind
from bartizan.ids import ImageId


class Image(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A firmware image. The custom metadata of its TUF target."""

    id: ImageId
    file_name: str
    length: int
    """Octets."""
    maker: str
    models: tuple[str, ...]
    """Exact model names, or patterns with `*`, that it is for."""
    version: str
    platforms: tuple[str, ...] = ()
    """Firmware family keys it is for; empty where the vendor has none."""
    build_date: str = ""
    requires_version_at_least: str = ""
    """A stepping stone: refuse below this."""
    fixes: tuple[str, ...] = ()
    """Advisory identifiers."""
    approvers: tuple[str, ...] = ()
    recalled: bool = False
    source: str = ""
    """Where the image came from and how its hash was checked, for the auditor."""


class Grade(enum.Enum):
    """What a statement rests on. Shown with every verdict."""

    PUBLISHED = "V"
    """Checked against what the vendor, CISA or the CVE record published."""
    THIRD_PARTY = "V-code"
    """Seen only in code or tests of others, written against real devices."""
    UNCONFIRMED = "M"
    """Not checked, or read between the lines."""


class Imported(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document that an advisory was drafted from by a program."""

    feed: str
    """`csaf` or `cve`."""
    document: str
    """The document's own identifier (`ICSA-17-124-01`)."""
    version: str
    """Its tracking version, or the version of its format where it has none."""
    date: str
    """ISO 8601 date of that version."""


class Advisory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One published vulnerability and the rules that say which devices are open to it."""

    id: str
    title: str
    maker: str
    rules: tuple["AffectedRule", ...]
    source: str
    grade: Grade
    """Of every rule that has none of its own."""
    cvss: float | None = None
    known_exploited_since: str = ""
    """ISO 8601 date of its addition to the CISA KEV catalogue; empty if it is not in it."""
    due: str = ""
    imported: Imported | None = None
    unread: tuple[str, ...] = ()
    """What an import could not understand. While anything stands here, the advisory acquits nobody."""


class AffectedRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Models and the versions of them that are affected, in the vendor's own terms."""

    models: tuple[str, ...]
    """The vendor's patterns, raw (`DS-2CD2xx2F-I`): a lower-case x stands for one character."""
    kinds: tuple[Kind, ...] = ()
    """What the models are, for units whose badge hides the model; any kind if empty."""
    brands: tuple[str, ...] = ()
    """The badges whose own model names these are; the maker's own if empty."""
    platforms: tuple[str, ...] = ()
    """Firmware families (`G5`, an updateSerial, a chip) that it is about; all if empty."""
    from_version: str = ""
    up_to_version: str = ""
    """Affected up to and including."""
    before_version: str = ""
    before_build: str = ""
    """ISO 8601 date: affected if built earlier."""
    fixed_version: str = ""
    undetermined: bool = False
    """Which versions are affected was not published: what falls under the rule is of unknown standing."""
    source: str = ""
    """What this rule rests on, where that is not what the advisory rests on."""
    grade: Grade | None = None
