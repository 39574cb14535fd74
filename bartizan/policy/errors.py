"""What is wrong with a document, each fault with its place, and the error that carries all of them.

Malformed
└── PolicyError    a policy, waiver, maker, advisory or site document is not accepted
"""

import msgspec

from bartizan.errors import Malformed


class Fault(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong, and where."""

    file: str
    line: int
    """From 1; 0 where there is no text to point at."""
    column: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}"


class PolicyError(Malformed):
    """A document is not accepted. Every fault found in it is told, not only the first."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults
