"""Why a device is taken to be what it is: every statement with its source and weight, and what it counts as."""

import enum
from collections.abc import Iterator

import msgspec

from bartizan.identity import dialects
from bartizan.identity.directory import Directory
from bartizan.identity.disputes import agrees
from bartizan.identity.model import Evidence, Fact, Identity, Observation
from bartizan.identity.score import Judgement, judge


class Counts(enum.Enum):
    """What a statement is to the verdict."""

    SUPPORTS = "supports"
    CONFLICTS = "conflicts"
    UNDECIDED = "undecided"
    """It speaks for one of several makers, of whom none is taken."""
    NOTED = "noted"
    """Kept, and of no account by itself."""


class Line(msgspec.Struct, frozen=True):
    """One statement."""

    about: str
    value: str
    source: str
    read_from: str
    weight: int
    counts: Counts


class Explanation(msgspec.Struct, frozen=True):
    """A verdict, and every statement that was weighed for it: for the maker first, strongest first."""

    identity: Identity
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def explain(observation: Observation, directory: Directory) -> Explanation:
    """Return who the observed device is taken to be, with everything it rests on."""
    judgement = judge(observation, directory)
    told = sorted((item for item in judgement.evidence if item.fact is not Fact.MAKER), key=_by_fact)
    lines = (*_makers(judgement, directory), *(_line(item, judgement.identity) for item in told))
    return Explanation(judgement.identity, lines, judgement.notes)


def _makers(judgement: Judgement, directory: Directory) -> Iterator[Line]:
    winner = judgement.winner
    for standing in judgement.standings:
        counts = Counts.SUPPORTS if standing is winner else Counts.CONFLICTS if winner else Counts.UNDECIDED
        for claim in standing.claims:
            yield Line("maker", directory.name(standing.maker), claim.label, claim.detail, claim.weight, counts)


def _line(item: Evidence, identity: Identity) -> Line:
    counts = {True: Counts.SUPPORTS, False: Counts.CONFLICTS, None: _by_value(item, identity)}[agrees(item, identity)]
    source = dialects.NAMES[item.source]
    return Line(item.fact.value, item.value, source, item.detail, item.weight, counts)


def _by_value(item: Evidence, identity: Identity) -> Counts:
    """A statement of a fact that sources may name differently supports the verdict only where it is the verdict."""
    field = _FIELDS.get(item.fact)
    verdict = getattr(identity, field) if field else ""
    return Counts.SUPPORTS if verdict and item.value.casefold() == verdict.casefold() else Counts.NOTED


_FIELDS = {
    Fact.BRAND: "brand",
    Fact.BUILD_DATE: "build_date",
    Fact.HARDWARE: "hardware",
    Fact.PLATFORM: "platform",
}
_ORDER = {fact: place for place, fact in enumerate(Fact)}


def _by_fact(item: Evidence) -> tuple[int, int, str, str]:
    return _ORDER[item.fact], -item.weight, item.source.value, item.value
