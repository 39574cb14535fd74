"""Names of things: typed identifiers, and the one place that says how each is spelled."""

import re
from ipaddress import ip_address, ip_network
from typing import NewType

OrganisationId = NewType("OrganisationId", str)
SiteId = NewType("SiteId", str)
DeviceId = NewType("DeviceId", str)
PolicyId = NewType("PolicyId", str)
WaiverId = NewType("WaiverId", str)
OrderId = NewType("OrderId", str)
ImageId = NewType("ImageId", str)
RolloutId = NewType("RolloutId", str)
BootId = NewType("BootId", str)
KeyId = NewType("KeyId", str)
Mac = NewType("Mac", str)
Address = NewType("Address", str)
Network = NewType("Network", str)

SLUG = r"\A[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z"
_SLUG = re.compile(SLUG)
_MAC_DIGITS = re.compile(r"\A[0-9a-f]{12}\Z")


def slug(text: str) -> str:
    """Return `text` if it can name a site, organisation, policy or rollout.

    A slug is safe as a topic level, a certificate's common name and a file name.

    Raises:
        ValueError: It is empty, longer than 64, or has other characters than a-z, 0-9 and hyphen.
    """
    if not _SLUG.match(text):
        raise ValueError(f"{text!r} is not a name: use 1 to 64 of a-z, 0-9 and '-', not beginning or ending with '-'")
    return text


def mac(text: str) -> Mac:
    """Return a MAC address as `aa:bb:cc:dd:ee:ff`, whatever separators it came with.

    Raises:
        ValueError: There are not twelve hexadecimal digits.
    """
    digits = re.sub(r"[:.\-\s]", "", text.strip()).lower()
    if not _MAC_DIGITS.match(digits):
        raise ValueError(f"{text!r} is not a MAC address: twelve hexadecimal digits are needed")
    return Mac(":".join(digits[i : i + 2] for i in range(0, 12, 2)))


def address(text: str) -> Address:
    """Return an IPv4 or IPv6 address in its canonical form, without a zone.

    Raises:
        ValueError: It is neither.
    """
    return Address(str(ip_address(text.strip().partition("%")[0])))


def network(text: str) -> Network:
    """Return an IPv4 or IPv6 network in canonical CIDR form; host bits are cleared.

    Raises:
        ValueError: It is neither.
    """
    return Network(str(ip_network(text.strip(), strict=False)))


def is_locally_administered(address: Mac) -> bool:
    """Return whether the address was made up by software, so that its prefix names no maker (IEEE 802)."""
    return bool(int(address[:2], 16) & 0b10)


def image_id(sha256_hex: str) -> ImageId:
    """Return the identifier of a firmware image: its content's SHA-256 in hexadecimal."""
    return ImageId(f"sha256:{sha256_hex.lower()}")
