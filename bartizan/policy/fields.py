"""Typed reading of a marked document: each field by what it must be, every fault kept with its place.

A faulty field yields a stand-in, so that reading goes on and one run tells all that is wrong. Nothing read is used
before `Faults.finish` has let it pass.
"""

import difflib
import enum
import re
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime, time
from typing import TypeVar

from bartizan.ids import slug
from bartizan.policy.document import Mapping, Node, Place, Scalar, Sequence
from bartizan.policy.errors import Fault, PolicyError

TEXT_LIMIT = 2_000  # characters of one field
NAMED = 30  # choices that a message names

E = TypeVar("E", bound=enum.Enum)
T = TypeVar("T")

_WHOLE = re.compile(r"\A[0-9]{1,9}\Z")
_DECIMAL = re.compile(r"\A[0-9]{1,2}(?:\.[0-9])?\Z")
_DAY = re.compile(r"\A\d{4}-\d{2}-\d{2}\Z", re.ASCII)


class Faults:
    """Everything that is wrong with one document."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._faults: list[Fault] = []

    def add(self, place: Place, message: str) -> None:
        """Keep a fault."""
        self._faults.append(Fault(self.file, place.line, place.column, message))

    def finish(self) -> None:
        """Refuse the document if anything was wrong.

        Raises:
            PolicyError: With every fault, in the order of the text.
        """
        if self._faults:
            raise PolicyError(tuple(sorted(set(self._faults))))


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return what was probably meant, as the end of a message; else what there is to choose from."""
    choices = sorted(known)
    close = difflib.get_close_matches(word.lower(), [choice.lower() for choice in choices], n=1, cutoff=0.6)
    if close:
        meant = next(choice for choice in choices if choice.lower() == close[0])
        return f"; did you mean {meant!r}?"
    shown = ", ".join(choices[:NAMED])
    return f"; possible are: {shown}" if shown else ""


def items(node: Node, faults: Faults, what: str) -> tuple[Node, ...]:
    """Return the items of a list that must not be empty."""
    if not isinstance(node, Sequence):
        faults.add(node.place, f"{what} must be a list")
        return ()
    if not node.items:
        faults.add(node.place, f"{what} must not be empty")
    return node.items


def text_of(node: Node, faults: Faults, what: str) -> str:
    """Return a value that must be text, not empty, in one piece."""
    if not isinstance(node, Scalar):
        faults.add(
            node.place, f"{what} must be a single value, not a {'list' if isinstance(node, Sequence) else 'mapping'}"
        )
        return ""
    text = " ".join(node.text.split())
    if not text:
        faults.add(node.place, f"{what} is empty")
    elif len(text) > TEXT_LIMIT:
        faults.add(node.place, f"{what} has more than {TEXT_LIMIT} characters")
    return text


def choice_of(node: Node, faults: Faults, what: str, kind: type[E]) -> E:
    """Return a value that must be one of an enumeration."""
    text = text_of(node, faults, what)
    for member in kind:
        if member.value == text:
            return member
    if text:
        faults.add(node.place, f"{what} {text!r} is not known{suggestion(text, (member.value for member in kind))}")
    return next(iter(kind))


