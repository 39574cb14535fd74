"""The errors of the core, placed by who must act.

    BartizanError
    ├── Refused            something signed or received is not accepted; keep the last good state and report
    │   ├── BadSignature   too few valid signatures, a wrong key, tampered bytes
    │   ├── Stale          an older generation or version than one already accepted
    │   ├── Expired        its time is over, or this clock says so
    │   ├── Malformed      does not parse, is too large, has unknown or impossible content
    │   ├── TooNew         needs a capability that this program does not have
    │   └── Loosens        an online order that would lower what policy demands
    └── Unavailable        try again later: the peer, broker, camera or disk is not there now

A caller's mistake is a builtin (`ValueError`, `RuntimeError`). Expected outcomes of hostile or dead
cameras are values, not exceptions.
"""

from typing import ClassVar


class BartizanError(Exception):
    """Root of what Bartizan raises on purpose."""


class Refused(BartizanError):
    """Not accepted. `code` is stable and travels in events; the text is for people."""

    code: ClassVar[str] = "refused"


class BadSignature(Refused):
    """Too few valid signatures, a wrong key, or bytes that were changed."""

    code = "bad-signature"


class Stale(Refused):
    """An older generation or version than one already accepted: a replay."""

    code = "stale"


class Expired(Refused):
    """Its time is over."""

    code = "expired"


class Malformed(Refused):
    """It does not parse, is too large, or has unknown or impossible content."""

    code = "malformed"


class TooNew(Refused):
    """It needs a capability that this program does not have."""

    code = "too-new"


class Loosens(Refused):
    """An online order that would lower what policy demands."""

    code = "loosens"


class Unavailable(BartizanError):
    """Not there now; try again later."""
