"""Which published vulnerabilities a device is open to, by its maker, model, version and build date. Never by trying.

"Unknown" is a verdict: no model, no build date, a version that cannot be compared, a pattern that needs a person, or a
badge that hides the maker's model name. It is never taken for "fixed".
"""

import enum
from collections.abc import Iterable

import msgspec

from bartizan.firmware import patterns, versions
from bartizan.firmware.model import Advisory, AffectedRule
from bartizan.firmware.versions import Ordering, Version
from bartizan.identity.model import Identity


class Standing(enum.Enum):
    """How a device stands to an advisory. Of what its rules give, the first in this order is the verdict."""

    VULNERABLE = "vulnerable"
    UNKNOWN = "unknown"
    FIXED = "fixed"
    """Of a model that was affected, and newer than what was."""
    NOT_AFFECTED = "not-affected"
    """Of another model, or older than the flaw."""


class Finding(msgspec.Struct, frozen=True):
    """How one device stands to one advisory, and by which rule."""

    advisory: str
    standing: Standing
    rule: str
    """The models and versions that decided, in the vendor's terms."""
    because: str
    inferred: bool = False
    """Known by lineage only: the device bears another badge than the maker's that the advisory names."""
    confirmed: bool = True
    """Whether the advisory's version rules are confirmed."""
    known_exploited: bool = False


class Exposure(msgspec.Struct, frozen=True):
    """Findings as a `Device` carries them."""

    vulnerabilities: tuple[str, ...]
    undecided: tuple[str, ...]


def findings(identity: Identity, advisories: Iterable[Advisory]) -> tuple[Finding, ...]:
    """Return how a device stands to every advisory about its maker; nothing if its maker is unknown."""
    if not identity.maker:
        return ()
    device = _Device(identity)
    return tuple(_finding(device, advisory) for advisory in advisories if advisory.maker == identity.maker)


def exposure(found: Iterable[Finding]) -> Exposure:
    """Return the advisories that a device is open to, and those of which it cannot be told."""
    open_to, undecided = [], []
    for finding in found:
        if finding.standing is Standing.VULNERABLE:
            open_to.append(finding.advisory)
        elif finding.standing is Standing.UNKNOWN:
            undecided.append(finding.advisory)
    return Exposure(tuple(dict.fromkeys(open_to)), tuple(dict.fromkeys(undecided)))


class _Device:
    """What of an identity decides, taken apart once."""

    def __init__(self, identity: Identity) -> None:
        self.maker = identity.maker
        self.model = identity.model.strip()
        self.version = versions.parse(identity.maker, identity.firmware, identity.build_date)
        self.firmware = identity.firmware
        self.build_date = self.version.build_date if self.version else versions.iso_date(identity.build_date)
        self.is_rebadged = bool(identity.lineage)


class _Outcome(msgspec.Struct, frozen=True):
    standing: Standing
    because: str
    gives_way: bool = False
    """Unknown by this rule alone: another rule that says "fixed" decides."""

    @property
    def place(self) -> int:
        """Its place among the outcomes of an advisory's rules; the first is the verdict."""
        order = list(Standing)
        return order.index(Standing.FIXED) * 2 + 1 if self.gives_way else order.index(self.standing) * 2


def _finding(device: _Device, advisory: Advisory) -> Finding:
    outcomes = [(_outcome(device, rule), rule) for rule in advisory.rules]
    outcome, rule = min(outcomes, key=lambda pair: pair[0].place, default=(_NO_RULE, None))
    return Finding(
        advisory=advisory.id,
        standing=outcome.standing,
        rule=describe(rule) if rule else "",
        because=outcome.because,
        inferred=device.is_rebadged,
        confirmed=advisory.confidence == "confirmed",
        known_exploited=bool(advisory.known_exploited_since),
    )


def describe(rule: AffectedRule) -> str:
    """Return a rule in words: `DS-2CD2xx2F-I from V5.2.0 build 140721 up to V5.4.0 build 160530`."""
    bounds = (
        ("from", rule.from_version),
        ("up to", rule.up_to_version),
        ("before", rule.before_version),
        ("built before", rule.before_build),
        ("fixed in", rule.fixed_version),
    )
    said = [f"{word} {bound}" for word, bound in bounds if bound]
    if rule.undetermined:
        said.append("versions not published")
    return " ".join([", ".join(rule.models), *(said or ["every version"])])


def _outcome(device: _Device, rule: AffectedRule) -> _Outcome:
    if not device.model and "*" not in rule.models:
        return _Outcome(Standing.UNKNOWN, "its model is unknown")
    answers = [patterns.covers(device.maker, pattern, device.model) for pattern in rule.models]
    if True in answers:
        return _by_version(device, rule)
    if None in answers:
        unread = rule.models[answers.index(None)]
        return _Outcome(Standing.UNKNOWN, f"the model pattern {unread!r} needs a person to read it")
    if device.is_rebadged:
        return _by_lineage(device, rule)
    return _Outcome(Standing.NOT_AFFECTED, f"{device.model} is none of the models named")


def _by_lineage(device: _Device, rule: AffectedRule) -> _Outcome:
    """A rebadged unit bears another model name: only its version can acquit it, and nothing can convict it."""
    outcome = _by_version(device, rule)
    if outcome.standing in {Standing.FIXED, Standing.NOT_AFFECTED}:
        return outcome
    return _Outcome(Standing.UNKNOWN, f"another badge hides the maker's model name; {outcome.because}")


