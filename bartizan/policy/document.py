"""YAML text as a tree of marked nodes: every value with its line and column, and nothing that YAML guesses.

Every scalar stays text; what it means is decided by the field it stands in. So Norway's `NO` is no `false`, firmware
`1.10` is no 1.1, and a MAC prefix is no number. Anchors, aliases, tags and further documents are refused, size and
depth are limited, and characters that show text other than it is are refused. The one module that imports PyYAML.
"""

import re
from typing import Any, NamedTuple

import yaml

from bartizan.policy.errors import Fault, PolicyError

OCTET_LIMIT = 1024 * 1024
DEPTH_LIMIT = 24
NODE_LIMIT = 100_000

_DECEPTIVE = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Place(NamedTuple):
    """Where something stands, both counted from 1."""

    line: int
    column: int


class Scalar(NamedTuple):
    """A single value, as text."""

    text: str
    place: Place


class Sequence(NamedTuple):
    """A list."""

    items: tuple["Node", ...]
    place: Place


class Mapping(NamedTuple):
    """Keys with values, in their order; keys may repeat."""

    entries: tuple[tuple[Scalar, "Node"], ...]
    place: Place


Node = Scalar | Sequence | Mapping


def read_document(text: str, file: str) -> Node:
    """Return the one document in `text`.

    Args:
        text: YAML.
        file: What to call it in faults.

    Raises:
        PolicyError: It is no YAML, too large or too deep, or uses what is not accepted.
    """
    if len(text.encode("utf-8", "surrogatepass")) > OCTET_LIMIT:
        raise _refusal(file, Place(1, 1), f"more than {OCTET_LIMIT} octets")
    if match := _DECEPTIVE.search(text):
        line = text.count("\n", 0, match.start()) + 1
        column = match.start() - text.rfind("\n", 0, match.start())
        raise _refusal(file, Place(line, column), f"invisible character U+{ord(match.group()):04X}: take it out")
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        raise _refusal(file, place, f"this is no YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise _refusal(file, Place(1, 1), "this is no YAML: a character that YAML does not allow") from error
    if builder.root is None:
        raise _refusal(file, Place(1, 1), "the document is empty")
    return builder.root


class _Open(NamedTuple):
    """A list or mapping that has begun and not ended."""

    is_mapping: bool
    children: list[Node]
    place: Place


class _Builder:
    """Builds the tree from parser events with a stack of its own: nesting is bounded, not the interpreter's stack."""

    def __init__(self, file: str) -> None:
        self.root: Node | None = None
        self._file = file
        self._open: list[_Open] = []
        self._nodes = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        mark = event.start_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        if isinstance(event, yaml.AliasEvent):
            raise self._refuse(place, "aliases are not accepted: write the value out")
        if isinstance(event, yaml.DocumentStartEvent):
            self._begin_document(place)
        elif isinstance(event, yaml.NodeEvent):
            self._begin_node(event, place)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end_collection()

    def _begin_document(self, place: Place) -> None:
        self._documents += 1
        if self._documents > 1:
            raise self._refuse(place, "one document to a file: this is a second one")

    def _begin_node(self, event: Any, place: Place) -> None:
        self._nodes += 1
        if self._nodes > NODE_LIMIT:
            raise self._refuse(place, f"more than {NODE_LIMIT} values")
        if event.anchor is not None:
            raise self._refuse(place, "anchors are not accepted: write the value out")
        if event.tag is not None:
            raise self._refuse(place, f"the tag {event.tag!r} is not accepted: write the value plainly")
        if isinstance(event, yaml.ScalarEvent):
            self._add(Scalar(event.value, place))
            return
        if len(self._open) >= DEPTH_LIMIT:
            raise self._refuse(place, f"nested more than {DEPTH_LIMIT} deep")
        self._open.append(_Open(isinstance(event, yaml.MappingStartEvent), [], place))

    def _end_collection(self) -> None:
        done = self._open.pop()
        if not done.is_mapping:
            self._add(Sequence(tuple(done.children), done.place))
            return
        entries = []
        for key, value in zip(done.children[::2], done.children[1::2], strict=True):
            if not isinstance(key, Scalar):
                raise self._refuse(key.place, "a key must be a word, not a list or mapping")
            entries.append((key, value))
        self._add(Mapping(tuple(entries), done.place))

    def _add(self, node: Node) -> None:
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node

    def _refuse(self, place: Place, message: str) -> PolicyError:
        return _refusal(self._file, place, message)


def _refusal(file: str, place: Place, message: str) -> PolicyError:
    return PolicyError((Fault(file, place.line, place.column, message),))
