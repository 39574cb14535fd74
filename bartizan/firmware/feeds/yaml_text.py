"""Advisories written as people write them, and KEV dates changed in such a text without touching the rest of it."""

import re
from collections.abc import Iterable

from bartizan.firmware.feeds.kev import KevChange
from bartizan.firmware.model import Advisory, AffectedRule
from bartizan.policy.document import Mapping, Node, Scalar, Sequence, read_document

WIDTH = 116  # characters of a line, where a list can be folded
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/+()-]*[A-Za-z0-9)]|[A-Za-z0-9]", re.ASCII)


def render(advisories: Iterable[Advisory], heading: str) -> str:
    """Return a document that `bartizan.firmware.source` reads back as these advisories, under a comment."""
    lines = [f"# {line}".rstrip() for line in heading.splitlines()]
    lines.append("advisories:")
    for advisory in advisories:
        lines += ["", *_advisory(advisory)] if lines[-1] != "advisories:" else _advisory(advisory)
    return "\n".join(lines) + "\n"


def with_kev_dates(text: str, change: KevChange) -> str:
    """Return the text of a document with the KEV dates of one of its advisories as the change says.

    Raises:
        PolicyError: The text is no YAML of ours.
        KeyError: It does not hold this advisory.
    """
    entries = _entries(text, change.advisory, change.maker)
    key, value = entries.get("known-exploited") or entries["maker"]
    line = f"{' ' * (key.place.column - 1)}known-exploited: {{since: {change.since}, due: {change.due}}}"
    lines = text.split("\n")
    if key.text == "maker":
        lines.insert(key.place.line, line)
    else:
        lines[key.place.line - 1 : _last_line(value)] = [line]
    return "\n".join(lines)


def _entries(text: str, advisory: str, maker: str) -> dict[str, tuple[Scalar, Node]]:
    """Return the fields of one advisory in a text."""
    for node in _advisories(text):
        said = {key.text: value.text for key, value in node.entries if isinstance(value, Scalar)}
        if (said.get("advisory"), said.get("maker")) == (advisory, maker):
            return {key.text: (key, value) for key, value in node.entries}
    raise KeyError(advisory)


def _last_line(node: Node) -> int:
    if isinstance(node, Mapping) and node.entries:
        return max(_last_line(value) for _, value in node.entries)
    return node.place.line


def _advisories(text: str) -> Iterable[Mapping]:
    root = read_document(text, "advisories")
    for key, value in root.entries if isinstance(root, Mapping) else ():
        if key.text == "advisories" and isinstance(value, Sequence):
            yield from (item for item in value.items if isinstance(item, Mapping))


def _advisory(advisory: Advisory) -> list[str]:
    lines = [
        f"  - advisory: {_scalar(advisory.id)}",
        f"    title: {_scalar(advisory.title)}",
        f"    maker: {_scalar(advisory.maker)}",
    ]
    if advisory.cvss is not None:
        lines.append(f"    cvss: {advisory.cvss}")
    if advisory.known_exploited_since:
        due = f", due: {advisory.due}" if advisory.due else ""
        lines.append(f"    known-exploited: {{since: {advisory.known_exploited_since}{due}}}")
    lines += [f"    grade: {advisory.grade.value}", f"    source: {_scalar(advisory.source)}"]
    if made := advisory.imported:
        said = (("feed", made.feed), ("document", made.document), ("version", made.version), ("date", made.date))
        lines.append("    imported: {" + ", ".join(f"{name}: {_quoted(value)}" for name, value in said) + "}")
    if advisory.unread:
        lines += ["    unread:", *(f"      - {_quoted(each)}" for each in advisory.unread)]
    lines.append("    affected:")
    for rule in advisory.rules:
        lines += _rule(rule)
    return lines


def _rule(rule: AffectedRule) -> list[str]:
    lines = [f"      - models: {_list(rule.models)}"]
    if rule.kinds:
        lines.append(f"        kinds: {_list(tuple(kind.value for kind in rule.kinds))}")
    if rule.brands:
        lines.append(f"        brands: {_list(rule.brands)}")
    if rule.platforms:
        lines.append(f"        platforms: {_list(rule.platforms)}")
    bounds = (
        ("from", rule.from_version),
        ("up-to", rule.up_to_version),
        ("before", rule.before_version),
        ("built-before", rule.before_build),
        ("fixed", rule.fixed_version),
        ("versions", "unpublished" if rule.undetermined else ""),
        ("grade", rule.grade.value if rule.grade else ""),
        ("source", rule.source),
    )
    return [*lines, *(f"        {name}: {_scalar(value)}" for name, value in bounds if value)]


def _list(values: tuple[str, ...]) -> str:
    written = [_scalar(value) for value in values]
    together = f"[{', '.join(written)}]"
    if len(together) <= WIDTH - 16:
        return together
    return "[\n" + ",\n".join(f"          {value}" for value in written) + "\n        ]"


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
