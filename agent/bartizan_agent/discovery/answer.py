"""What parsing an answer gives: something heard, or rubbish with its reason. Never an exception."""

import re

import msgspec

from bartizan.identity.model import Evidence, Fact, Source
from bartizan.ids import Address, Mac, address, mac

TEXT_LIMIT = 128  # characters kept of any text a device says about itself


class Heard(msgspec.Struct, frozen=True):
    """What one answer said of the device that sent it. Its MAC is a claim, not yet believed."""

    evidence: tuple[Evidence, ...] = ()
    claimed_mac: Mac | None = None
    web_ports: tuple[int, ...] = ()
    """TCP ports where it says that it serves HTTP."""
    location: str = ""
    """SSDP only: where its description is. Fetched only from the sender itself."""
    is_arriving: bool = False
    """Whether it says that it has just come up."""
    is_leaving: bool = False
    """Whether it says goodbye."""


class Rubbish(msgspec.Struct, frozen=True):
    """An answer that could not be read, and why."""

    reason: str


Answer = Heard | Rubbish | None
"""None: well-formed, but nothing about its sender (another client's question)."""


def clean(text: str) -> str:
    """Return text of a device as one printable line of bounded length: it ends in terminals, logs and reports."""
    printable = "".join(character if character.isprintable() else " " for character in text[: 4 * TEXT_LIMIT])
    return " ".join(printable.split())[:TEXT_LIMIT].strip()


def say(fact: Fact, value: str, source: Source, weight: int, detail: str) -> tuple[Evidence, ...]:
    """Return one statement, or none where there is no value."""
    value = clean(value)
    return (Evidence(fact, value, source, weight, clean(detail)),) if value else ()


def read_mac(text: str) -> Mac | None:
    """Return a MAC address from a device's own words, if it is one that a single device can have."""
    try:
        value = mac(text)
    except ValueError:
        return None
    is_group = bool(int(value[:2], 16) & 1)
    return None if is_group or value == "00:00:00:00:00:00" else value


def read_address(text: str) -> Address | None:
    """Return an address from a device's own words, if a device can have it."""
    try:
        value = address(text.strip("[] "))
    except ValueError:
        return None
    return None if value in {"0.0.0.0", "255.255.255.255", "::"} else value


def read_port(text: object) -> int | None:
    """Return a TCP port from a device's own words."""
    match = re.fullmatch(r"\s*([0-9]{1,5})\s*", str(text)[:16])
    port = int(match.group(1)) if match else 0
    return port if 0 < port < 65536 else None


def c_string(data: bytes) -> str:
    """Return text that ends with a zero octet, or with the field it stands in."""
    return data.partition(b"\x00")[0].decode("utf-8", "replace").strip()


def pair(header: str, value: str) -> str:
    """Return a header and its value as the detail of a statement."""
    return f"{header}: {value}" if value else header
