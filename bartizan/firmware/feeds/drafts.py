"""Drafts of advisories put together from what a feed says of products. What was not understood stays in the draft."""

from collections.abc import Iterable

import msgspec

from bartizan.firmware.feeds.products import Models
from bartizan.firmware.feeds.ranges import Bounds
from bartizan.firmware.feeds.text import clean
from bartizan.firmware.model import Advisory, AffectedRule, Grade, Imported

UNREAD_LIMIT = 40
TITLE_LIMIT = 160
SOURCE_LIMIT = 300


class Statement(msgspec.Struct, frozen=True):
    """Of one maker's products in one document: which versions of them are affected, as far as it was understood."""

    maker: str
    models: Models
    bounds: Bounds | None
    """None: nothing that was understood."""
    doubts: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    fixed: str = ""
    others_are_unaffected: bool = False
    """Whether the document says so of versions that it does not name."""


class About(msgspec.Struct, frozen=True):
    """What a document says of a vulnerability besides products."""

    id: str
    title: str
    source: str
    imported: Imported
    cvss: float | None = None
    known_exploited_since: str = ""


class Reading(msgspec.Struct, frozen=True):
    """What came of a document."""

    document: str
    """What it calls itself; empty if it does not say."""
    advisories: tuple[Advisory, ...] = ()
    problems: tuple[str, ...] = ()
    """What concerns no single advisory: the document is none, or speaks of products of unknown makers."""


def unprovable(imported: Imported) -> str:
    """Return what a document lacks to be named later; empty if it can be."""
    lacking = [name for name in ("document", "version", "date") if not getattr(imported, name)]
    return f"it does not say its {' and '.join(lacking)}: nothing could be traced back to it" if lacking else ""


def draft(about: About, statements: Iterable[Statement]) -> tuple[Advisory, ...]:
    """Return one draft for each maker that the statements are about. Every draft waits for a person's review."""
    by_maker: dict[str, list[Statement]] = {}
    for statement in statements:
        by_maker.setdefault(statement.maker, []).append(statement)
    return tuple(_advisory(about, maker, found) for maker, found in by_maker.items())


def _advisory(about: About, maker: str, statements: list[Statement]) -> Advisory:
    rules = tuple(dict.fromkeys(rule for statement in statements for rule in _rules(statement)))
    unread = dict.fromkeys(clean(doubt, 200) for each in statements for doubt in (*each.models.doubts, *each.doubts))
    told = tuple(unread)[:UNREAD_LIMIT]
    if len(unread) > UNREAD_LIMIT:
        told = (*told, f"and {len(unread) - UNREAD_LIMIT} more")
    return Advisory(
        id=about.id,
        title=clean(about.title, TITLE_LIMIT) or about.id,
        maker=maker,
        rules=rules or (AffectedRule(("*",), undetermined=True),),
        source=clean(about.source, SOURCE_LIMIT),
        grade=Grade.UNCONFIRMED,
        cvss=about.cvss,
        known_exploited_since=about.known_exploited_since,
        imported=about.imported,
        unread=told,
    )


def _rules(statement: Statement) -> Iterable[AffectedRule]:
    models, bounds = statement.models.patterns, statement.bounds
    if not models:
        return
    if bounds is None:
        yield AffectedRule(models, platforms=statement.platforms, undetermined=True)
        return
    yield AffectedRule(
        models,
        platforms=statement.platforms,
        from_version=bounds.from_version,
        up_to_version=bounds.up_to_version,
        before_version=bounds.before_version,
        before_build=bounds.before_build,
        fixed_version=statement.fixed,
    )
    if bounds.exactly and not statement.others_are_unaffected:
        yield AffectedRule(models, platforms=statement.platforms, undetermined=True)
