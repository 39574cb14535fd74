"""CSAF 2.0 advisories, read into drafts: the product tree flattened, and each product's versions read from its names.

CISA's documents hold ranges as free text inside names, model names with trailing commas, and models where versions
should be.
"""

import enum

import msgspec

from bartizan.firmware.feeds.document import ENTRY_LIMIT, day, decode
from bartizan.firmware.feeds.drafts import About, Reading, Statement, draft, unprovable
from bartizan.firmware.feeds.products import NAME_THE_MAKER, Models, Vendors, read_models
from bartizan.firmware.feeds.ranges import Bounds, read_range
from bartizan.firmware.feeds.text import clean
from bartizan.firmware.model import Advisory, Imported

DEPTH_LIMIT = 24
PROBLEM_LIMIT = 200


class Side(enum.Enum):
    """Which versions a product status is about, where its product names one version."""

    ALL = "known-affected"
    FROM = "first-affected"
    UP_TO = "last-affected"
    UNCLEAR = "under-investigation"


Fixes = dict[tuple[str, tuple[str, ...]], frozenset[str]]
"""Versions said to be fixed, by maker and model patterns."""


def read_csaf(data: bytes, vendors: Vendors) -> Reading:
    """Return drafts of a CSAF document: one for each vulnerability and known maker in it."""
    read = decode(data, _Document)
    if isinstance(read, str):
        return Reading("", problems=(read,))
    tracking = read.document.tracking
    name = clean(tracking.id, 80)
    if not read.document.csaf_version.startswith("2."):
        return Reading(name, problems=("it is no CSAF 2 document",))
    imported = Imported("csaf", name, clean(tracking.version, 20), day(tracking.current_release_date))
    if problem := unprovable(imported):
        return Reading(name, problems=(problem,))
    products = _Products(read.product_tree, vendors)
    problems = _status(tracking)
    drafts: list[Advisory] = []
    for vulnerability in read.vulnerabilities[:ENTRY_LIMIT]:
        identifier = clean(vulnerability.cve, 40)
        if not identifier:
            problems.append(
                f"a vulnerability ({clean(vulnerability.title, 80) or 'without a title'}) has no CVE number"
            )
            continue
        about = About(
            id=identifier,
            title=vulnerability.title or _title(vulnerability, read.document.title),
            source=f"{clean(read.document.publisher.name, 80)} {name}, version {imported.version} of {imported.date}.",
            imported=imported,
            cvss=_score(vulnerability.scores),
        )
        drafts += draft(about, products.statements(vulnerability.product_status))
    return Reading(name, tuple(drafts), tuple(dict.fromkeys([*problems, *products.problems]))[:PROBLEM_LIMIT])


class _Product(msgspec.Struct):
    product_id: str
    name: str = ""


class _Branch(msgspec.Struct):
    category: str = ""
    name: str = ""
    product: _Product | None = None
    branches: list["_Branch"] = []


class _Relationship(msgspec.Struct):
    full_product_name: _Product


class _Tree(msgspec.Struct):
    branches: list[_Branch] = []
    full_product_names: list[_Product] = []
    relationships: list[_Relationship] = []


class _Status(msgspec.Struct):
    known_affected: list[str] = []
    first_affected: list[str] = []
    last_affected: list[str] = []
    fixed: list[str] = []
    first_fixed: list[str] = []
    known_not_affected: list[str] = []
    under_investigation: list[str] = []


class _Cvss(msgspec.Struct, rename="camel"):
    base_score: float | None = None


class _Score(msgspec.Struct):
    cvss_v3: _Cvss | None = None
    cvss_v2: _Cvss | None = None


class _Cwe(msgspec.Struct):
    name: str = ""


class _Vulnerability(msgspec.Struct):
    cve: str = ""
    title: str = ""
    cwe: _Cwe | None = None
    product_status: _Status = msgspec.field(default_factory=_Status)
    scores: list[_Score] = []


class _Tracking(msgspec.Struct):
    id: str = ""
    version: str = ""
    status: str = ""
    current_release_date: str = ""


class _Publisher(msgspec.Struct):
    name: str = ""


class _Head(msgspec.Struct):
    tracking: _Tracking
    csaf_version: str = ""
    title: str = ""
    publisher: _Publisher = msgspec.field(default_factory=_Publisher)


class _Document(msgspec.Struct):
    document: _Head
    product_tree: _Tree = msgspec.field(default_factory=_Tree)
    vulnerabilities: list[_Vulnerability] = []


class _Named(msgspec.Struct, frozen=True):
    """One product of the tree, with the names of the branches that it hangs on."""

    vendor: str = ""
    product: str = ""
    version: str = ""
    version_is_said: bool = False
    name: str = ""


