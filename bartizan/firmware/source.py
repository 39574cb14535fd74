"""Advisories as people write them, in YAML, read into the model: the same care for faults as policies get.

A pattern that the matcher cannot read or a version that it cannot compare is a fault here, because the person who can
mend it is the one who is writing.
"""

import enum
from collections.abc import Iterable

from bartizan.firmware import patterns, versions
from bartizan.firmware.model import Advisory, AffectedRule, Grade, Imported
from bartizan.identity.model import Kind
from bartizan.policy.document import Node, Place, read_document
from bartizan.policy.fields import Faults, Fields, choice_of, items, suggestion
from bartizan.policy.model import Maker

ADVISORY_FIELDS = (
    "advisory",
    "title",
    "maker",
    "cvss",
    "known-exploited",
    "grade",
    "source",
    "imported",
    "unread",
    "affected",
)
EXPLOITED_FIELDS = ("since", "due")
IMPORTED_FIELDS = ("feed", "document", "version", "date")
RULE_FIELDS = (
    "models",
    "kinds",
    "brands",
    "platforms",
    "from",
    "up-to",
    "before",
    "built-before",
    "fixed",
    "versions",
    "grade",
    "source",
)


class Versions(enum.Enum):
    """Whether the bounds of a rule are all that there is to know of the affected versions."""

    PUBLISHED = "published"
    UNPUBLISHED = "unpublished"


def read_advisories(text: str, file: str, makers: Iterable[Maker] = ()) -> tuple[Advisory, ...]:
    """Return the advisories in a YAML document (`advisories:` and a list).

    Args:
        text: YAML.
        file: What to call it in faults.
        makers: If given, advisories may only be about these.

    Raises:
        PolicyError: With every fault.
    """
    faults = Faults(file)
    fields = Fields(read_document(text, file), faults, "document", ("advisories",))
    known = frozenset(maker.id for maker in makers)
    listed = fields.required("advisories")
    seen: dict[tuple[str, str], Place] = {}
    advisories = []
    for node in items(listed, faults, "advisories") if listed else ():
        advisory = _advisory(node, faults, known)
        first = seen.setdefault((advisory.id, advisory.maker), node.place)
        if advisory.id and first is not node.place:
            faults.add(node.place, f"advisory {advisory.id!r} is already in line {first.line}")
        advisories.append(advisory)
    faults.finish()
    return tuple(advisories)


def _advisory(node: Node, faults: Faults, makers: frozenset[str]) -> Advisory:
    fields = Fields(node, faults, "advisory", ADVISORY_FIELDS)
    maker = fields.text("maker")
    if makers and maker and maker not in makers:
        faults.add(fields.place_of("maker"), f"there is no maker {maker!r}{suggestion(maker, makers)}")
    affected = fields.required("affected")
    since, due = _exploited(fields.node("known-exploited"), faults)
    return Advisory(
        id=fields.text("advisory"),
        title=fields.text("title"),
        maker=maker,
        rules=tuple(_rule(item, faults, maker) for item in items(affected, faults, "affected")) if affected else (),
        source=fields.text("source"),
        grade=fields.choice("grade", Grade),
        cvss=fields.score("cvss"),
        known_exploited_since=since,
        due=due,
        imported=_imported(fields.node("imported"), faults),
        unread=fields.texts("unread"),
    )


def _exploited(node: Node | None, faults: Faults) -> tuple[str, str]:
    if node is None:
        return "", ""
    fields = Fields(node, faults, "known-exploited", EXPLOITED_FIELDS)
    fields.required("since")
    since, due = fields.day("since"), fields.day("due")
    if since and due and due < since:
        faults.add(fields.place_of("due"), "it cannot be due before it was listed")
    return since, due


def _imported(node: Node | None, faults: Faults) -> Imported | None:
    if node is None:
        return None
    fields = Fields(node, faults, "imported", IMPORTED_FIELDS)
    fields.required("date")
    return Imported(fields.text("feed"), fields.text("document"), fields.text("version"), fields.day("date"))


def _rule(node: Node, faults: Faults, maker: str) -> AffectedRule:
    fields = Fields(node, faults, "affected entry", RULE_FIELDS)
    models = fields.required("models")
    if models is not None:
        items(models, faults, "models")
    rule = AffectedRule(
        models=fields.converted("models", lambda pattern: _pattern(maker, pattern)),
        kinds=_kinds(fields),
        brands=fields.texts("brands"),
        platforms=fields.texts("platforms"),
        from_version=_version(fields, "from", maker),
        up_to_version=_version(fields, "up-to", maker),
        before_version=_version(fields, "before", maker),
        before_build=fields.day("built-before"),
        fixed_version=_version(fields, "fixed", maker),
        undetermined=fields.choice("versions", Versions, Versions.PUBLISHED) is Versions.UNPUBLISHED,
        source=fields.text("source", ""),
        grade=fields.choice("grade", Grade) if fields.has("grade") else None,
    )
    if rule.up_to_version and rule.before_version:
        faults.add(fields.place_of("before"), "'up-to' and 'before' say the same thing in two ways: keep one")
    return rule


def _kinds(fields: Fields) -> tuple[Kind, ...]:
    node = fields.node("kinds")
    return (
        tuple(choice_of(item, fields.faults, "kind", Kind) for item in items(node, fields.faults, "kinds"))
        if node
        else ()
    )


def _pattern(maker: str, pattern: str) -> str:
    if not patterns.readable(maker, pattern):
        raise ValueError(
            f"{pattern!r} cannot be read as a model pattern: use x for one character, (/xP) for an option, *"
        )
    return pattern


def _version(fields: Fields, name: str, maker: str) -> str:
    text = fields.text(name, "")
    if text and versions.parse(maker, text) is None:
        fields.faults.add(fields.place_of(name), f"{text!r} is not written as {maker} writes versions")
    return text
