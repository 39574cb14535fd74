"""The page about every entry of the agent's and the controller's configuration, read off the types that read it."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from msgspec import inspect

from bartizan_agent.places import DEFAULT_CONFIGURATION
from bartizan_agent.settings import Settings
from bartizan_controller.config import Config
from bartizan_lab.docstrings import below_names

INTRODUCTION = """\
# Settings

Two files, both TOML, both read once at the start: restart the program after a change. An entry that is unknown, missing or
impossible ends the program with a line that names it. What is enforced is never configured here: it comes signed.
"""
AGENT = f"""\
## The agent: {DEFAULT_CONFIGURATION}

Written by `bartizan-agent enrol`, with a comment for each entry. Another file is named with `--config` or `BARTIZAN_CONFIG`;
the folder of its state with `--state` or `BARTIZAN_STATE`.
"""
CONTROLLER = """\
## The controller: controller.toml

In the controller's folder, written by `bartizan-controller init`. `bartizan-controller serve` takes the addresses as options, too.
"""
HEADINGS = ("| entry | type | default | meaning |", "|---|---|---|---|")
UNITS = {"seconds": "seconds", "octets": "octets", "days": "days"}
_NAMES = {
    inspect.StrType: "text",
    inspect.IntType: "whole number",
    inspect.FloatType: "number",
    inspect.BoolType: "true or false",
}
_BOUNDS = (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"))


class Setting(NamedTuple):
    """One entry."""

    table: str
    """The TOML table that it stands in: `[limits]`; empty for the top of the file."""
    name: str
    type: str
    """In words, with its bounds and unit."""
    default: str
    meaning: str


def settings_of(kind: type[msgspec.Struct]) -> tuple[Setting, ...]:
    """Return every entry of a configuration, those of inner tables after their own table's."""
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return tuple(_entries(found, ""))


def settings_page() -> str:
    """Return the page, in Markdown."""
    parts = [INTRODUCTION]
    for introduction, kind in ((AGENT, Settings), (CONTROLLER, Config)):
        parts += [introduction, *_tables(settings_of(kind))]
    return "\n".join(parts)


def _tables(settings: tuple[Setting, ...]) -> Iterator[str]:
    for table in dict.fromkeys(setting.table for setting in settings):
        yield from (f"### {table}", "") if table else ()
        yield from HEADINGS
        for setting in settings:
            if setting.table == table:
                yield f"| `{setting.name}` | {setting.type} | {setting.default} | {setting.meaning} |"
        yield ""


def _entries(struct: inspect.StructType, table: str) -> Iterator[Setting]:
    told = below_names(struct.cls)
    inner: list[tuple[inspect.StructType, str]] = []
    for field in struct.fields:
        nested, brackets = _table_in(field.type)
        if nested is not None:
            inner.append((nested, brackets.format(field.name)))
            continue
        meaning = " ".join(told.get(field.name, "").split())
        yield Setting(table, field.name, _typed(field), _default(field), meaning)
    for nested, name in inner:
        yield from _entries(nested, name)


def _table_in(kind: inspect.Type) -> tuple[inspect.StructType | None, str]:
    """Return the struct that an entry is a table of, and how its heading is written."""
    match kind:
        case inspect.StructType():
            return kind, "[{}]"
        case inspect.VarTupleType(item_type=inspect.StructType() as item):
            return item, "[[{}]]"
        case inspect.UnionType(types=types):
            tables = [each for each in types if isinstance(each, inspect.StructType)]
            return (tables[0], "[{}]") if tables else (None, "")
    return None, ""


def _typed(field: inspect.Field) -> str:
    kind = field.type
    if isinstance(kind, inspect.VarTupleType):
        return f"list of {_NAMES[type(kind.item_type)]}"
    if isinstance(kind, inspect.EnumType):
        return " or ".join(f"`{each.value}`" for each in kind.cls)
    bounds = [f"{word} {getattr(kind, name):,}" for name, word in _BOUNDS if getattr(kind, name, None) is not None]
    unit = next((word for ending, word in UNITS.items() if ending in field.name.split("_")), "")
    return ", ".join([" of ".join(filter(None, (_NAMES[type(kind)], unit))), *bounds])


def _default(field: inspect.Field) -> str:
    if field.required:
        return "must be given"
    written = f"`{msgspec.json.encode(field.default).decode()}`"
    if "octets" in field.name.split("_"):
        return f"{written} ({field.default // (1024 * 1024)} MiB)"
    return written
