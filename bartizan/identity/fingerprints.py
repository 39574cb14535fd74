"""Fingerprints: what stands in the answers of certain devices, and what it says of them. Rows of the catalogue.

A row looks at one place of an answer with one pattern and speaks for a maker, a badge or a kind; named groups
(`model`, `firmware`, `brand`) read more out of it. Rows are data that two people sign, so they may change without a
new agent. Their patterns are a small part of regular expressions that cannot run away on hostile text.
"""

import enum
import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from bartizan.errors import Malformed
from bartizan.firmware.model import Grade
from bartizan.identity.model import Evidence, Fact, Kind, Source

PATTERN_LIMIT = 200  # characters
_TEXT_LIMIT = 128  # characters of a statement, as identities cut them
_WORK_LIMIT = 40_000  # ways in which all repetitions of a pattern together may fit: milliseconds on the worst text
GROUPS = {"model": Fact.MODEL, "firmware": Fact.FIRMWARE, "brand": Fact.BRAND}
"""What a named group reads."""


class Where(enum.Enum):
    """The place in a device's answers where a pattern is looked for."""

    HTTP_SERVER = "http-server"
    HTTP_REALM = "http-realm"
    HTTP_TITLE = "http-title"
    FAVICON_MD5 = "favicon-md5"
    RTSP_SERVER = "rtsp-server"
    RTSP_REALM = "rtsp-realm"
    TLS_SUBJECT = "tls-subject"
    UPNP_TYPE = "upnp-type"
    DHCP_VENDOR_CLASS = "dhcp-vendor-class"
    GREETING = "tcp-8000-greeting"
    """The first octets, in hexadecimal."""
    FIRMWARE = "firmware"
    OEM_CODE = "oem-code"
    MODEL = "model"
    SERIAL = "serial"


OF_A_MAKER = frozenset({Where.OEM_CODE, Where.MODEL, Where.SERIAL})
"""Here `maker` is whose units the row is about, not what it speaks for: others use the same letters otherwise."""

_BANNERS: dict[tuple[Source, Fact], Where] = {
    (Source.HTTP, Fact.SERVER): Where.HTTP_SERVER,
    (Source.HTTP, Fact.REALM): Where.HTTP_REALM,
    (Source.HTTP, Fact.TITLE): Where.HTTP_TITLE,
    (Source.HTTP, Fact.FAVICON): Where.FAVICON_MD5,
    (Source.RTSP, Fact.SERVER): Where.RTSP_SERVER,
    (Source.RTSP, Fact.REALM): Where.RTSP_REALM,
    (Source.TLS, Fact.SUBJECT): Where.TLS_SUBJECT,
    (Source.SSDP, Fact.DEVICE_TYPE): Where.UPNP_TYPE,
    (Source.DHCP, Fact.VENDOR_CLASS): Where.DHCP_VENDOR_CLASS,
    (Source.CONTROL_PORT, Fact.GREETING): Where.GREETING,
}
_STATEMENTS: dict[Fact, Where] = {
    Fact.FIRMWARE: Where.FIRMWARE,
    Fact.OEM_CODE: Where.OEM_CODE,
    Fact.MODEL: Where.MODEL,
    Fact.SERIAL: Where.SERIAL,
}
"""Statements that any source may make."""

LABELS: dict[Where, str] = {
    Where.HTTP_SERVER: "HTTP server",
    Where.HTTP_REALM: "HTTP realm",
    Where.HTTP_TITLE: "page title",
    Where.FAVICON_MD5: "favicon",
    Where.RTSP_SERVER: "RTSP server",
    Where.RTSP_REALM: "RTSP realm",
    Where.TLS_SUBJECT: "TLS certificate",
    Where.UPNP_TYPE: "UPnP device type",
    Where.DHCP_VENDOR_CLASS: "DHCP vendor class",
    Where.GREETING: "greeting of TCP 8000",
    Where.FIRMWARE: "firmware form",
    Where.OEM_CODE: "OEM code",
    Where.MODEL: "model name",
    Where.SERIAL: "serial number form",
}


