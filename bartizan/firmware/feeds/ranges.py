"""Affected versions as people write them, read into bounds; or not, and then a person must.

Only text that is understood to its last word counts. Everything else is `None`.
"""

import calendar
import re
from collections.abc import Callable
from datetime import date
from urllib.parse import unquote

import msgspec

from bartizan.firmware import versions
from bartizan.firmware.feeds.text import LIMIT, plain


class Bounds(msgspec.Struct, frozen=True):
    """Which versions are affected. Without any bound, every version is."""

    from_version: str = ""
    up_to_version: str = ""
    before_version: str = ""
    before_build: str = ""
    exactly: bool = False
    """Only the one version in both bounds was named: nothing is said of others."""


EVERY = Bounds()
NOTHING_SAID = frozenset({"", "n/a", "na", "none", "unspecified", "unknown", "-", "see advisory"})
_BEGINNING = frozenset({"0", "0.0", "0.0.0", "*", "unspecified", "n/a", ""})


def read_range(maker: str, text: str, product: str = "") -> Bounds | None:
    """Return the bounds that a text states; None if a person must read it.

    Args:
        maker: Whose versions they are; without a maker only "all" is understood.
        text: As published: `>=  5.3.1 build 150410 | <= 5.4.4  Build 161125`, `Build date before 250807`.
        product: The product's name, which some repeat before the range.
    """
    if len(text) > LIMIT:
        return None
    said = _without_product(plain(text), plain(product)).strip(" ,;")
    said = re.sub(r"\Avers:[a-z0-9.+-]{1,32}/", "", unquote(said), flags=re.IGNORECASE)
    if said.casefold() in NOTHING_SAID:
        return None
    return next((bounds for form in _FORMS if (bounds := form(maker, said)) is not None), None)


def between(maker: str, lowest: str, *, below: str = "", last: str = "") -> Bounds | None:
    """Return the bounds of `lowest` to the version before `below`, or to `last`; None if a person must read it."""
    lower = ""
    if plain(lowest).casefold() not in _BEGINNING:
        lower = _lower(maker, lowest)
        if not lower:
            return None
    upper = plain(below or last)
    if upper == "*":
        return Bounds(from_version=lower)
    bound = _version(maker, upper) if below else _upper(maker, upper)
    if not bound:
        return None
    return Bounds(lower, before_version=bound) if below else Bounds(lower, up_to_version=bound)


def _without_product(text: str, product: str) -> str:
    if product and text.casefold().startswith(product.casefold()):
        return text[len(product) :].strip(" ,:;-")
    return text


def _everything(_: str, text: str) -> Bounds | None:
    return EVERY if _EVERY.fullmatch(text) else None


def _comparators(maker: str, text: str) -> Bounds | None:
    """`>= 5.2.0 build  140721 | <= 5.4.0  Build 160401`, `<=1.4.0_build221212`."""
    clauses = [clause for clause in _CLAUSE_END.split(text) if clause.strip()]
    bounds: dict[str, str] = {}
    for clause in clauses:
        match = _CLAUSE.fullmatch(clause.strip())
        field = _FIELDS.get(match["sign"]) if match else None
        if match is None or field is None or field in bounds:
            return None
        version = _version(maker, match["version"])
        if not version:
            return None
        bounds[field] = version
    if not bounds or ("up_to_version" in bounds and "before_version" in bounds):
        return None
    return msgspec.convert(bounds, Bounds)


def _equal(maker: str, text: str) -> Bounds | None:
    match = re.fullmatch(r"={1,2} ?(?P<version>.+)", text)
    return _one_version(maker, match["version"]) if match else None


def _span(maker: str, text: str) -> Bounds | None:
    """`6.50 - 11.10`, `AXIS OS 11.0.X - 11.3.x`, `V5.3.1 build 150410 to V5.4.4 Build 161125`."""
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    lower, upper = _lower(maker, match["lower"]), _upper(maker, match["upper"])
    return Bounds(lower, up_to_version=upper) if lower and upper else None


def _after_and_before(maker: str, text: str) -> Bounds | None:
    """`Versions after V5.00.000 (including V5.00.000) and before V5.02.006(not including V5.02.006)`."""
    match = _AFTER_BEFORE.fullmatch(text)
    if match is None:
        return None
    lower, upper = _version(maker, match["lower"]), _version(maker, match["upper"])
    if not lower or not upper or _version(maker, match["again"]) != lower:
        return None
    inclusive = not match["not"]
    return Bounds(lower, up_to_version=upper) if inclusive else Bounds(lower, before_version=upper)


def _built_before(_: str, text: str) -> Bounds | None:
    """`Build date before 250807`, `which Build time before 2024/2/2`, `Buildtime before June, 2021`."""
    match = _BUILT.fullmatch(text)
    day = _day(match["day"]) if match else ""
    return Bounds(before_build=day) if day else None


def _older(maker: str, text: str) -> Bounds | None:
    """`Versions below V5.7.13_230822 (including V5.7.13_230822)`, `Prior to version 1.41.16`, `before 1.2`."""
    match = _OLDER.fullmatch(text)
    version = _version(maker, match["version"]) if match else ""
    if match is None or not version:
        return None
    inclusion = (match["inclusion"] or "").casefold()
    if inclusion.startswith("inclu"):
        return Bounds(up_to_version=version)
    return Bounds(before_version=version)


