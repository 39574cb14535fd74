"""The errors of discovery.

BartizanError
└── CannotScan    what was asked for cannot be scanned as asked; the message says what to ask for instead
"""

from bartizan.errors import BartizanError


class CannotScan(BartizanError):
    """The interface or network cannot be scanned as asked."""
