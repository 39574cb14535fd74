"""The packet filter in nft's own language, for people and for `nft -f` at boot."""

from collections.abc import Iterator, Mapping

from bartizan.containment.nft_json import mark
from bartizan.containment.rules import CHAINS, FAMILY, SETS, TABLE
from bartizan.containment.words import (
    Chain,
    Count,
    Field,
    InSet,
    Key,
    LookUp,
    NoneOf,
    OneOf,
    Record,
    Rule,
    Set,
    Statement,
    Verdict,
)

_QUOTED = frozenset({"ifname"})


def table(digest: str, contents: Mapping[str, Mapping[Key, Verdict | None]]) -> str:
    """Return the text that replaces the table by one with these elements, in one transaction."""
    blocks = [
        f"\tchain {mark(digest)} {{\n\t}}",
        *("\n".join(_set(spec, contents.get(spec.name, {}))) for spec in SETS),
        *("\n".join(_chain(chain)) for chain in CHAINS),
    ]
    # nft before 1.0.8 has no `destroy`: adding what may be there makes deleting it certain.
    head = f"add table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\ntable {FAMILY} {TABLE} {{\n"
    return head + "\n\n".join(blocks) + "\n}\n"


def _set(spec: Set, contents: Mapping[Key, Verdict | None]) -> Iterator[str]:
    yield f"\t{'map' if spec.verdicts else 'set'} {spec.name} {{"
    yield f"\t\ttype {' . '.join(spec.key)}{' : verdict' if spec.verdicts else ''}"
    if spec.interval:
        yield "\t\tflags interval"
    if spec.size:
        yield f"\t\tsize {spec.size}"
        yield "\t\tflags dynamic,timeout"
        yield f"\t\ttimeout {spec.seconds}s"
    if contents:
        lines = (f"\t\t\t{_element(spec, key, contents[key])}" for key in sorted(contents))
        yield "\t\telements = {\n" + ",\n".join(lines) + "\n\t\t}"
    yield "\t}"


def _element(spec: Set, key: Key, verdict: Verdict | None) -> str:
    words = (f'"{part}"' if kind in _QUOTED else part for kind, part in zip(spec.key, key, strict=True))
    return " . ".join(words) + (f" : {_verdict(verdict)}" if verdict else "")


def _chain(chain: Chain) -> Iterator[str]:
    yield f"\tchain {chain.name} {{"
    if chain.base:
        yield "\t\ttype filter hook forward priority mangle - 10; policy accept;"
    for rule in chain.rules:
        yield f"\t\t{_rule(rule)}"
    yield "\t}"


def _rule(rule: Rule) -> str:
    return " ".join(_statement(statement) for statement in rule)


def _statement(statement: Statement) -> str:  # noqa: PLR0911 - one return for each of the seven words
    match statement:
        case InSet(fields, name):
            return f"{_fields(fields)} @{name}"
        case OneOf(field, values):
            return f"{field.value} {_values(values)}"
        case NoneOf(field, values):
            return f"{field.value} != {_values(values)}"
        case LookUp(fields, name):
            return f"{_fields(fields)} vmap @{name}"
        case Record(name, fields):
            return f"update @{name} {{ {_fields(fields)} counter }}"
        case Count():
            return "counter"
        case Verdict():
            return _verdict(statement)


def _fields(fields: tuple[Field, ...]) -> str:
    return " . ".join(field.value for field in fields)


def _values(values: tuple[int | str, ...]) -> str:
    return str(values[0]) if len(values) == 1 else f"{{ {', '.join(str(value) for value in values)} }}"


def _verdict(verdict: Verdict) -> str:
    return f"{verdict.kind} {verdict.chain}".rstrip()