class Fields:
    """The fields of one mapping."""

    def __init__(self, node: Node, faults: Faults, what: str, known: Collection[str]) -> None:
        self.place = node.place
        self.faults = faults
        self._what = what
        self._values: dict[str, Node] = {}
        if not isinstance(node, Mapping):
            faults.add(node.place, f"{what} must be a mapping of {', '.join(known)}")
            self._is_mapping = False
            return
        self._is_mapping = True
        for key, value in node.entries:
            self._take(key, value, known)

    def _take(self, key: Scalar, value: Node, known: Collection[str]) -> None:
        if key.text not in known:
            self.faults.add(key.place, f"{self._what} has no field {key.text!r}{suggestion(key.text, known)}")
        elif key.text in self._values:
            self.faults.add(key.place, f"{key.text!r} stands twice in this {self._what}")
        else:
            self._values[key.text] = value

    def has(self, name: str) -> bool:
        """Return whether a field is there."""
        return name in self._values

    def is_complete(self, *names: str) -> bool:
        """Return whether all these fields are there."""
        return all(name in self._values for name in names)

    def node(self, name: str) -> Node | None:
        """Return a field that may be left out, unread."""
        return self._values.get(name)

    def required(self, name: str) -> Node | None:
        """Return a field that must be there, unread."""
        if self._is_mapping and name not in self._values:
            self.faults.add(self.place, f"this {self._what} lacks {name!r}")
        return self._values.get(name)

    def place_of(self, name: str) -> Place:
        """Return where a field's value stands; the mapping's place if it is left out."""
        node = self._values.get(name)
        return node.place if node else self.place

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; required if it has no default."""
        node = self.required(name) if default is None else self.node(name)
        return text_of(node, self.faults, name) if node else default or ""

    def name(self, name: str) -> str:
        """Return a required name, in the spelling that is safe everywhere."""
        return self._converted(name, self.text(name), slug, "")

    def whole(self, name: str, least: int, most: int) -> int:
        """Return a required whole number."""
        text = self.text(name)
        if _WHOLE.match(text) and least <= int(text) <= most:
            return int(text)
        if text:
            self.faults.add(self.place_of(name), f"{name} must be a whole number from {least} to {most}, not {text!r}")
        return least

    def score(self, name: str) -> float | None:
        """Return an optional CVSS score, 0.0 to 10.0."""
        text = self.text(name, "")
        if not text:
            return None
        if _DECIMAL.match(text) and float(text) <= 10:
            return float(text)
        self.faults.add(self.place_of(name), f"{name} must be a number from 0.0 to 10.0, not {text!r}")
        return None

    def choice(self, name: str, kind: type[E], default: E | None = None) -> E:
        """Return one of an enumeration; required if it has no default."""
        node = self.required(name) if default is None else self.node(name)
        if node is None:
            return default or next(iter(kind))
        return choice_of(node, self.faults, name, kind)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return an optional list of different texts; empty if left out."""
        node = self.node(name)
        if node is None or (isinstance(node, Sequence) and not node.items):
            return ()
        found: list[str] = []
        for item in items(node, self.faults, name):
            text = text_of(item, self.faults, f"an item of {name}")
            if text in found:
                self.faults.add(item.place, f"{text!r} stands twice in {name}")
            found.append(text)
        return tuple(found)

    def converted(self, name: str, convert: Callable[[str], T]) -> tuple[T, ...]:
        """Return an optional list whose every text is converted; a `ValueError` becomes a fault."""
        node = self.node(name)
        if node is None or (isinstance(node, Sequence) and not node.items):
            return ()
        found: list[T] = []
        for item in items(node, self.faults, name):
            text = text_of(item, self.faults, f"an item of {name}")
            try:
                found.append(convert(text))
            except ValueError as error:
                self.faults.add(item.place, str(error))
        return tuple(found)

    def day(self, name: str) -> str:
        """Return an optional ISO 8601 date; empty if left out."""
        return self._converted(name, self.text(name, ""), _day, "")

    def moment(self, name: str) -> float:
        """Return a required time as Unix seconds: a date (its beginning in UTC), or a time with a zone."""
        return self._converted(name, self.text(name), moment, 0.0)

    def _converted(self, name: str, text: str, convert: Callable[[str], T], stand_in: T) -> T:
        if not text:
            return stand_in
        try:
            return convert(text)
        except ValueError as error:
            self.faults.add(self.place_of(name), f"{name}: {error}")
            return stand_in


def _day(text: str) -> str:
    if not _DAY.match(text):
        raise ValueError(f"{text!r} is no date: write it as 2024-01-31")
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ValueError(f"{text!r} is no day of the calendar") from error


def moment(text: str) -> float:
    """Return a time as Unix seconds: a date (its beginning in UTC), or a time with a zone.

    Raises:
        ValueError: It is neither.
    """
    if _DAY.match(text):
        return datetime.combine(date.fromisoformat(_day(text)), time(), UTC).timestamp()
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time: write 2024-01-31 or 2024-01-31T09:00Z") from error
    if read.tzinfo is None:
        raise ValueError(f"{text!r} has no zone: end it with Z or an offset such as +01:00")
    return read.timestamp()
