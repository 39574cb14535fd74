"""The ways an emulated device can go wrong on demand, several at once, switched while it runs."""

import enum
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

XML_BOMB = (
    b'<?xml version="1.0"?>\n<!DOCTYPE bomb [\n <!ENTITY a0 "bang">\n'
    + b"".join(b' <!ENTITY a%d "%s">\n' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10))
    + b"]>\n<DeviceInfo>&a9;</DeviceInfo>\n"
)
"""A billion words in one kilobyte: expands to four gigabytes in a parser that follows entities."""


class Fault(enum.Enum):
    """One kind of misbehaviour. The value is its name on the command line."""

    SILENT = "silent"
    """Takes connections and datagrams, and never answers."""
    SLOW = "slow"
    """Every answer dribbles in over `Timings.slow_seconds`."""
    RUBBISH = "rubbish"
    """Random octets from every service."""
    XML_BOMB = "xml-bomb"
    """Every HTTP body, and every XML datagram, is a document that expands to gigabytes."""
    ENDLESS_BODY = "endless-body"
    """HTTP bodies never end."""
    WRONG_CONTENT_LENGTH = "wrong-content-length"
    """HTTP announces more than it sends, then closes."""
    ABSURD_CONTENT_LENGTH = "absurd-content-length"
    """HTTP announces less than nothing."""
    REDIRECT = "redirect"
    """HTTP sends the client to another host."""
    HALF_CLOSE = "half-close"
    """HTTP closes its direction in the middle of an answer and goes on listening."""
    LOCKOUT_NOW = "lockout-now"
    """Every source is locked out, whatever its password."""
    REFUSES_IMAGE = "refuses-image"
    """Any firmware image is turned down in the maker's words."""
    UPGRADE_FAILS_MIDWAY = "upgrade-fails-midway"
    """Writing stops half-way; the old version stays."""
    UPGRADE_CHANGES_NOTHING = "upgrade-reports-success-but-old-version"
    NEVER_COMES_BACK = "never-comes-back"
    """A reboot does not end while this is on."""
    COMES_BACK_AS_ANOTHER = "comes-back-with-other-serial"
    COMES_BACK_FACTORY_RESET = "comes-back-factory-reset"
    WRONG_TIME = "wrong-time"
    """Its clock began at 1970 when it booted."""
    NAMESPACE_ODD = "namespace-odd"
    """XML in another namespace, with unusual prefixes."""
    BOOLEANS_ODD = "booleans-odd"
    """`True`, `flase`, `1` and `0` where true and false belong."""
    TELNET = "telnet"
    """Telnet is on, in its settings and on port 23."""
    ONVIF_OPEN = "onvif-open"
    """ONVIF asks nobody for a login."""
    DUPLICATE_ANSWERS = "duplicate-answers"
    """Every discovery answer twice."""


@dataclass(frozen=True)
class Spelling:
    """How an interface writes booleans: `usual`, and `odd` under `Fault.BOOLEANS_ODD`; each true, then false."""

    usual: tuple[str, str] = ("true", "false")
    odd: tuple[str, str] = ("True", "flase")

    def of(self, value: bool, faults: AbstractSet[Fault]) -> str:  # noqa: FBT001 - renders a boolean
        """Return a boolean as a device with these faults writes it."""
        true, false = self.odd if Fault.BOOLEANS_ODD in faults else self.usual
        return true if value else false
