"""From what was seen of a device to who it is: who built it, under which badge, what it is and what it runs.

Evidence about the maker is ranked by tier (`dialects.Tier`): firmware, then discovery protocols, then an operator's
word, then servers' own introductions, then the MAC prefix, then the badge. The maker with evidence of the highest tier
wins; among makers of one tier, the one with the higher score; where these are equal, nobody. Banners say nothing by
themselves: the catalogue's fingerprints read them, and what they read counts like what a device says outright.

Score of a maker: one minus the product of (1 - weight/100) over its sources, each source counted once with its heaviest
evidence. Confidence: the winner's score, lessened by half of the strongest rival's share, at most 99. Rivals stay in
the reasons, and so does every contradiction about model, firmware and serial number.
"""

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from bartizan.firmware import versions
from bartizan.identity import dialects
from bartizan.identity.claims import Claim, address_claims, claims, fingerprint_claims
from bartizan.identity.dialects import Tier
from bartizan.identity.directory import Directory
from bartizan.identity.disputes import disputes
from bartizan.identity.fingerprints import OF_A_MAKER, Match, Where
from bartizan.identity.model import Evidence, Fact, Identity, Kind, Observation
from bartizan.ids import is_locally_administered

TEXT_LIMIT = 128  # characters kept of anything a device says of itself
HIGHEST_CONFIDENCE = 99
REASON_LIMIT = 32

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]+")


class Standing(NamedTuple):
    """All that speaks for one maker."""

    maker: str
    tier: Tier
    score: float
    claims: tuple[Claim, ...]
    """One for each source, the closest to the silicon first."""

    @property
    def known_by(self) -> tuple[str, ...]:
        """What names the maker, strongest first; its badge only where nothing better does."""
        told = [claim for claim in self.claims if claim.tier > Tier.BADGE] or self.claims
        return tuple(dict.fromkeys(claim.label for claim in told))

    @property
    def place(self) -> tuple[Tier, float]:
        """By what makers are ranked."""
        return self.tier, round(self.score, 6)


class Judgement(NamedTuple):
    """Who a device is taken to be, and all that was weighed for it."""

    identity: Identity
    evidence: tuple[Evidence, ...]
    """Cleaned, with what fingerprints read out of it."""
    standings: tuple[Standing, ...]
    """The makers with anything to speak for them, the likeliest first."""
    winner: Standing | None
    notes: tuple[str, ...]
    """What was left out of account, and why."""


def identify(observation: Observation, directory: Directory) -> Identity:
    """Return who the observed device is taken to be. An empty field is a verdict: it cannot be told."""
    return judge(observation, directory).identity


def judge(observation: Observation, directory: Directory) -> Judgement:
    """Return who the observed device is taken to be, with what that rests on."""
    said = _cleaned(observation.evidence)
    matches = tuple(directory.fingerprints.matches(said))
    claimed = [
        *claims(said, directory),
        *fingerprint_claims(matches),
        *address_claims(observation.mac, directory),
    ]
    standings = _standings(claimed)
    winner, confidence = _decide(standings)
    maker = winner.maker if winner else ""
    fitting = [match for match in matches if match.row.where not in OF_A_MAKER or match.row.maker in {"", maker}]
    evidence = tuple(sorted({*said, *(read for match in fitting for read in _read(match))}, key=_in_order))
    brand = _brand(evidence, winner, directory, fitting)
    firmware = _best(evidence, Fact.FIRMWARE)
    notes = (*_notes(observation, evidence, directory), *_cross_flashed(fitting))
    identity = Identity(
        maker=maker,
        brand=brand,
        kind=_kind(evidence),
        model=_model(evidence),
        firmware=firmware.value if firmware else "",
        build_date=_build_date(evidence, firmware, maker),
        hardware=_value(evidence, Fact.HARDWARE),
        platform=_value(evidence, Fact.PLATFORM),
        serial=serial_number(evidence),
        lineage=_lineage(evidence, winner, brand, directory),
        confidence=confidence,
        known_by=winner.known_by if winner else (),
    )
    reasons = (*_reasons(standings, winner, directory), *disputes(identity, evidence), *notes)
    identity = msgspec.structs.replace(identity, reasons=reasons[:REASON_LIMIT])
    return Judgement(identity, evidence, tuple(standings), winner, notes)


