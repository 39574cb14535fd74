"""What a listing of our table says, in our terms: which ruleset, which rules, which elements, which evidence."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bartizan.containment.elements import Elements
from bartizan.containment.listening import LISTENING_SETS
from bartizan.containment.nft_text import mark
from bartizan.containment.rules import SETS
from bartizan.containment.words import Key, Verdict
from bartizan_agent.nftables.tool import Object

Evidence = Mapping[str, Mapping[Key, tuple[int, int]]]
"""Packets and octets by key, by name of the set that packets fill."""

_MARK = mark("")
_FILLED_BY_PACKETS = frozenset(spec.name for spec in (*SETS, *LISTENING_SETS) if spec.size)


class Part(NamedTuple):
    """Something of the table that no change of elements changes, with its handle: replaced, it is another."""

    kind: str
    """`table`, `set`, `map`, `chain` or `rule`."""
    name: str
    """A rule's is its chain's."""
    text: str


class Held(NamedTuple):
    """Our table as the kernel holds it."""

    marks: tuple[str, ...]
    """Digests it is marked with: one, unless somebody else was at work."""
    parts: tuple[Part, ...]
    elements: Elements
    evidence: Evidence


def parse(listing: Iterable[Object]) -> Held:
    """Return what a listing of the table holds."""
    marks: list[str] = []
    parts: list[Part] = []
    elements: Elements = {}
    evidence: dict[str, dict[Key, tuple[int, int]]] = {}
    for kind, described in (next(iter(entry.items())) for entry in listing):
        name = described.get("name", "")
        if kind == "chain" and name.startswith(_MARK):
            marks.append(name.removeprefix(_MARK))
        elif kind != "metainfo":
            contents = described.pop("elem", ())
            parts.append(Part(kind, described["chain"] if kind == "rule" else name, str(_without_counters(described))))
            if name in _FILLED_BY_PACKETS:
                evidence[name] = dict(_counted(element) for element in contents)
            elif kind in ("set", "map"):
                elements[name] = dict(_element(element) for element in contents)
    return Held(tuple(marks), tuple(parts), elements, evidence)


def _without_counters(described: Object) -> Object:
    expressions = described.get("expr", ())
    return described | {"expr": [{"counter": None} if "counter" in one else one for one in expressions]}


def _element(listed: Any) -> tuple[Key, Verdict | None]:
    if isinstance(listed, list):
        key, verdict = listed
        return _key(key), _verdict(verdict)
    return _key(listed), None


def _verdict(listed: Any) -> Verdict:
    # Anything but our jumps and gotos was put there by somebody else, and compares unequal to all that is ours.
    kind, target = next(iter(listed.items())) if isinstance(listed, dict) else (str(listed), None)
    return Verdict(kind, target["target"] if isinstance(target, dict) else "")


def _counted(listed: Any) -> tuple[Key, tuple[int, int]]:
    if not isinstance(listed, dict) or "elem" not in listed:
        return _key(listed), (0, 0)
    element = listed["elem"]
    counter = element.get("counter", {})
    return _key(element["val"]), (counter.get("packets", 0), counter.get("bytes", 0))


def _key(listed: Any) -> Key:
    if not isinstance(listed, dict):
        return (str(listed),)
    if "concat" in listed:
        return tuple(str(part) for part in listed["concat"])
    if "prefix" in listed:
        return (f"{listed['prefix']['addr']}/{listed['prefix']['len']}",)
    return (str(listed),)