def _and_prior(maker: str, text: str) -> Bounds | None:
    """`V4.30.096build221220 and the versions prior to it`, `1.2 and earlier`, `up to 1.2`."""
    match = _AND_PRIOR.fullmatch(text) or _UP_TO.fullmatch(text)
    version = _upper(maker, match["version"]) if match else ""
    return Bounds(up_to_version=version) if version else None


def _and_later(maker: str, text: str) -> Bounds | None:
    match = _AND_LATER.fullmatch(text)
    version = _lower(maker, match["version"]) if match else ""
    return Bounds(from_version=version) if version else None


def _one_version(maker: str, text: str) -> Bounds | None:
    version = _version(maker, text)
    return Bounds(version, up_to_version=version, exactly=True) if version else None


def _version(maker: str, text: str) -> str:
    """Return a version of this maker as it is written; empty if it is none."""
    text = _PREFIX.sub("", text.strip(" ,;.")).strip()
    return text if maker and versions.parse(maker, text) is not None else ""


def _lower(maker: str, text: str) -> str:
    stem = _OPEN_END.sub("", text.strip())
    return _version(maker, stem) or (_version(maker, f"{stem}.0") if stem != text.strip() else "")


def _upper(maker: str, text: str) -> str:
    # 11.3.x is every 11.3: a bound of two numbers covers them.
    return _version(maker, _OPEN_END.sub("", text.strip()))


def _day(text: str) -> str:
    """Return a day as ISO 8601; the first of a month that is named without one."""
    text = text.strip(" .")
    if iso := versions.iso_date(text):
        return iso
    if match := _SLASHED.fullmatch(text):
        return _iso(*(int(part) for part in match.groups()))
    if match := _MONTH.fullmatch(text):
        month = next((n for n in range(1, 13) if calendar.month_name[n].lower() == match["month"].lower()), 0)
        return _iso(int(match["year"]), month, 1)
    return ""


def _iso(year: int, month: int, day: int) -> str:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""


_FLAGS = re.IGNORECASE | re.ASCII
_EVERY = re.compile(r"\*|(?:all|any|every)(?: firmware)?(?: versions?)?", _FLAGS)
_CLAUSE_END = re.compile(r"\||(?:,|;|\band\b|&&) ?(?=[<>=])", _FLAGS)
_CLAUSE = re.compile(r"(?P<sign>[<>=]{1,2}) ?(?P<version>[^<>=|]+)", _FLAGS)
_FIELDS = {">=": "from_version", "<=": "up_to_version", "=<": "up_to_version", "<": "before_version"}
_SPAN = re.compile(r"(?:from )?(?P<lower>[^()<>=]{1,80}?) (?:-|to|through|up to) (?P<upper>[^()<>=]{1,80})", _FLAGS)
_AFTER_BEFORE = re.compile(
    r"(?:versions? )?after (?P<lower>[^()]{1,60}?) ?\(including (?P<again>[^()]{1,60})\) ?and before "
    r"(?P<upper>[^()]{1,60}?) ?\((?P<not>not )?including [^()]{1,60}\)",
    _FLAGS,
)
_BUILT = re.compile(
    r"(?:versions? )?(?:which |with |of )?build ?(?:date|time)? ?(?:before|earlier than|prior to) (?P<day>.{1,40})",
    _FLAGS,
)
_OLDER = re.compile(
    r"(?:versions? )?(?:below|before|prior to|earlier than|older than|lower than) (?:versions? )?"
    r"(?P<version>[^()<>]{1,80}?)(?: ?\((?P<inclusion>not including|excluding|including|inclusive)[^()]{0,80}\))?",
    _FLAGS,
)
_AND_PRIOR = re.compile(
    r"(?P<version>[^()<>]{1,80}?),? (?:and|or) (?:the |all )?(?:versions? )?"
    r"(?:prior|earlier|older|below|previous|lower)(?: versions?)?(?: to it)?",
    _FLAGS,
)
_UP_TO = re.compile(r"(?:versions? )?(?:up to|through|until)(?: and including)? (?P<version>[^()<>]{1,80})", _FLAGS)
_AND_LATER = re.compile(r"(?P<version>[^()<>]{1,80}?),? (?:and|or) (?:later|newer|above|higher)(?: versions?)?", _FLAGS)
_PREFIX = re.compile(r"\A(?:(?:firmware|software) )?(?:versions? |axis os )", _FLAGS)
_OPEN_END = re.compile(r"(?:\.x{1,8})+\Z", _FLAGS)
_SLASHED = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})", _FLAGS)
_MONTH = re.compile(r"(?P<month>[a-z]{3,9}),? (?P<year>\d{4})", _FLAGS)

_FORMS: tuple[Callable[[str, str], Bounds | None], ...] = (
    _everything,
    _comparators,
    _equal,
    _after_and_before,
    _built_before,
    _older,
    _and_prior,
    _and_later,
    _span,
    _one_version,
)
