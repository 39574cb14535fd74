"""What is known of a device's hardening, small enough to travel for every device of a site, and findings for people."""

import enum

import msgspec


class Severity(enum.Enum):
    """How much a shortfall matters, of the device alone and apart from how it is contained."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Standing(enum.Enum):
    """How a device stands to one check."""

    FAILED = "failed"
    MET = "met"
    UNKNOWN = "unknown"
    """It could not be read. Never taken for met."""


class Shortfall(msgspec.Struct, frozen=True):
    """A check that a device fails."""

    check: str
    """Its identifier, which is also the name of the duty in a policy."""
    evidence: str
    """What was read, and where."""


class Hardening(msgspec.Struct, frozen=True):
    """What was found of one device. A check that is neither failed nor met is unknown."""

    shortfalls: tuple[Shortfall, ...] = ()
    met: tuple[str, ...] = ()
    analytics: tuple[str, ...] = ()
    """Recognition of people that the device offers, whether or not it is in use."""

    @property
    def failed(self) -> dict[str, str]:
        """The evidence of what failed, by the identifier of the check."""
        return {shortfall.check: shortfall.evidence for shortfall in self.shortfalls}


class Finding(msgspec.Struct, frozen=True):
    """One check of one device, with everything a person needs."""

    check: str
    """Its identifier, which is also the name of the duty in a policy."""
    standing: Standing
    severity: Severity
    title: str
    evidence: str
    """What was read, and where; empty where nothing could be."""
    mend: str
    """What to do about it."""
    source: str
    """What the check rests on."""
