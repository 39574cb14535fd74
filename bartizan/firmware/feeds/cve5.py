"""CVE records (CVE JSON 5.0, 5.1, 5.2), read into drafts.

The `cna` container counts: what CISA adds is a rewriting of it, except whether the flaw is in the KEV catalogue. Many
records say "n/a", or hide models and versions in prose: their drafts have no rule that decides.
"""

from collections.abc import Iterable

import msgspec

from bartizan.firmware.feeds.document import ENTRY_LIMIT, day, decode
from bartizan.firmware.feeds.drafts import About, Reading, Statement, draft, unprovable
from bartizan.firmware.feeds.products import NAME_THE_MAKER, Vendors, read_models
from bartizan.firmware.feeds.ranges import NOTHING_SAID, Bounds, between, read_range
from bartizan.firmware.feeds.text import clean, plain
from bartizan.firmware.model import Imported

AFFECTED, UNAFFECTED = "affected", "unaffected"


def read_cve(data: bytes, vendors: Vendors) -> Reading:
    """Return drafts of a CVE record, one for each known maker that it names."""
    record = decode(data, _Record)
    if isinstance(record, str):
        return Reading("", problems=(record,))
    meta, cna = record.cve_metadata, record.containers.cna
    name = clean(meta.cve_id, 40)
    if record.data_type != "CVE_RECORD" or not record.data_version.startswith("5."):
        return Reading(name, problems=("it is no CVE record of format 5",))
    if meta.state.upper() != "PUBLISHED":
        return Reading(name, problems=(f"the record is {clean(meta.state, 40).lower() or 'of no state'}",))
    statements, problems = _statements(cna.affected[:ENTRY_LIMIT], vendors)
    imported = Imported("cve", name, clean(record.data_version, 16), day(meta.date_updated) or day(meta.date_published))
    if problem := unprovable(imported):
        return Reading(name, problems=(problem,))
    about = About(
        id=name,
        title=cna.title or _first_sentence(cna.descriptions),
        source=f"CVE record of {imported.date}, by {clean(meta.assigner_short_name, 40) or 'an unnamed authority'}.",
        imported=imported,
        cvss=_score(cna.metrics),
        known_exploited_since=_exploited(record.containers.adp),
    )
    return Reading(name, draft(about, statements), problems)


class _Version(msgspec.Struct, rename="camel"):
    status: str = ""
    version: str = ""
    less_than: str = ""
    less_than_or_equal: str = ""
    version_type: str = ""
    changes: list[msgspec.Raw] = []


class _Affected(msgspec.Struct, rename="camel"):
    vendor: str = ""
    product: str = ""
    default_status: str = "unknown"
    platforms: list[str] = []
    modules: list[str] = []
    versions: list[_Version] = []


class _Text(msgspec.Struct):
    value: str = ""


class _Score(msgspec.Struct, rename="camel"):
    base_score: float | None = None


class _Other(msgspec.Struct):
    type: str = ""
    content: msgspec.Raw = msgspec.Raw(b"null")


class _Metric(msgspec.Struct, rename={"v40": "cvssV4_0", "v31": "cvssV3_1", "v30": "cvssV3_0", "v2": "cvssV2_0"}):
    v31: _Score | None = None
    v30: _Score | None = None
    v40: _Score | None = None
    v2: _Score | None = None
    other: _Other | None = None


class _Cna(msgspec.Struct):
    affected: list[_Affected] = []
    title: str = ""
    descriptions: list[_Text] = []
    metrics: list[_Metric] = []


class _Adp(msgspec.Struct):
    metrics: list[_Metric] = []


class _Containers(msgspec.Struct):
    cna: _Cna
    adp: list[_Adp] = []


class _Meta(
    msgspec.Struct,
    rename={
        "cve_id": "cveId",
        "date_updated": "dateUpdated",
        "date_published": "datePublished",
        "assigner_short_name": "assignerShortName",
    },
):
    cve_id: str
    state: str = ""
    date_updated: str = ""
    date_published: str = ""
    """Both are optional; a record that was never touched again has only the one."""
    assigner_short_name: str = ""


class _Record(msgspec.Struct, rename="camel"):
    cve_metadata: _Meta
    containers: _Containers
    data_type: str = ""
    data_version: str = ""


