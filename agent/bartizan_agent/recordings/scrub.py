"""Taking out of answers whatever tells which device gave them. Pure.

Serial numbers, MAC and IP addresses, UUIDs, passwords, keys and nonces become stand-ins of the same form, the same one
wherever they stood, so that a driver reads the recording like the device. Names that people gave become `name`.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from bartizan_agent.drivers import digest

STAND_IN_ADDRESS = "192.0.2.1"
"""The device's own; others that it names follow (RFC 5737)."""
_SHORTEST = 4  # characters: less tells no device apart
_LONGEST = 512

_SECRET_WORDS = frozenset(
    {"serial", "sn", "mac", "password", "passwd", "pwd", "secret", "nonce", "uuid", "key", "psk", "ssid", "salt"}
)
_LABEL_WORDS = frozenset({"location", "contact", "latitude", "longitude", "email", "username"})
_LABELS = frozenset({"devicename", "machinename", "friendlyname", "hostname", "name"})
_FAMILY_WORDS = frozenset({"update", "upgrade"})
"""Dahua's `updateSerial` is the firmware family, of which there are thousands of units."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

_XML = re.compile(r"(<(?:[\w.-]+:)?([\w.-]{1,60})(?:\s[^<>]*)?>)([^<>]{1,512})(</)")
_LINE = re.compile(r"(^[ \t]*(?:[\w.\[\]]+\.)?([\w-]{1,60})[ \t]*=)([^\r\n]{1,512})()", re.MULTILINE)
_JSON = re.compile(r'("([\w -]{1,60})"\s*:\s*")((?:[^"\\]|\\.){1,512})(")')
_FIELDS = (_XML, _LINE, _JSON)
_SECURITY = re.compile(r"<(?P<head>[\w]+:Header)>\s*<(?P<tag>\w+:Security)\b.*?</(?P=tag)>\s*</(?P=head)>", re.DOTALL)

_MAC = re.compile(r"(?<![0-9A-Fa-f:-])(?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:-])")
_UUID = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Fa-f])")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_HEX = re.compile(r"[0-9A-Fa-f]{12,}")
_DIGITS = re.compile(r"\d{3,}")


class Known(NamedTuple):
    """What is known of the device beforehand."""

    serial: str
    model: str
    firmware: str
    host: str
    """Its address."""
    macs: tuple[str, ...] = ()
    password: str = ""


class Scrubber:
    """Finds what has to go in all texts of a recording first, and then takes it out of each."""

    def __init__(self, known: Known, texts: Iterable[str]) -> None:
        self._known = known
        self._stand_ins: dict[str, str] = {}
        self._addresses = {known.host: STAND_IN_ADDRESS}
        self._replace(known.serial, self._shaped(known.serial))
        self._replace(known.password, "x" * len(known.password))
        for mac in known.macs:
            self._replace_mac(mac)
        for text in texts:
            self._find(text[: _LONGEST * _LONGEST])

    @property
    def secrets(self) -> frozenset[str]:
        """What was found and must not be in the recording."""
        found = {secret for secret, stand_in in self._stand_ins.items() if secret != stand_in.lower()}
        return frozenset(found if self._known.host == STAND_IN_ADDRESS else {*found, self._known.host})

    def text(self, text: str) -> str:
        """Return a text without what tells the device."""
        for secret in sorted(self._stand_ins, key=len, reverse=True):
            text = re.sub(re.escape(secret), lambda found: _cased(self._stand_ins, found), text, flags=re.IGNORECASE)
        for pattern in _FIELDS:
            text = pattern.sub(self._named, text)
        text = _IPV4.sub(self._address, text)
        return _IPV6.sub(self._address, text)

    def challenge(self, value: str) -> str:
        """Return a `WWW-Authenticate` value without nonces, and with a realm that tells no device."""
        found = digest.strongest([value])
        if found is None:
            return self.text(value)
        for random in (found.nonce, found.opaque or ""):
            if random:
                value = value.replace(random, "0" * len(random))
        realm = _DIGITS.sub(_zeros, _HEX.sub(_zeros, self.text(found.realm)))
        return value.replace(found.realm, realm) if found.realm else value

    def _find(self, text: str) -> None:
        for pattern in _FIELDS:
            for _, name, value, _ in pattern.findall(text):
                if is_secret(name) and len(value.strip()) >= _SHORTEST and value.strip() != self._known.model:
                    self._replace(value.strip(), self._shaped(value.strip()))
        for found in _MAC.finditer(text):
            self._replace_mac(found[0])
        for found in _UUID.finditer(text):
            number = sum(1 for stand_in in self._stand_ins.values() if stand_in.startswith("00000000-")) + 1
            self._replace(found[0], f"00000000-0000-4000-8000-{number:012}")

    def _replace(self, secret: str, stand_in: str) -> None:
        if len(secret) >= _SHORTEST:
            self._stand_ins.setdefault(secret.lower(), stand_in)

    def _replace_mac(self, mac: str) -> None:
        digits = re.sub("[^0-9a-f]", "", mac.lower())
        number = len({value for value in self._stand_ins.values() if value.startswith("02:00:00:00:00:")}) + 1
        stand_in = f"02:00:00:00:00:{number:02x}"
        colons = ":".join(digits[i : i + 2] for i in range(0, 12, 2))
        if colons not in self._stand_ins:
            for separator in (":", "-", ""):
                self._replace(colons.replace(":", separator), stand_in.replace(":", separator))

    def _shaped(self, value: str) -> str:
        """Return digits and letters of no meaning in the form of a value; a model in front of it stays."""
        model = self._known.model
        kept = len(model) if model and value.startswith(model) and len(value) > len(model) else 0
        return value[:kept] + "".join(_shape(letter) for letter in value[kept:])

    def _named(self, found: re.Match[str]) -> str:
        opening, name, value, closing = found.groups()
        return f"{opening}name{closing}" if is_label(name) and value.strip() else f"{opening}{value}{closing}"

    def _address(self, found: re.Match[str]) -> str:
        text = found[0]
        if text in self._known.firmware or not _tells_a_place(text):
            return text
        number = len(self._addresses) + 1
        stand_in = f"2001:db8::{number:x}" if ":" in text else f"192.0.2.{min(number, 254)}"
        return self._addresses.setdefault(text, stand_in)


def without_login(asked: str) -> str:
    """Return a request's body without the login in its envelope."""
    return _SECURITY.sub("", asked)


def is_secret(name: str) -> bool:
    """Return whether a field of this name tells one device from another."""
    words = _words(name)
    if words & _FAMILY_WORDS:
        return False
    return bool(words & _SECRET_WORDS) or {"device", "id"} <= words


def is_label(name: str) -> bool:
    """Return whether a field of this name holds what people wrote."""
    return name.lower() in _LABELS or bool(_words(name) & _LABEL_WORDS)


def _words(name: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(name)}


def _shape(letter: str) -> str:
    if letter.isdigit():
        return "0"
    if letter.isalpha():
        return "X" if letter.isupper() else "x"
    return letter


def _zeros(found: re.Match[str]) -> str:
    return "0" * len(found[0])


def _cased(stand_ins: dict[str, str], found: re.Match[str]) -> str:
    stand_in = stand_ins[found[0].lower()]
    return stand_in.upper() if found[0].isupper() else stand_in


def _tells_a_place(text: str) -> bool:
    """Return whether a text is an address that a device, and not everybody, has."""
    reading: Callable[[str], ipaddress.IPv4Address | ipaddress.IPv6Address] = ipaddress.ip_address
    try:
        address = reading(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_multicast or text.startswith("255."))
