"""The agent's own errors; everything else it raises is the core's.

BartizanError
├── SetUpWrong         a person must act before the agent can run; the text says how
│   ├── NotEnrolled    there is no identity here yet
│   ├── BadSettings    the configuration file has a mistake
│   └── EnrolmentFailed  the controller would not, or could not, enrol this gateway
├── LinkLost           the broker went away, refused, or was never there; the link tries again
│   └── NobodyThere    nothing listens at its address, or there is no way to it
└── FirewallRefused    (firewall.py) the kernel refused a transaction
"""

from bartizan.errors import BartizanError, Unavailable


class SetUpWrong(BartizanError):
    """A person must act before the agent can run."""


class NotEnrolled(SetUpWrong):
    """There is no identity here yet."""


class BadSettings(SetUpWrong):
    """The configuration file has a mistake."""


class EnrolmentFailed(SetUpWrong):
    """The controller would not, or could not, enrol this gateway. Nothing was changed here."""


class LinkLost(Unavailable):
    """The broker went away, refused, or was never there."""


class NobodyThere(LinkLost):
    """Nothing listens at the broker's address, or there is no way to it."""