class _Kev(msgspec.Struct, rename="camel"):
    date_added: str = ""


def _statements(affected: Iterable[_Affected], vendors: Vendors) -> tuple[list[Statement], tuple[str, ...]]:
    statements: list[Statement] = []
    problems: list[str] = []
    for each in affected:
        maker = vendors.maker(each.vendor) or vendors.maker(each.product)
        if not maker:
            problems.append(
                f"no maker is known for vendor {clean(each.vendor, 80)!r}, product {clean(each.product, 80)!r}:"
                f" {NAME_THE_MAKER}"
            )
            continue
        statements += _of_product(maker, each)
    if not statements and not problems:
        problems.append("it names no product")
    return statements, tuple(dict.fromkeys(problems))


def _of_product(maker: str, product: _Affected) -> Iterable[Statement]:
    models = read_models(maker, product.product)
    platforms = tuple(dict.fromkeys(named for platform in product.platforms[:32] if (named := clean(platform, 60))))
    modules = tuple(f"only the module {clean(module, 80)!r}" for module in product.modules[:8])
    others = product.default_status == UNAFFECTED
    for bounds, doubts in _versions(maker, product):
        yield Statement(maker, models, bounds, (*modules, *doubts), platforms, others_are_unaffected=others)


def _versions(maker: str, product: _Affected) -> Iterable[tuple[Bounds | None, tuple[str, ...]]]:
    """Return the bounds of affected versions, each with what of it was not understood."""
    listed = product.versions[:ENTRY_LIMIT]
    affected = [version for version in listed if version.status == AFFECTED]
    if product.default_status == AFFECTED and not affected:
        yield _all_but(maker, [version for version in listed if version.status == UNAFFECTED])
        return
    for version in affected:
        yield _range(maker, version, product.product)
    for version in listed:
        if version.status not in {AFFECTED, UNAFFECTED}:
            yield None, (f"version {clean(version.version, 80)!r} is of status {clean(version.status, 20)!r}",)
    if product.default_status == AFFECTED:
        yield None, ()
    elif not affected:
        yield None, (f"no version of {clean(product.product, 80)!r} is said to be affected",)


def _all_but(maker: str, unaffected: list[_Version]) -> tuple[Bounds | None, tuple[str, ...]]:
    """Every version is affected except these: understood where it is one, and everything after it."""
    if not unaffected:
        return Bounds(), ()
    first = unaffected[0]
    is_open = "*" in {first.less_than, first.less_than_or_equal}
    bounds = between(maker, "0", below=first.version) if len(unaffected) == 1 and is_open else None
    if bounds is not None:
        return bounds, ()
    return None, (f"every version is affected but {', '.join(clean(each.version, 40) for each in unaffected[:6])}",)


def _range(maker: str, version: _Version, product: str) -> tuple[Bounds | None, tuple[str, ...]]:
    said = " ".join(part for part in (version.version, version.less_than, version.less_than_or_equal) if part)
    if version.changes:
        return None, (f"versions {clean(said, 100)!r} change their status in between",)
    if version.less_than or version.less_than_or_equal:
        bounds = between(maker, version.version, below=version.less_than, last=version.less_than_or_equal)
    else:
        bounds = read_range(maker, version.version, product)
    if bounds is not None:
        return bounds, ()
    if plain(said).casefold() in NOTHING_SAID:
        return None, ("the record names no versions: they must come from the vendor",)
    return None, (f"versions {clean(said, 160)!r}",)


def _first_sentence(descriptions: list[_Text]) -> str:
    text = clean(descriptions[0].value) if descriptions else ""
    return text.partition(". ")[0].rstrip(".")


def _score(metrics: list[_Metric]) -> float | None:
    """Return the score of the newest version that our advisories compare by: CVSS 3 before 4 before 2."""
    for name in ("v31", "v30", "v40", "v2"):
        for metric in metrics:
            score: _Score | None = getattr(metric, name)
            if score and score.base_score is not None and 0 <= score.base_score <= 10:
                return round(score.base_score, 1)
    return None


def _exploited(containers: list[_Adp]) -> str:
    for container in containers:
        for metric in container.metrics:
            if metric.other and metric.other.type == "kev":
                listed = decode(metric.other.content, _Kev)
                return "" if isinstance(listed, str) else day(listed.date_added)
    return ""
