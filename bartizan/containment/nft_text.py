"""How the packet filter is spelled in nft's own language, which is what the kernel gets and what people read."""

from collections.abc import Iterable, Iterator, Mapping

from bartizan.containment.bridge import BRIDGED
from bartizan.containment.rules import ROUTED, TABLE
from bartizan.containment.words import (
    AtMost,
    Chain,
    Copy,
    Count,
    Field,
    InSet,
    Key,
    Layout,
    LookUp,
    NoneOf,
    Often,
    OneOf,
    Record,
    Rule,
    Seldom,
    Set,
    Statement,
    Verdict,
)

_SPECS = {spec.name: spec for layout in (ROUTED, BRIDGED) for spec in layout.sets}


def remove(family: str) -> str:
    """Return the text that removes the table whether or not there is one.

    nft before 1.0.8 has no `destroy`: adding what may be there makes deleting it certain.
    """
    return f"add table {family} {TABLE}\ndelete table {family} {TABLE}\n"


def table(layout: Layout, digest: str, contents: Mapping[str, Mapping[Key, Verdict | None]]) -> str:
    """Return the text that replaces the table by one with these elements."""
    blocks = (
        f"\tchain {mark(digest)} {{\n\t}}",
        *("\n".join(_set(spec, contents.get(spec.name, {}))) for spec in layout.sets),
        *("\n".join(_chain(layout, chain)) for chain in layout.chains),
    )
    return f"{remove(layout.family)}table {layout.family} {TABLE} {{\n" + "\n\n".join(blocks) + "\n}\n"


def put(family: str, name: str, contents: Mapping[Key, Verdict | None]) -> str:
    """Return the command that adds elements to a set or map."""
    return _elements_command("add", family, name, contents)


def take(family: str, name: str, contents: Mapping[Key, Verdict | None]) -> str:
    """Return the command that deletes elements from a set or map; all must be there."""
    return _elements_command("delete", family, name, contents)


def empty(family: str, name: str) -> str:
    """Return the command that takes all elements out of a set."""
    return f"flush set {family} {TABLE} {name}\n"


def put_counted(family: str, name: str, counted: Mapping[Key, tuple[int, int]]) -> str:
    """Return the command that gives a set of evidence its elements back, with the packets and octets they had."""
    items = (
        f"{_key(_SPECS[name], key)} counter packets {packets} bytes {octets}"
        for key, (packets, octets) in sorted(counted.items())
    )
    return _command("add", family, name, items)


def exchange_mark(family: str, old: str, new: str) -> str:
    """Return the commands that mark the table with another ruleset's digest."""
    return f"delete chain {family} {TABLE} {mark(old)}\nadd chain {family} {TABLE} {mark(new)}\n"


def mark(digest: str) -> str:
    """Return the name of the empty chain that says which ruleset the table enforces.

    A chain can be exchanged in the transaction that changes elements; a table's comment cannot.
    """
    return f"digest_{digest}"


def verdict_text(verdict: Verdict) -> str:
    """Return a verdict as nft spells it: `jump mac_isolate`."""
    return f"{verdict.kind} {verdict.chain}".rstrip()


def _elements_command(verb: str, family: str, name: str, contents: Mapping[Key, Verdict | None]) -> str:
    return _command(verb, family, name, (_element(_SPECS[name], key, contents[key]) for key in sorted(contents)))


def _command(verb: str, family: str, name: str, items: Iterable[str]) -> str:
    return f"{verb} element {family} {TABLE} {name} {{ {', '.join(items)} }}\n"


def _set(spec: Set, contents: Mapping[Key, Verdict | None]) -> Iterator[str]:
    yield f"\t{'map' if spec.verdicts else 'set'} {spec.name} {{"
    yield f"\t\ttype {' . '.join(spec.key)}{' : verdict' if spec.verdicts else ''}"
    if spec.interval:
        yield "\t\tflags interval"
    if spec.size:
        yield f"\t\tsize {spec.size}"
        yield "\t\tflags dynamic,timeout"
        yield f"\t\ttimeout {spec.days}d"
    if contents:
        lines = ",\n".join(f"\t\t\t{_element(spec, key, contents[key])}" for key in sorted(contents))
        yield f"\t\telements = {{\n{lines}\n\t\t}}"
    yield "\t}"


def _element(spec: Set, key: Key, verdict: Verdict | None) -> str:
    return f"{_key(spec, key)} : {verdict_text(verdict)}" if verdict else _key(spec, key)


def _key(spec: Set, key: Key) -> str:
    # Only interface names need quotes, and they come first.
    return f'"{key[0]}"{"".join(f" . {part}" for part in key[1:])}' if spec.key[0] == "ifname" else " . ".join(key)


def _chain(layout: Layout, chain: Chain) -> Iterator[str]:
    yield f"\tchain {chain.name} {{"
    if chain.base:
        yield f"\t\ttype filter hook {chain.hook} priority {layout.priority}; policy accept;"
    for rule in chain.rules:
        yield f"\t\t{_read_inside_tags(rule) if layout.family == BRIDGED.family else ''}{_rule(rule)}"
    yield "\t}"


def _rule(rule: Rule) -> str:
    return " ".join(_statement(statement) for statement in rule)


def _read_inside_tags(rule: Rule) -> str:
    """Return what makes nft ask for a frame's protocol as the kernel knows it, where it would read the Ethertype.

    Of a frame with a VLAN tag the Ethertype is that of the tag, so the rule would never match.
    """
    read = {field for statement in rule for field in _fields_of(statement)}
    if not read.isdisjoint((Field.ARP_FROM, Field.ARP_TO)):
        return "meta protocol arp "
    return "meta protocol ip6 " if not read.isdisjoint((Field.ICMPV6_TYPE, Field.OFFSET6)) else ""


def _fields_of(statement: Statement) -> tuple[Field, ...]:
    match statement:
        case InSet() | LookUp() | Record():
            return statement.fields
        case OneOf() | NoneOf():
            return (statement.field,)
        case _:
            return ()


def _statement(statement: Statement) -> str:
    match statement:
        case InSet(fields, name, negated):
            return f"{_fields(fields)} {'!= ' if negated else ''}@{name}"
        case OneOf(field, values):
            return f"{field.value} {_values(values)}"
        case NoneOf(field, values):
            return f"{field.value} != {_values(values)}"
        case LookUp(fields, name):
            return f"{_fields(fields)} vmap @{name}"
        case Verdict():
            return verdict_text(statement)
        case _:
            return _counting(statement)


def _counting(statement: Record | Count | Often | Seldom | AtMost | Copy) -> str:
    match statement:
        case Record(name, fields):
            return f"update @{name} {{ {_fields(fields)} counter }}"
        case Count():
            return "counter"
        case Often(name, fields, an_hour, at_once):
            return f"update @{name} {{ {_fields(fields)} limit rate over {an_hour}/hour burst {at_once} packets }}"
        case Seldom(name, fields, an_hour, at_once):
            return f"update @{name} {{ {_fields(fields)} limit rate {an_hour}/hour burst {at_once} packets }}"
        case AtMost(a_second, at_once):
            return f"limit rate over {a_second}/second burst {at_once} packets"
        case Copy(group, octets, mark_):
            return f'log prefix "{mark_}" group {group} snaplen {octets}'


def _fields(fields: tuple[Field, ...]) -> str:
    return " . ".join(field.value for field in fields)


def _values(values: tuple[int | str, ...]) -> str:
    return str(values[0]) if len(values) == 1 else f"{{ {', '.join(str(value) for value in values)} }}"
