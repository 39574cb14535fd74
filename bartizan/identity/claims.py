"""What single pieces of evidence say about who built a device, before they are weighed against each other."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bartizan.identity import dialects
from bartizan.identity.dialects import Tier
from bartizan.identity.model import Evidence, Fact, Source
from bartizan.ids import Mac, is_locally_administered
from bartizan.policy.model import Maker


class Claim(NamedTuple):
    """One maker, named by one source."""

    maker: str
    tier: Tier
    weight: int
    label: str
    """What named it, for people: `ISAPI OEMCode`."""
    detail: str
    source: str
    """Claims of one source count once."""


class Directory:
    """The makers, by the words and numbers that devices use."""

    def __init__(self, makers: Iterable[Maker]) -> None:
        self._makers = {maker.id: maker for maker in makers}
        self._by_name = {
            word.casefold(): maker.id for maker in self._makers.values() for word in (maker.id, maker.name)
        }
        self._by_brand: dict[str, list[str]] = {}
        self._spelling: dict[str, str] = {}
        for maker in self._makers.values():
            for brand in maker.brands:
                self._by_brand.setdefault(brand.casefold(), []).append(maker.id)
                self._spelling.setdefault(brand.casefold(), brand)

    def name(self, maker: str) -> str:
        """Return how a maker is called."""
        return self._makers[maker].name if maker in self._makers else maker

    def named(self, word: str) -> str:
        """Return the maker that is called so; empty if none is."""
        return self._by_name.get(word.casefold(), "")

    def sellers(self, badge: str) -> tuple[str, ...]:
        """Return the makers whose units are sold under a badge."""
        owner = self.named(badge)
        return (owner,) if owner else tuple(self._by_brand.get(badge.casefold(), ()))

    def spelled(self, badge: str) -> str:
        """Return a badge as it is usually spelled."""
        owner = self.named(badge)
        return self.name(owner) if owner else self._spelling.get(badge.casefold(), badge)

    def owner(self, mac: Mac) -> str:
        """Return the maker with the longest registered prefix of a MAC address; empty if none has one."""
        digits = mac.replace(":", "").upper()
        owners = {
            prefix: maker.id for maker in self._makers.values() for prefix in maker.oui if digits.startswith(prefix)
        }
        return owners[max(owners, key=len)] if owners else ""


def claims(evidence: Iterable[Evidence], directory: Directory) -> Iterator[Claim]:
    """Yield what each statement says about the maker, directly or by the way it was made."""
    for item in evidence:
        yield from _dialect(item)
        match item.fact:
            case Fact.MAKER:
                yield from _maker(item, directory)
            case Fact.BRAND:
                yield from _badge(item.value, directory)
            case Fact.OEM_CODE:
                yield from _oem_code(item)
            case Fact.FIRMWARE:
                yield from _firmware_form(item)
            case _:
                pass


def address_claims(mac: Mac | None, directory: Directory) -> Iterator[Claim]:
    """Yield who registered the MAC address's prefix, unless software made the address up."""
    if mac is None or is_locally_administered(mac):
        return
    owner = directory.owner(mac)
    if owner:
        yield Claim(owner, Tier.ADDRESS, dialects.OUI_WEIGHT, "OUI", mac[:8], Source.OUI.value)


def _dialect(item: Evidence) -> Iterator[Claim]:
    spoken = dialects.SPOKEN_BY.get(item.source)
    if spoken:
        maker, weight, label = spoken
        yield Claim(maker, dialects.TIERS[item.source], weight, label, "it answers", item.source.value)


def _maker(item: Evidence, directory: Directory) -> Iterator[Claim]:
    maker = directory.named(item.value) or (item.value if item.value in _OWN_MAKERS else "")
    if not maker:
        yield from _badge(item.value, directory)
        return
    weight = max(0, min(100, item.weight))
    yield Claim(maker, dialects.TIERS[item.source], weight, dialects.NAMES[item.source], item.detail, item.source.value)


def _badge(badge: str, directory: Directory) -> Iterator[Claim]:
    """A badge that one maker alone supplies is a hint; one that several supply names nobody."""
    sellers = directory.sellers(badge)
    if len(sellers) == 1:
        yield Claim(sellers[0], Tier.BADGE, dialects.BADGE_WEIGHT, f"badge {directory.spelled(badge)}", badge, "badge")


def _oem_code(item: Evidence) -> Iterator[Claim]:
    spoken = dialects.SPOKEN_BY.get(item.source)
    if spoken:
        label = f"{dialects.NAMES[item.source]} OEMCode"
        tier = dialects.TIERS[item.source]
        yield Claim(spoken[0], tier, dialects.OEM_CODE_WEIGHT, label, item.value, item.source.value)


def _firmware_form(item: Evidence) -> Iterator[Claim]:
    maker, _, label = dialects.maker_of_firmware(item.value)
    if maker:
        yield Claim(maker, Tier.FIRMWARE, dialects.FIRMWARE_FORM_WEIGHT, label, item.value, "firmware form")


_OWN_MAKERS = frozenset(maker for maker, _, _ in dialects.SPOKEN_BY.values())
"""Makers that sources name by identifier even where the catalogue describes none."""
