"""The packet filter in nft's JSON (libnftables-json(5)), as commands for one transaction."""

from collections.abc import Iterable, Mapping
from typing import Any

from bartizan.containment.rules import CHAINS, FAMILY, PRIORITY, SETS, TABLE
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
    Set,
    Statement,
    Verdict,
)

Command = dict[str, Any]
"""One command as libnftables takes it: `{"add": {"chain": {…}}}`."""

_OURS = {"family": FAMILY, "table": TABLE}


def skeleton() -> Iterable[Command]:
    """Yield the commands that make the table with its sets, chains and rules, empty of elements."""
    yield _add("table", {"family": FAMILY, "name": TABLE})
    for spec in SETS:
        yield _add("map" if spec.verdicts else "set", _declaration(spec))
    for chain in CHAINS:
        yield _add("chain", _chain(chain))
    for chain in CHAINS:
        for rule in chain.rules:
            yield _add("rule", {**_OURS, "chain": chain.name, "expr": [_statement(statement) for statement in rule]})


def remove_table() -> tuple[Command, Command]:
    """Return the commands that remove the table whether or not there is one.

    nft before 1.0.8 has no `destroy`: adding what may be there makes deleting it certain.
    """
    table = {"family": FAMILY, "name": TABLE}
    return _add("table", table), {"delete": {"table": table}}


def put(name: str, contents: Mapping[Key, Verdict | None]) -> Command:
    """Return the command that adds elements to a set or map."""
    return _add("element", {**_OURS, "name": name, "elem": [_element(key, contents[key]) for key in sorted(contents)]})


def take(name: str, contents: Mapping[Key, Verdict | None]) -> Command:
    """Return the command that deletes elements from a set or map; all must be there."""
    element = put(name, contents)["add"]["element"]
    return {"delete": {"element": element}}


def flush(name: str) -> Command:
    """Return the command that empties a set."""
    return {"flush": {"set": {**_OURS, "name": name}}}


def add_mark(digest: str) -> Command:
    """Return the command that marks the table with a ruleset's digest."""
    return _add("chain", {**_OURS, "name": mark(digest)})


def take_mark(digest: str) -> Command:
    """Return the command that takes a digest's mark off the table."""
    return {"delete": {"chain": {**_OURS, "name": mark(digest)}}}


def mark(digest: str) -> str:
    """Return the name of the empty chain that says which ruleset the table enforces.

    A chain can be exchanged in the transaction that changes elements; a table's comment cannot.
    """
    return f"digest_{digest}"


def _add(kind: str, what: dict[str, Any]) -> Command:
    return {"add": {kind: what}}


def _declaration(spec: Set) -> dict[str, Any]:
    declared: dict[str, Any] = {**_OURS, "name": spec.name, "type": spec.key[0] if len(spec.key) == 1 else [*spec.key]}
    if spec.verdicts:
        declared["map"] = "verdict"
    if spec.interval:
        declared["flags"] = ["interval"]
    if spec.size:
        declared |= {"flags": ["timeout"], "size": spec.size, "timeout": spec.seconds}
    return declared


def _chain(chain: Chain) -> dict[str, Any]:
    declared = {**_OURS, "name": chain.name}
    if not chain.base:
        return declared
    return declared | {"type": "filter", "hook": "forward", "prio": PRIORITY, "policy": "accept"}


def _statement(statement: Statement) -> dict[str, Any]:  # noqa: PLR0911 - one return for each of the seven words
    match statement:
        case InSet(fields, name):
            return _match("==", _fields(fields), f"@{name}")
        case OneOf(field, values):
            return _match("==", _field(field), _values(values))
        case NoneOf(field, values):
            return _match("!=", _field(field), _values(values))
        case LookUp(fields, name):
            return {"vmap": {"key": _fields(fields), "data": f"@{name}"}}
        case Record(name, fields):
            return {"set": {"op": "update", "elem": _fields(fields), "set": f"@{name}", "stmt": [{"counter": None}]}}
        case Count():
            return {"counter": {"packets": 0, "bytes": 0}}
        case Verdict():
            return _verdict(statement)


def _match(operator: str, left: dict[str, Any], right: object) -> dict[str, Any]:
    return {"match": {"op": operator, "left": left, "right": right}}


def _fields(fields: tuple[Field, ...]) -> dict[str, Any]:
    return _field(fields[0]) if len(fields) == 1 else {"concat": [_field(field) for field in fields]}


def _field(field: Field) -> dict[str, Any]:
    header, _, name = field.value.partition(" ")
    if not name:
        return {"meta": {"key": header}}
    return {"meta": {"key": name}} if header == "meta" else {"payload": {"protocol": header, "field": name}}


def _values(values: tuple[int | str, ...]) -> object:
    return values[0] if len(values) == 1 else {"set": [*values]}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {verdict.kind: {"target": verdict.chain} if verdict.chain else None}


def _element(key: Key, verdict: Verdict | None) -> object:
    value = _atom(key[0]) if len(key) == 1 else {"concat": [*key]}
    return value if verdict is None else [value, _verdict(verdict)]


def _atom(text: str) -> object:
    address, slash, length = text.partition("/")
    return {"prefix": {"addr": address, "len": int(length)}} if slash else text