def serial_number(evidence: Iterable[Evidence]) -> str:
    """Return the best serial number, leaving out those that name nothing; empty if there is none."""
    return _value((item for item in evidence if not dialects.PLACEHOLDER_SERIAL.match(item.value)), Fact.SERIAL)


def _cleaned(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Bound and print-proof what devices say (it ends in reports, logs and terminals), in an order of our own.

    Answers come in any order: what is concluded must not change from one look to the next for that.
    """
    cleaned = (msgspec.structs.replace(item, value=_printable(item.value)) for item in evidence)
    return tuple(sorted((item for item in cleaned if item.value), key=_in_order))


def _in_order(item: Evidence) -> tuple[str, str, int, str, str]:
    return item.fact.value, item.source.value, -item.weight, item.value, item.detail


def _printable(text: str) -> str:
    return " ".join(_UNPRINTABLE.sub(" ", text[: 4 * TEXT_LIMIT]).split())[:TEXT_LIMIT].strip()


def _read(match: Match) -> tuple[Evidence, ...]:
    """Return what a fingerprint reads besides the maker. A badge in firmware or serial number is only a hint."""
    row, said = match.row, match.said
    is_told = row.where not in {Where.FIRMWARE, Where.SERIAL}
    stated = ((Fact.BRAND, row.brand if is_told else ""), (Fact.KIND, row.kind), *match.read)
    detail = f"{match.label}: {said.value}"
    return tuple(Evidence(fact, value, said.source, row.weight, detail) for fact, value in stated if value)


def _standings(claimed: Iterable[Claim]) -> list[Standing]:
    """Return the makers with anything to speak for them, the likeliest first."""
    by_maker: dict[str, dict[str, Claim]] = {}
    for claim in claimed:
        sources = by_maker.setdefault(claim.maker, {})
        held = sources.get(claim.source)
        if claim.weight > 0 and (held is None or claim.weight > held.weight):
            sources[claim.source] = claim
    standings = [_standing(maker, tuple(sources.values())) for maker, sources in sorted(by_maker.items()) if sources]
    return sorted(standings, key=lambda standing: standing.place, reverse=True)


def _standing(maker: str, claimed: tuple[Claim, ...]) -> Standing:
    ordered = tuple(sorted(claimed, key=lambda claim: (-claim.tier, -claim.weight, claim.label)))
    doubt = math.prod(1 - claim.weight / 100 for claim in ordered)
    return Standing(maker, ordered[0].tier, 1 - doubt, ordered)


def _decide(standings: list[Standing]) -> tuple[Standing | None, int]:
    if not standings or (len(standings) > 1 and standings[0].place == standings[1].place):
        return None, 0
    winner, rivals = standings[0], standings[1:]
    rival = max((standing.score for standing in rivals), default=0.0)
    return winner, min(HIGHEST_CONFIDENCE, round(100 * winner.score * (1 - rival / 2)))


def _reasons(standings: list[Standing], winner: Standing | None, directory: Directory) -> tuple[str, ...]:
    reasons = []
    for standing in standings:
        sort = "maker" if winner is None or standing.maker == winner.maker else "conflict: maker"
        for claim in standing.claims:
            detail = f" ({claim.detail})" if claim.detail else ""
            reasons.append(f"{sort} {directory.name(standing.maker)} by {claim.label}{detail}, weight {claim.weight}")
    if standings and winner is None:
        reasons.append("evidence for several makers is equal: the maker is unknown")
    return tuple(reasons)


def _notes(observation: Observation, evidence: tuple[Evidence, ...], directory: Directory) -> tuple[str, ...]:
    """Say what was left out of account, and why."""
    notes = []
    if observation.mac is not None and is_locally_administered(observation.mac):
        notes.append("its MAC address is locally administered and names no maker")
    for badge in dict.fromkeys(item.value for item in evidence if item.fact is Fact.BRAND):
        sellers = directory.sellers(badge)
        if len(sellers) > 1:
            names = ", ".join(directory.name(maker) for maker in sellers)
            notes.append(f"badge {directory.spelled(badge)} is sold by {names}: it names no maker")
    notes.extend(
        f"{dialects.NAMES[item.source]} names {item.value!r}, of whom the catalogue says nothing"
        for item in evidence
        if item.fact is Fact.MAKER and not directory.sellers(item.value)
    )
    return tuple(dict.fromkeys(notes))


def _rank(item: Evidence) -> tuple[Tier, int]:
    return dialects.TIERS[item.source], item.weight


def _best(evidence: Iterable[Evidence], fact: Fact) -> Evidence | None:
    """Return the statement about a fact that is closest to the silicon; of equals the first."""
    return max((item for item in evidence if item.fact is fact), key=_rank, default=None)


def _value(evidence: Iterable[Evidence], fact: Fact) -> str:
    best = _best(evidence, fact)
    return best.value if best else ""


def _model(evidence: tuple[Evidence, ...]) -> str:
    return _value((item for item in evidence if not dialects.GENERIC_MODEL.match(item.value)), Fact.MODEL)


def _build_date(evidence: tuple[Evidence, ...], firmware: Evidence | None, maker: str) -> str:
    """Return when the firmware was built: by the source that named the firmware, by its version, or by any source."""
    dates = [item for item in evidence if item.fact is Fact.BUILD_DATE and versions.iso_date(item.value)]
    if firmware is not None:
        own = _value((item for item in dates if item.source is firmware.source), Fact.BUILD_DATE)
        version = versions.parse(maker, firmware.value)
        if own or (version and version.build_date):
            return versions.iso_date(own) or (version.build_date if version else "")
    return versions.iso_date(_value(dates, Fact.BUILD_DATE))


def _brand(
    evidence: tuple[Evidence, ...], winner: Standing | None, directory: Directory, matches: Iterable[Match]
) -> str:
    badges = [item for item in evidence if _names_badge(item, directory)]
    best = max(badges, key=_rank, default=None)
    if best is not None:
        return directory.spelled(best.value)
    hints = {match.row.where: match.row.brand for match in matches if match.row.brand}
    hint = hints.get(Where.SERIAL) or hints.get(Where.FIRMWARE, "")
    return directory.spelled(hint) if hint and winner else hint


def _cross_flashed(matches: Iterable[Match]) -> tuple[str, ...]:
    """Say where the firmware is one badge's and the unit another's: then it runs what was not built for it."""
    hints = {match.row.where: match.row.brand for match in matches if match.row.brand}
    unit, firmware = hints.get(Where.SERIAL, ""), hints.get(Where.FIRMWARE, "")
    if unit and firmware and unit != firmware:
        return (f"conflict: the serial number is {unit}'s and the firmware is {firmware}'s",)
    return ()


def _names_badge(item: Evidence, directory: Directory) -> bool:
    """Whether a statement names a badge: a maker named by its own name is none, another name in its place is."""
    if item.value.casefold() in dialects.NO_BADGE:
        return False
    return item.fact is Fact.BRAND or (item.fact is Fact.MAKER and not directory.named(item.value))


def _lineage(evidence: tuple[Evidence, ...], winner: Standing | None, brand: str, directory: Directory) -> str:
    """Say how the maker is known where the badge says otherwise."""
    if winner is None:
        return f"badge {brand}; maker unknown" if brand else ""
    name = directory.name(winner.maker)
    if brand.casefold() == name.casefold() or directory.named(brand) == winner.maker:
        return ""
    has_others_code = not brand and any(item.fact is Fact.OEM_CODE for item in evidence)
    if not brand and not has_others_code:
        return ""
    return f"{f'badge {brand}' if brand else 'neutral badge'}; {name} by {' and '.join(winner.known_by)}"


def _kind(evidence: tuple[Evidence, ...]) -> Kind:
    """Return what sort of thing it is. A camera must say so louder than anything says that it is something else."""
    loudest: dict[Kind, tuple[Tier, int]] = {}
    for item in evidence:
        if item.fact is Fact.KIND:
            kind = dialects.KIND_WORDS.get(item.value.casefold(), Kind.OTHER)
            loudest[kind] = max(loudest.get(kind, (Tier.BADGE, -1)), _rank(item))
    loudest.pop(Kind.UNKNOWN, None)
    if not loudest:
        return Kind.UNKNOWN
    first, *rest = sorted(loudest, key=lambda kind: loudest[kind], reverse=True)
    if rest and loudest[rest[0]] == loudest[first]:
        return Kind.UNKNOWN
    if first is not Kind.OTHER and Kind.OTHER in rest and loudest[Kind.OTHER][0] == loudest[first][0]:
        return Kind.UNKNOWN
    return first