class _Products:
    """The products of a document by their ids."""

    def __init__(self, tree: _Tree, vendors: Vendors) -> None:
        self.problems: list[str] = []
        self._vendors = vendors
        self._by_id: dict[str, _Named] = {}
        self._together = {each.full_product_name.product_id for each in tree.relationships}
        for branch in tree.branches:
            self._take(branch, _Named(), DEPTH_LIMIT)
        for product in tree.full_product_names:
            self._keep(product.product_id, _Named(product=product.name, name=product.name))
        self._makers = sorted({vendors.maker(name) for name in {each.vendor for each in self._by_id.values()}} - {""})

    def statements(self, status: _Status) -> list[Statement]:
        """Return what a vulnerability says of every product, as far as it is of a known maker."""
        fixes = self._fixes([*status.fixed, *status.first_fixed])
        found: list[Statement] = []
        for side, listed in (
            (Side.ALL, status.known_affected),
            (Side.UP_TO, status.last_affected),
            (Side.FROM, status.first_affected),
            (Side.UNCLEAR, status.under_investigation),
        ):
            for identifier in listed[:ENTRY_LIMIT]:
                found += self._statements(identifier, side, fixes)
        return found

    def _take(self, branch: _Branch, above: _Named, depth: int) -> None:
        named = _with_branch(above, branch)
        if branch.product is not None:
            self._keep(branch.product.product_id, msgspec.structs.replace(named, name=branch.product.name))
        if branch.branches and not depth:
            self.problems.append("its product tree is nested too deep: what is below was not read")
            return
        for below in branch.branches:
            self._take(below, named, depth - 1)

    def _keep(self, identifier: str, named: _Named) -> None:
        if len(self._by_id) < ENTRY_LIMIT:
            self._by_id.setdefault(identifier, named)
        else:
            self.problems = [f"it has more than {ENTRY_LIMIT} products: the others were not read"]

    def _statements(self, identifier: str, side: Side, fixes: Fixes) -> list[Statement]:
        named = self._by_id.get(identifier)
        if named is None:
            return self._unresolved(identifier)
        maker = self._maker(named)
        if not maker:
            return []
        models, text = _models_and_version(maker, named)
        bounds, doubts = _bounds(maker, named, text, side)
        fixed = _fix(bounds, fixes.get((maker, models.patterns), frozenset()))
        return [Statement(maker, models, bounds, doubts, fixed=fixed)]

    def _fixes(self, identifiers: list[str]) -> Fixes:
        """Return the versions that are said to be fixed, by maker and models."""
        found: dict[tuple[str, tuple[str, ...]], set[str]] = {}
        for identifier in identifiers[:ENTRY_LIMIT]:
            named = self._by_id.get(identifier)
            maker = self._maker(named) if named else ""
            if named is None or not maker:
                continue
            models, text = _models_and_version(maker, named)
            bounds = read_range(maker, text or "", named.product)
            if bounds and bounds.from_version and (bounds.exactly or not bounds.up_to_version):
                found.setdefault((maker, models.patterns), set()).add(bounds.from_version)
        return {models: frozenset(versions) for models, versions in found.items()}

    def _unresolved(self, identifier: str) -> list[Statement]:
        """A product that cannot be looked up may be anybody's: it leaves a doubt with every maker of the document."""
        because = "is a combination of products" if identifier in self._together else "is not in the product tree"
        doubt = f"product {clean(identifier, 60)!r} {because}"
        self.problems.append(doubt)
        return [Statement(maker, Models(()), None, (doubt,)) for maker in self._makers]

    def _maker(self, named: _Named) -> str:
        maker = self._vendors.maker(named.vendor) or self._vendors.maker(named.product or named.name)
        if not maker:
            self.problems.append(f"no maker is known for vendor {clean(named.vendor, 80)!r}: {NAME_THE_MAKER}")
        return maker


def _with_branch(above: _Named, branch: _Branch) -> _Named:
    match branch.category:
        case "vendor":
            return msgspec.structs.replace(above, vendor=branch.name)
        case "product_name" | "product_family":
            return msgspec.structs.replace(above, product=branch.name)
        case "product_version" | "product_version_range":
            return msgspec.structs.replace(above, version=branch.name, version_is_said=True)
        case _:
            return above


def _models_and_version(maker: str, named: _Named) -> tuple[Models, str | None]:
    """Return a product's models, and the text of its versions; None where it says nothing of them."""
    product = named.product or named.name
    models = read_models(maker, product)
    if not named.version_is_said:
        return models, None
    if models.patterns or read_range(maker, named.version) is not None:
        return models, named.version
    # CISA's older documents have the model where the version should be.
    instead = read_models(maker, named.version)
    return (instead, None) if instead.patterns else (models, named.version)


def _bounds(maker: str, named: _Named, text: str | None, side: Side) -> tuple[Bounds | None, tuple[str, ...]]:
    if side is Side.UNCLEAR:
        return None, (f"{clean(named.name or named.product, 100)!r} is under investigation",)
    if text is None:
        return None, (f"no versions of {clean(named.name or named.product, 100)!r} are said",)
    bounds = read_range(maker, text, named.product)
    if bounds is None:
        return None, (f"versions {clean(text, 120)!r} of {clean(named.product, 80)!r}",)
    if not bounds.exactly or side is Side.ALL:
        return bounds, ()
    if side is Side.UP_TO:
        return Bounds(up_to_version=bounds.up_to_version), ()
    return Bounds(from_version=bounds.from_version), ()


def _fix(bounds: Bounds | None, fixes: frozenset[str]) -> str:
    """Return the version in which these models are fixed, if the document names exactly one."""
    if bounds is None or bounds.before_version or bounds.before_build or len(fixes) != 1:
        return ""
    return min(fixes)


def _status(tracking: _Tracking) -> list[str]:
    return (
        [] if tracking.status == "final" else [f"its status is {clean(tracking.status, 20) or 'not said'}, not final"]
    )


def _title(vulnerability: _Vulnerability, document: str) -> str:
    flaw = vulnerability.cwe.name if vulnerability.cwe else ""
    return f"{document}: {flaw}" if flaw else document


def _score(scores: list[_Score]) -> float | None:
    """Return the highest score that any product of the document has; CVSS 3 before 2."""
    for kind in ([score.cvss_v3 for score in scores], [score.cvss_v2 for score in scores]):
        given = [cvss.base_score for cvss in kind if cvss and cvss.base_score is not None]
        possible = [score for score in given if 0 <= score <= 10]
        if possible:
            return round(max(possible), 1)
    return None
