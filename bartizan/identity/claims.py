"""What single pieces of evidence say about who built a device, before they are weighed against each other."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bartizan.identity import dialects
from bartizan.identity.dialects import Tier
from bartizan.identity.directory import Directory
from bartizan.identity.fingerprints import OF_A_MAKER, Match, Where
from bartizan.identity.model import Evidence, Fact, Source
from bartizan.ids import Mac, is_locally_administered


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
            case _:
                pass


def fingerprint_claims(matches: Iterable[Match]) -> Iterator[Claim]:
    """Yield the makers that fingerprints speak for."""
    for match in matches:
        row, said = match.row, match.said
        if row.maker and row.where not in OF_A_MAKER:
            is_form = row.where is Where.FIRMWARE
            tier = Tier.FIRMWARE if is_form else dialects.TIERS[said.source]
            source = "firmware form" if is_form else said.source.value
            yield Claim(row.maker, tier, row.weight, _label(match), said.value, source)


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


def _label(match: Match) -> str:
    """A firmware form that names a badge is told by it: `firmware form Amcrest`."""
    return f"{match.label} {match.row.brand}" if match.row.where is Where.FIRMWARE and match.row.brand else match.label


_OWN_MAKERS = frozenset(maker for maker, _, _ in dialects.SPOKEN_BY.values())
"""Makers that sources name by identifier even where the catalogue describes none."""
