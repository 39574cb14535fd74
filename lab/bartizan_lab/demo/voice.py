"""What the demonstration prints: each step and each fact under it, with its time."""

import sys
import time
from collections.abc import Iterable, Sequence


class Voice:
    """Speaks to the terminal; times are seconds since the demonstration began."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._colour = sys.stdout.isatty()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def step(self, text: str) -> None:
        """Begin a step."""
        self.say(f"{self.seconds:6.1f} s  {self._bold(text)}")

    def fact(self, text: str) -> None:
        """State something that was measured."""
        self.say(f"{self.seconds:6.1f} s    {text}")

    def facts(self, lines: Iterable[str]) -> None:
        """State several things that were measured at once."""
        for line in lines:
            self.fact(line)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Print a table; the first row are its headings."""
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for number, row in enumerate(rows):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            self.say(self._bold(line) if number == 0 else line)

    def say(self, text: str) -> None:
        """Print a text as it is."""
        print(text, flush=True)  # noqa: T201 - this is what the demonstration is for

    def _bold(self, text: str) -> str:
        return f"\033[1m{text}\033[0m" if self._colour else text
