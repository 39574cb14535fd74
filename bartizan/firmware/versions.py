"""Vendors' firmware versions: what each says, and which of two is newer.

Numbers rise only inside one family of devices, and for Hikvision and Dahua not even there: a 5.5.8xx for one platform
is younger than a 5.6.x for another. Their advisories speak in build dates, so the date is compared first. Whatever
cannot be compared is `None`, and no caller may take that for "new enough".
"""

import enum
import functools
import re
from collections.abc import Callable
from datetime import date

import msgspec

HIKVISION, DAHUA, AXIS, UNIVIEW, HANWHA, TVT = "hikvision", "dahua", "axis", "uniview", "hanwha", "tvt"
TEXT_LIMIT = 128  # characters; the longest real version string seen has 40
REMEMBERED = 4_096  # versions taken apart: an estate has many devices and few versions

AXIS_LONG_TERM_TRACKS = ((6, 50), (8, 40), (9, 80), (10, 12), (11, 11))
"""Tracks of AXIS OS that go on receiving fixes while newer ones exist."""

DATED_MAKERS = frozenset({HIKVISION, DAHUA})
"""Makers whose floors are build dates: a version without one cannot be compared with one that has one."""


FAMILY_MAKERS = frozenset({UNIVIEW})
"""Makers whose versions begin with the family of devices that they are for."""


class Ordering(enum.Enum):
    """How one version stands to another."""

    OLDER = "older"
    SAME = "same"
    NEWER = "newer"


class Version(msgspec.Struct, frozen=True):
    """A firmware version, taken apart."""

    raw: str
    numbers: tuple[int, ...]
    family: str = ""
    """Comparable only with versions of the same family; empty where the maker has one line for all."""
    build_date: str = ""
    """ISO 8601; empty where the version does not say."""


@functools.lru_cache(maxsize=REMEMBERED)
def parse(maker: str, text: str, build_date: str = "") -> Version | None:
    """Return a version taken apart; None if it is not written as this maker writes them.

    Args:
        maker: Identifier of the maker whose grammar applies; others have dotted numbers.
        text: As the device or the advisory writes it.
        build_date: ISO 8601 date from elsewhere, for a `text` without one.
    """
    text = text.strip()
    if len(text) > TEXT_LIMIT:
        return None
    version = _GRAMMARS.get(maker, _generic)(text)
    if version is None or version.build_date or not build_date:
        return version
    return msgspec.structs.replace(version, build_date=iso_date(build_date))


def compare(maker: str, first: str, second: str) -> Ordering | None:
    """Return how `first` stands to `second`; None where that cannot be told."""
    one, other = parse(maker, first), parse(maker, second)
    if one is None or other is None:
        return Ordering.SAME if first.strip() and first.strip() == second.strip() else None
    return order(maker, one, other)


def order(maker: str, first: Version, second: Version) -> Ordering | None:
    """Return how `first` stands to `second`; None across families, or where only one of them has a build date."""
    if first.family != second.family:
        return None
    if maker in DATED_MAKERS:
        if bool(first.build_date) != bool(second.build_date):
            return None
        if first.build_date != second.build_date:
            return Ordering.OLDER if first.build_date < second.build_date else Ordering.NEWER
    one, other = _padded(first.numbers, second.numbers)
    if one == other:
        return _by_build(first, second)
    return Ordering.OLDER if one < other else Ordering.NEWER


def iso_date(text: str) -> str:
    """Return the build date in a vendor's words as ISO 8601; empty if there is none or it cannot be a date.

    Reads `2020-06-05`, `180326`, `build 180326`, `20190812` and `Apr 29 2020 06:50`.
    """
    text = text.strip()[:TEXT_LIMIT]
    if match := _ISO.search(text):
        return _date(*match.groups())
    if match := _MONTH_NAME.search(text):
        month, day, year = match.groups()
        return _date(year, str(_MONTHS.index(month.lower()) + 1), day)
    if match := _DIGITS.search(text):
        return _from_digits(match.group())
    return ""


