"""CISA's catalogue of known exploited vulnerabilities, and what it changes in advisories that are kept here.

It says that a flaw is exploited and by when US agencies must mend it; it has neither models nor versions.
"""

from collections.abc import Iterable

import msgspec

from bartizan.firmware.feeds.document import ENTRY_LIMIT, day, decode
from bartizan.firmware.feeds.products import Vendors
from bartizan.firmware.feeds.text import clean
from bartizan.firmware.model import Advisory


class Exploited(msgspec.Struct, frozen=True):
    """One entry of the catalogue."""

    cve: str
    vendor: str
    product: str
    title: str
    since: str
    """ISO 8601 date on which it was added."""
    due: str
    ransomware: bool = False


class KevCatalogue(msgspec.Struct, frozen=True):
    """The catalogue as far as it was understood."""

    version: str = ""
    released: str = ""
    entries: tuple[Exploited, ...] = ()
    problems: tuple[str, ...] = ()


class KevChange(msgspec.Struct, frozen=True):
    """What the catalogue changes in an advisory that is kept here."""

    advisory: str
    maker: str
    since: str
    due: str
    since_before: str
    due_before: str


def read_kev(data: bytes) -> KevCatalogue:
    """Return the catalogue in a KEV document. An entry that is not understood does not spoil the others."""
    read = decode(data, _Catalogue)
    if isinstance(read, str):
        return KevCatalogue(problems=(read,))
    entries: list[Exploited] = []
    problems: list[str] = []
    for number, raw in enumerate(read.vulnerabilities[:ENTRY_LIMIT], 1):
        entry = _entry(raw)
        if isinstance(entry, str):
            problems.append(f"entry {number}: {entry}")
        else:
            entries.append(entry)
    if read.count is not None and read.count != len(read.vulnerabilities):
        problems.append(f"it says that it has {read.count} entries, and has {len(read.vulnerabilities)}")
    return KevCatalogue(clean(read.catalog_version, 40), day(read.date_released), tuple(entries), tuple(problems))


def changes(advisories: Iterable[Advisory], catalogue: KevCatalogue) -> tuple[KevChange, ...]:
    """Return what the catalogue changes. A flaw that it does not name stays as it is: it may have been named later."""
    listed = {entry.cve: entry for entry in catalogue.entries}
    return tuple(
        KevChange(advisory.id, advisory.maker, entry.since, entry.due, advisory.known_exploited_since, advisory.due)
        for advisory in advisories
        if (entry := listed.get(advisory.id)) is not None
        and (entry.since, entry.due) != (advisory.known_exploited_since, advisory.due)
    )


def without_advisory(
    advisories: Iterable[Advisory], catalogue: KevCatalogue, vendors: Vendors
) -> tuple[Exploited, ...]:
    """Return entries about known makers of which no advisory is kept here."""
    kept = {advisory.id for advisory in advisories}
    return tuple(entry for entry in catalogue.entries if entry.cve not in kept and vendors.maker(entry.vendor))


class _Entry(msgspec.Struct, rename="camel"):
    cve: str = msgspec.field(name="cveID")
    date_added: str
    due_date: str
    vendor_project: str = ""
    product: str = ""
    vulnerability_name: str = ""
    known_ransomware_campaign_use: str = ""


class _Catalogue(msgspec.Struct, rename="camel"):
    vulnerabilities: list[msgspec.Raw]
    catalog_version: str = ""
    date_released: str = ""
    count: int | None = None


def _entry(raw: msgspec.Raw) -> Exploited | str:
    entry = decode(raw, _Entry)
    if isinstance(entry, str):
        return entry
    since, due = day(entry.date_added), day(entry.due_date)
    if not since or not due or due < since:
        return f"its dates {clean(entry.date_added, 20)!r} and {clean(entry.due_date, 20)!r} make no sense"
    return Exploited(
        cve=clean(entry.cve, 40),
        vendor=clean(entry.vendor_project, 80),
        product=clean(entry.product, 120),
        title=clean(entry.vulnerability_name, 200),
        since=since,
        due=due,
        ransomware=entry.known_ransomware_campaign_use.casefold() == "known",
    )