class _Place(enum.Enum):
    """Where a version stands to the range that a rule gives. The first of several wins, in this order."""

    BELOW = Standing.NOT_AFFECTED
    ABOVE = Standing.FIXED
    UNSURE = Standing.UNKNOWN
    WITHIN = Standing.VULNERABLE


def _by_version(device: _Device, rule: AffectedRule) -> _Outcome:
    if family := _other_family(device, rule):
        because = f"{device.firmware} is of another firmware family than {family}"
        return _Outcome(Standing.UNKNOWN, because, gives_way=True)
    places = list(_places(device, rule)) or [(_Place.WITHIN, "every version is affected")]
    place = next(place for place in _Place if place in {found for found, _ in places})
    if place is _Place.WITHIN and rule.undetermined:
        return _Outcome(Standing.UNKNOWN, "which versions are affected was not published")
    return _Outcome(place.value, ", and ".join(because for found, because in places if found is place))


def _other_family(device: _Device, rule: AffectedRule) -> str:
    """Return the firmware family that a rule is about, where the device's is another; lists of families have gaps."""
    if device.maker not in versions.FAMILY_MAKERS or device.version is None:
        return ""
    bounds = (rule.from_version, rule.up_to_version, rule.before_version, rule.fixed_version)
    families = {wanted.family for bound in bounds if bound and (wanted := versions.parse(device.maker, bound))}
    return "" if not families or device.version.family in families else min(families)


def _places(device: _Device, rule: AffectedRule) -> Iterable[tuple[_Place, str]]:
    if rule.before_build:
        yield _by_date(device, rule.before_build)
    if rule.from_version:
        yield _from(device, rule.from_version)
    if rule.before_version:
        yield _before(device, rule.before_version)
    if rule.up_to_version:
        yield _up_to(device, rule)
    elif rule.fixed_version and not rule.before_version and not rule.before_build:
        yield _before(device, rule.fixed_version)


def _by_date(device: _Device, floor: str) -> tuple[_Place, str]:
    if not device.build_date:
        return _Place.UNSURE, f"its build date is unknown, and the rule is a build date ({floor})"
    if versions.iso_date(floor) != floor:
        return _Place.UNSURE, f"the rule's build date {floor!r} is no date"
    if device.build_date < floor:
        return _Place.WITHIN, f"built {device.build_date}, before {floor}"
    return _Place.ABOVE, f"built {device.build_date}, not before {floor}"


def _from(device: _Device, bound: str) -> tuple[_Place, str]:
    match _compare(device, bound):
        case None:
            return _Place.UNSURE, _incomparable(device, bound)
        case Ordering.OLDER:
            return _Place.BELOW, f"{device.firmware} is older than {bound}"
        case _:
            return _Place.WITHIN, f"{device.firmware} is {bound} or newer"


def _before(device: _Device, bound: str) -> tuple[_Place, str]:
    ordering = _compare(device, bound)
    if ordering is None:
        return _Place.UNSURE, _incomparable(device, bound)
    if ordering is not Ordering.OLDER:
        return _Place.ABOVE, f"{device.firmware} is {bound} or newer"
    if _is_patched_elsewhere(device, bound):
        return _Place.UNSURE, f"{device.firmware} is on a long-term track with fixes of its own"
    return _Place.WITHIN, f"{device.firmware} is older than {bound}"


def _up_to(device: _Device, rule: AffectedRule) -> tuple[_Place, str]:
    bound = rule.up_to_version
    ordering = _compare(device, bound, to_its_length=True)
    if ordering is None:
        return _Place.UNSURE, _incomparable(device, bound)
    if ordering is Ordering.NEWER:
        return _after_last_affected(device, rule)
    if _is_patched_elsewhere(device, bound):
        return _Place.UNSURE, f"{device.firmware} is on a long-term track with fixes of its own"
    return _Place.WITHIN, f"{device.firmware} is not newer than {bound}"


def _after_last_affected(device: _Device, rule: AffectedRule) -> tuple[_Place, str]:
    """Between the last version named as affected and the first named as fixed, nothing is known."""
    fixed = rule.fixed_version
    if fixed and _compare(device, fixed) not in {Ordering.SAME, Ordering.NEWER}:
        return _Place.UNSURE, f"{device.firmware} is newer than {rule.up_to_version}, but {fixed} is the fix"
    return _Place.ABOVE, f"{device.firmware} is newer than {rule.up_to_version}"


def _compare(device: _Device, bound: str, *, to_its_length: bool = False) -> Ordering | None:
    """Compare the device's version with a bound; `to_its_length`: 11.5.64 counts as 11.5 against the bound 11.5."""
    wanted = versions.parse(device.maker, bound)
    if device.version is None or wanted is None:
        return None
    version = device.version
    if to_its_length:
        version = msgspec.structs.replace(version, numbers=version.numbers[: len(wanted.numbers)])
    return versions.order(device.maker, version, wanted)


def _is_patched_elsewhere(device: _Device, bound: str) -> bool:
    """Whether the device is on an Axis long-term track while the bound is on another: the rule says nothing of it."""
    wanted = versions.parse(device.maker, bound)
    if device.maker != versions.AXIS or device.version is None or wanted is None:
        return False
    track = _track(device.version)
    return track in versions.AXIS_LONG_TERM_TRACKS and track != _track(wanted)


def _track(version: Version) -> tuple[int, ...]:
    return version.numbers[:2]


def _incomparable(device: _Device, bound: str) -> str:
    if not device.firmware:
        return "its firmware is unknown"
    return f"{device.firmware} cannot be compared with {bound}"


_NO_RULE = _Outcome(Standing.UNKNOWN, "the advisory has no rule that could decide")
