"""Who lives on the segment, as data, and what is true of each.

What can be known without a login differs: a camera that never answers gives away no more than its MAC prefix, and
some makers tell their firmware only to those who log in. `knowable` says what a scan can be blamed for not knowing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from bartizan.ids import Mac, mac
from bartizan_lab.cameras import Camera, Fault, Setting, Timings, make

MAKER, MODEL, FIRMWARE = "maker", "model", "firmware"
ALL = frozenset({MAKER, MODEL, FIRMWARE})
NO_FIRMWARE = frozenset({MAKER, MODEL})
SLOW_SECONDS = 3.0

KINDS: dict[str, tuple[int, str, frozenset[str]]] = {
    # kind: (how many, who really built it, what it tells strangers)
    "hikvision": (52, "hikvision", ALL),
    "hikvision-oem": (24, "hikvision", ALL),
    "hikvision-nvr": (5, "hikvision", ALL),
    "dahua": (30, "dahua", ALL),
    "dahua-oem": (12, "dahua", ALL),
    "axis": (20, "axis", ALL),
    "hanwha": (10, "hanwha", NO_FIRMWARE),
    "hanwha-samsung": (3, "hanwha", NO_FIRMWARE),
    "uniview": (8, "uniview", NO_FIRMWARE),
    "bosch": (6, "bosch", NO_FIRMWARE),
    "vivotek": (5, "vivotek", NO_FIRMWARE),
    "sony": (4, "sony", ALL),
    "panasonic": (4, "panasonic", ALL),
    "ubiquiti": (3, "ubiquiti", ALL),
    "onvif": (4, "vivotek", NO_FIRMWARE),
    "printer": (6, "", frozenset()),
}
MANNERS: dict[Fault, tuple[int, frozenset[str]]] = {
    # fault: (how many Hikvision cameras have it, what can be known of them all the same)
    Fault.SILENT: (6, frozenset({MAKER})),
    Fault.SLOW: (5, frozenset({MAKER})),
    Fault.RUBBISH: (5, frozenset({MAKER})),
    Fault.XML_BOMB: (3, frozenset({MAKER})),
    Fault.ENDLESS_BODY: (2, ALL),
    Fault.WRONG_CONTENT_LENGTH: (2, ALL),
    Fault.REDIRECT: (2, ALL),
    Fault.HALF_CLOSE: (2, ALL),
    Fault.DUPLICATE_ANSWERS: (8, ALL),
    Fault.NAMESPACE_ODD: (3, ALL),
}
_MANNERED_FROM = 1000  # numbers of the badly mannered, beside those of the others
_CLONES = 4  # Dahua cameras that two by two claim one serial number
_IPV6_ONLY = 4
_TWO_NICS = 3  # recorders with a second, idle interface on the same segment
_STRANGERS = 5  # hosts that answer the link and nothing else
_STRANGE_PREFIXES = ("00:11:22", "02:42:ac", "00:1b:a9")


class Truth(NamedTuple):
    """What a device really is. Empty text: nothing that a camera's inventory could say."""

    maker: str
    model: str
    firmware: str
    knowable: frozenset[str]


@dataclass(frozen=True)
class Inhabitant:
    """One interface on the segment, and what is true of the device behind it."""

    number: int
    """Its place: 10.9.0.<number>, unless it has no IPv4 address."""
    mac: Mac
    truth: Truth
    camera: Camera | None = None
    """What answers there; None for a host that only answers the link."""
    has_ipv4: bool = True


def inhabitants() -> tuple[Inhabitant, ...]:
    """Return all 250 of them, always the same."""
    return tuple(
        Inhabitant(number, found.mac, found.truth, found.camera, found.has_ipv4)
        for number, found in enumerate(_unplaced(), 1)
    )


def _unplaced() -> Iterator[Inhabitant]:
    for kind, (count, maker, knowable) in KINDS.items():
        for number in range(1, count + 1):
            # Both kinds of Vivotek and both of Bosch share their maker's MAC prefix.
            yield _living(make(kind, number=number + (500 if kind == "vivotek" else 0)), maker, knowable)
    yield from _badly_mannered()
    for number in range(1, _CLONES + 1):
        clone = make("dahua", number=_MANNERED_FROM + number, serial=f"5A04B5FPAG9000{(number - 1) // 2}")
        yield _living(clone, "dahua", ALL)
    for number in range(1, _IPV6_ONLY + 1):
        yield _silent(f"b8:a4:4f:06:00:{number:02x}", "axis", has_ipv4=False)
    for number in range(1, _TWO_NICS + 1):
        yield _silent(f"c0:56:e3:02:00:{number:02x}", "hikvision")
    for number in range(1, _STRANGERS + 1):
        yield _silent(f"{_STRANGE_PREFIXES[number % len(_STRANGE_PREFIXES)]}:00:01:{number:02x}", "")


def _badly_mannered() -> Iterator[Inhabitant]:
    number = _MANNERED_FROM
    setting = Setting(timings=Timings(slow_seconds=SLOW_SECONDS))
    for fault, (count, knowable) in MANNERS.items():
        for _ in range(count):
            number += 1
            yield _living(make("hikvision", number=number, faults={fault}, setting=setting), "hikvision", knowable)


def _living(camera: Camera, maker: str, knowable: frozenset[str]) -> Inhabitant:
    state = camera.state
    return Inhabitant(0, state.mac, Truth(maker, state.model, state.firmware, knowable), camera)


def _silent(address: str, maker: str, **facts: Any) -> Inhabitant:
    return Inhabitant(0, mac(address), Truth(maker, "", "", frozenset({MAKER} if maker else ())), **facts)