class Fingerprint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row."""

    name: str
    where: Where
    pattern: str
    """Looked for anywhere in the text, ignoring case."""
    weight: int
    """0 to 100: how much it is worth."""
    grade: Grade
    source: str
    """What the row rests on."""
    maker: str = ""
    brand: str = ""
    kind: str = ""
    """`camera`, `recorder`, or what other thing it is: `printer`, `access point`, …"""


class Match(NamedTuple):
    """A row, and the statement that it fits."""

    row: Fingerprint
    said: Evidence
    read: tuple[tuple[Fact, str], ...]
    """What its named groups read."""

    @property
    def label(self) -> str:
        """What it is called: `HTTP server`."""
        return LABELS[self.row.where]


class Fingerprints:
    """Rows, ready to be looked up.

    Args:
        rows: Of the catalogue; each has passed `check_fingerprint`.
    """

    def __init__(self, rows: Iterable[Fingerprint]) -> None:
        self._rows: dict[Where, list[tuple[re.Pattern[str], Fingerprint]]] = {}
        for row in rows:
            self._rows.setdefault(row.where, []).append((_compiled(row.pattern), row))

    def matches(self, evidence: Iterable[Evidence]) -> Iterator[Match]:
        """Yield the rows that fit. Of the rows for one place of one statement the first for each end counts."""
        for said in evidence:
            where = _BANNERS.get((said.source, said.fact)) or _STATEMENTS.get(said.fact)
            if where is not None:
                yield from self._fitting(where, said)

    def _fitting(self, where: Where, said: Evidence) -> Iterator[Match]:
        for pattern, row in self._rows.get(where, ()):
            found = pattern.search(said.value)
            if found:
                groups = found.groupdict()
                read = ((fact, (groups.get(name) or "").strip()) for name, fact in GROUPS.items())
                yield Match(row, said, tuple((fact, value) for fact, value in read if value))


def check_fingerprint(row: Fingerprint) -> None:
    """Refuse a row that says nothing, or whose pattern is not to be run.

    Raises:
        Malformed: With the reason.
    """
    problem = objection(row)
    if problem:
        raise Malformed(f"fingerprint {row.name!r}: {problem}")


def objection(row: Fingerprint) -> str:
    """Return what is wrong with a row; empty if nothing is."""
    if not 0 <= row.weight <= 100:
        return f"weight is 0 to 100, not {row.weight}"
    problem = pattern_objection(row.pattern)
    if problem:
        return problem
    speaks = (row.brand, row.kind, "" if row.where in OF_A_MAKER else row.maker, *_compiled(row.pattern).groupindex)
    if not any(speaks):
        return "it says nothing: give it a maker, a brand, a kind, or a named group"
    if row.kind == Kind.UNKNOWN.value:
        return "leave the kind out where it is not known"
    return ""


def pattern_objection(pattern: str) -> str:
    """Return why a pattern is not accepted; empty if it is.

    Groups may be optional but not repeated, so the work on any text is at most the product of all repetitions.
    """
    bare = _ONE_CHARACTER.sub("a", pattern)
    refused = {
        f"a pattern has 1 to {PATTERN_LIMIT} characters": not 1 <= len(pattern) <= PATTERN_LIMIT,
        r"the only escapes are \A, \Z, \b, \d, \s, \w and those of signs": _OTHER_ESCAPE.search(pattern),
        f"only (?:…) and (?P<name>…) are possible, with the names {', '.join(GROUPS)}": _OTHER_GROUP.search(bare),
        "a group may be optional ('?') but not repeated": _REPEATED_GROUP.search(bare),
        "a set may not hold another set, '--', '&&', '~~' or '||'": _SET_IN_SET.search(pattern),
        "too many repetitions: bound them, as in {1,16}": _turns(bare) > _WORK_LIMIT,
    }
    for problem, is_there in refused.items():
        if is_there:
            return problem
    try:
        _compiled(pattern)
    except re.error as error:
        return f"no regular expression: {error}"
    return ""


def _turns(bare: str) -> int:
    """Return in how many ways all repetitions of a pattern together can fit."""
    return math.prod(_most_turns(found) for found in _REPETITION.finditer(bare[:PATTERN_LIMIT]))


def _most_turns(repetition: re.Match[str]) -> int:
    """Return in how many ways one repetition can fit."""
    sign, least, most = repetition[0], int(repetition["least"] or 0), repetition["most"]
    if sign == "?":
        return 2
    if "," not in sign and sign not in "*+":
        return 1
    return min(_TEXT_LIMIT, int(most) - least + 1) if most else _TEXT_LIMIT


_ONE_CHARACTER = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")
_OTHER_ESCAPE = re.compile(r"\\(?:[B-YZa-z0-9](?<![Zbdsw])|\Z)")
_SET_IN_SET = re.compile(r"(?<!\\)\[(?:\\.|[^\]\\])*?(?:(?<!\\)\[|--|&&|~~|\|\|)")
_OTHER_GROUP = re.compile(rf"\((?!\?:|\?P<(?:{'|'.join(GROUPS)})>)")
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_REPETITION = re.compile(r"[*+]|(?<!\()\?|\{(?P<least>[0-9]{0,4})(?:,(?P<most>[0-9]{0,4}))?\}")


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.ASCII)
