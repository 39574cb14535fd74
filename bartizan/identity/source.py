"""Fingerprints as people write them, in YAML, read into the model: every fault told, with its place."""

from collections.abc import Iterable

from bartizan.firmware.model import Grade
from bartizan.identity.fingerprints import Fingerprint, Where, objection
from bartizan.policy.document import Node, Place, read_document
from bartizan.policy.fields import Faults, Fields, items, suggestion
from bartizan.policy.model import Maker

FIELDS = ("fingerprint", "where", "pattern", "maker", "brand", "kind", "weight", "grade", "source")


def read_fingerprints(text: str, file: str, makers: Iterable[Maker] = ()) -> tuple[Fingerprint, ...]:
    """Return the fingerprints in a YAML document (`fingerprints:` and a list).

    Args:
        text: YAML.
        file: What to call it in faults.
        makers: If given, rows may only name these.

    Raises:
        PolicyError: With every fault.
    """
    faults = Faults(file)
    fields = Fields(read_document(text, file), faults, "document", ("fingerprints",))
    known = frozenset(maker.id for maker in makers)
    listed = fields.required("fingerprints")
    seen: dict[str, Place] = {}
    rows = []
    for node in items(listed, faults, "fingerprints") if listed else ():
        row = _row(node, faults, known)
        first = seen.setdefault(row.name, node.place)
        if row.name and first is not node.place:
            faults.add(node.place, f"fingerprint {row.name!r} is already in line {first.line}")
        rows.append(row)
    faults.finish()
    return tuple(rows)


def _row(node: Node, faults: Faults, makers: frozenset[str]) -> Fingerprint:
    fields = Fields(node, faults, "fingerprint", FIELDS)
    maker = fields.text("maker", "")
    if makers and maker and maker not in makers:
        faults.add(fields.place_of("maker"), f"there is no maker {maker!r}{suggestion(maker, makers)}")
    row = Fingerprint(
        name=fields.name("fingerprint"),
        where=fields.choice("where", Where),
        pattern=fields.text("pattern"),
        weight=fields.whole("weight", 0, 100),
        grade=fields.choice("grade", Grade),
        source=fields.text("source"),
        maker=maker,
        brand=fields.text("brand", ""),
        kind=fields.text("kind", ""),
    )
    if fields.is_complete("where", "pattern", "weight") and (problem := objection(row)):
        faults.add(fields.place_of("pattern"), problem)
    return row