def _padded(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if len(one) == len(other):
        return one, other
    length = max(len(one), len(other))
    return one + (0,) * (length - len(one)), other + (0,) * (length - len(other))


def _by_build(first: Version, second: Version) -> Ordering:
    """Order equal numbers by their build dates, where both have one."""
    if not first.build_date or not second.build_date or first.build_date == second.build_date:
        return Ordering.SAME
    return Ordering.OLDER if first.build_date < second.build_date else Ordering.NEWER


def _hikvision(text: str) -> Version | None:
    """`V5.5.6build 180326`, `V4.62.210`, `V5.03.020 build 240110`, `1.4.0_build221212`, `V5.7.13_230822`."""
    match = _HIKVISION.fullmatch(text)
    if match is None:
        return None
    return Version(text, _numbers(match["numbers"]), build_date=_from_digits(match["build"] or match["day"] or ""))


def _dahua(text: str) -> Version | None:
    """`2.800.0000016.0.R,build:2020-06-05`, `2.820.0000000.48.R.220614`, `2.622.00AC000.0.R`, `2.420.HW01.33.20190812`.

    Letters inside the third part say for which badge it was built; `DH` is Dahua itself.
    """
    match = _DAHUA.fullmatch(text)
    if match is None:
        return None
    badge = (match["badge"] or "").upper()
    numbers = tuple(int(match[part] or 0) for part in ("major", "minor", "third", "fourth"))
    built = iso_date(match["build"]) if match["build"] else _from_digits(match["day"] or "")
    return Version(text, numbers, family="" if badge == "DH" else badge, build_date=built)


def _uniview(text: str) -> Version | None:
    """`CIPC-B2303.2.8.230105`, `NVR-B3801.20.17.240507`, `IPC_G6103 B6103.16.10.B25.201218`."""
    match = _UNIVIEW.fullmatch(text)
    if match is None:
        return None
    parts = match["rest"].strip(".").split(".") if match["rest"] else []
    built = _from_digits(parts[-1]) if parts and len(parts[-1]) == 6 else ""
    numbers = tuple(int(part.lstrip("ABCDEFabcdef")) for part in (parts[:-1] if built else parts))
    family = f"{match['prefix'] or ''}-{match['code']}".upper().strip("-")
    return Version(text, numbers, family=family, build_date=built)


def _hanwha(text: str) -> Version | None:
    """`1.41.16`, `2.22.00`, `3.05.62`, `1.41.14_20230526_R372`."""
    match = _HANWHA.fullmatch(text)
    return match and Version(text, _numbers(match["numbers"]), build_date=_from_digits(match["day"] or ""))


def _tvt(text: str) -> Version | None:
    """`1.3.4.22966B181219.D14.U1(8A41T)`: numbers, the build, and which hardware it is for."""
    match = _TVT.fullmatch(text)
    if match is None:
        return _generic(text)
    built = _from_digits(match["day"])
    return Version(text, _numbers(match["numbers"]), family=match["hardware"].upper(), build_date=built)


def _generic(text: str) -> Version | None:
    """Dotted numbers: `9.80.3.11`, `v1.2`. Axis writes them so too."""
    match = _DOTTED.fullmatch(text)
    return match and Version(text, _numbers(match["numbers"]))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.split(r"[.-]", text))


def _from_digits(text: str) -> str:
    """`YYMMDD` or `YYYYMMDD` as ISO 8601."""
    if len(text) == 6:
        text = f"20{text}"
    return _date(text[:4], text[4:6], text[6:]) if len(text) == 8 else ""


def _date(year: str, month: str, day: str) -> str:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return ""


_FLAGS = re.IGNORECASE | re.ASCII
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ISO = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)", re.ASCII)
_MONTH_NAME = re.compile(rf"\b({'|'.join(_MONTHS)})[a-z]*\.? +(\d{{1,2}}),? +(\d{{4}})\b", _FLAGS)
_DIGITS = re.compile(r"(?<!\d)(?:\d{8}|\d{6})(?!\d)", re.ASCII)
_HIKVISION = re.compile(
    r"V?(?P<numbers>\d{1,6}(?:\.\d{1,6}){1,4}(?:-\d{1,4})?)"
    r"(?:[\s_,]*build[\s:_]*(?P<build>\d{8}|\d{6})|_(?P<day>\d{8}|\d{6}))?",
    _FLAGS,
)
_DAHUA = re.compile(
    r"V?(?P<major>\d{1,3})\.(?P<minor>\d{1,4})"
    r"\.(?=[A-Z0-9])(?:\d{0,9}(?P<badge>[A-Z]{1,4}))?(?P<third>\d{0,9})"
    r"(?:\.(?P<fourth>\d{1,9}))?(?:\.[A-Z]{1,2})?(?:\.(?P<day>\d{8}|\d{6}))?"
    r"(?:[\s,]+build\s*(?:date)?[\s:]*(?P<build>\d{4}-\d{2}-\d{2})(?:[\sT][\d:]{1,8})?)?",
    _FLAGS,
)
_UNIVIEW = re.compile(
    r"(?:(?P<prefix>[A-Z]{2,6}(?:_[A-Z0-9]{1,8})?)[\s_-]+)?(?P<code>B\d{4})(?P<rest>(?:\.[A-F]?\d{1,6}){0,6})", _FLAGS
)
_HANWHA = re.compile(r"V?(?P<numbers>\d{1,4}(?:\.\d{1,6}){1,3})(?:_(?P<day>\d{8}|\d{6}))?(?:_R\d{1,6})?", _FLAGS)
_TVT = re.compile(
    r"V?(?P<numbers>\d{1,4}(?:\.\d{1,6}){2,4})B(?P<day>\d{6})\.(?P<hardware>[A-Z0-9.]{1,16}(?:\([A-Z0-9]{1,12}\))?)",
    _FLAGS,
)
_DOTTED = re.compile(r"V?(?P<numbers>\d{1,9}(?:\.\d{1,9}){0,6})", _FLAGS)

_GRAMMARS: dict[str, Callable[[str], Version | None]] = {
    HIKVISION: _hikvision,
    DAHUA: _dahua,
    UNIVIEW: _uniview,
    HANWHA: _hanwha,
    TVT: _tvt,
}
