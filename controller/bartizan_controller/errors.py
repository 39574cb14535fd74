"""The controller's own errors; everything else it raises is the core's.

BartizanError
├── NotFound           what is asked for does not exist, or not for this person
├── Conflict           it exists already, or has moved on; look again, then decide
├── NotAllowed         this person may not do that
├── SetUpWrong         a person must act before the controller can run; the text says how
├── Refused
│   └── Foreign        a gateway spoke for another site, or one that is not known here
└── Unavailable
    ├── StoreRefuses   the database did not take it: disk full, locked or away; nothing was changed
    └── BrokerAway     the broker is not there, refused, or went away
"""

from bartizan.errors import BartizanError, Refused, Unavailable


class NotFound(BartizanError):
    """What is asked for does not exist, or not for this person."""


class Conflict(BartizanError):
    """It exists already, or has moved on."""


class NotAllowed(BartizanError):
    """This person may not do that. The text never says which part of a secret was wrong."""


class SetUpWrong(BartizanError):
    """A person must act before the controller can run."""


class Foreign(Refused):
    """A gateway spoke for another site, or for one that is not known here."""

    code = "foreign"


class StoreRefuses(Unavailable):
    """The database did not take it; nothing was changed."""


class BrokerAway(Unavailable):
    """The broker is not there, refused, or went away."""
