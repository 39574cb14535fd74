"""How the command speaks: tables for people, JSON for programs, one line for an error."""

import enum
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import IO, Any

import click
from rich.console import Console
from rich.table import Table

from bartizan.cli.ending import answer

WIDE = 400  # columns


class Exit(enum.IntEnum):
    """Exit codes that scripts can rely on."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_ALLOWED = 4
    NOT_PROVEN = 5
    INTERRUPTED = 130


class Failed(click.ClickException):
    """Ends the command with a line on standard error and an exit code."""

    def __init__(self, message: str, code: Exit = Exit.REFUSED) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc] # click reads it of the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message as it is, several lines if it has several."""
        click.echo(f"bartizan: {self.message}", file=file, err=file is None)


class Terminal:
    """Where answers go. With `as_json` exactly one JSON document is printed, and nothing else."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        # A pipe has no width: nothing is folded for it. What cameras say of themselves is text, never markup.
        width = None if sys.stdout.isatty() else WIDE
        self._console = Console(highlight=False, markup=False, emoji=False, width=width)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[object]], *, value: object, nothing: str) -> None:
        """Print rows, or `value` as JSON, or what to do where there is nothing."""
        if self.as_json:
            self.json(value)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*(str(cell) if cell is not None else "" for cell in row))
        if not table.row_count:
            click.echo(nothing)
            return
        self._console.print(table)

    def fields(self, pairs: Iterable[tuple[str, object]], *, value: object) -> None:
        """Print one thing's fields under each other, or `value` as JSON."""
        if self.as_json:
            self.json(value)
            return
        for name, content in pairs:
            for number, line in enumerate(str(content).splitlines() or [""]):
                click.echo(f"{name if number == 0 else '':<18}{line}")

    def say(self, text: str, *, value: object) -> None:
        """Print a sentence, or `value` as JSON."""
        if self.as_json:
            self.json(value)
            return
        click.echo(text)

    def json(self, value: object) -> None:
        """Print a value as JSON."""
        answer(value)


def when(seconds: Any) -> str:
    """Return a Unix time as people read it, in UTC; empty for none."""
    return datetime.fromtimestamp(float(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S") if seconds else ""
