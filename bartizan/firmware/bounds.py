"""Where a unit's version stands to the bounds that a rule gives. `None` and "unsure" are never taken for better."""

import enum
from collections.abc import Iterable

import msgspec

from bartizan.firmware import versions
from bartizan.firmware.model import AffectedRule
from bartizan.firmware.versions import Ordering, Version
from bartizan.identity.model import Identity, Kind


class Place(enum.Enum):
    """Where a version stands to one bound. Of several, the first in this order counts."""

    BELOW = "below"
    ABOVE = "above"
    UNSURE = "unsure"
    WITHIN = "within"


class Unit:
    """What of an identity decides, taken apart once."""

    def __init__(self, identity: Identity) -> None:
        self.maker = identity.maker
        self.kind: Kind = identity.kind
        self.brand = identity.brand.strip()
        self.model = identity.model.strip()
        self.platform = identity.platform.strip()
        self.version = versions.parse(identity.maker, identity.firmware, identity.build_date)
        self.firmware = identity.firmware
        self.build_date = self.version.build_date if self.version else versions.iso_date(identity.build_date)
        self.is_rebadged = bool(identity.lineage)

    def bears(self, brands: Iterable[str]) -> bool:
        """Return whether it bears one of these badges."""
        return self.brand.casefold() in {brand.casefold() for brand in brands}


def place(unit: Unit, rule: AffectedRule) -> tuple[Place, str]:
    """Return where a unit's version stands to a rule's bounds, and why; within them if there are none."""
    found = list(_places(unit, rule)) or [(Place.WITHIN, "every version is affected")]
    first = next(each for each in Place if each in {where for where, _ in found})
    return first, ", and ".join(because for where, because in found if where is first)


def other_family(unit: Unit, rule: AffectedRule) -> str:
    """Return the firmware family that a rule is about, where the unit's is another; lists of families have gaps."""
    if unit.maker not in versions.FAMILY_MAKERS or unit.version is None:
        return ""
    bounds = (rule.from_version, rule.up_to_version, rule.before_version, rule.fixed_version)
    families = {wanted.family for bound in bounds if bound and (wanted := versions.parse(unit.maker, bound))}
    return "" if not families or unit.version.family in families else min(families)


def is_platform(unit: Unit, rule: AffectedRule) -> bool | None:
    """Return whether a rule is about the unit's firmware family; None if that family is unknown.

    Vendors write `IPC_G5` on packages where the device says `G5`.
    """
    if not rule.platforms:
        return True
    if not unit.platform:
        return None
    said = unit.platform.casefold()
    return any(_is_same_platform(said, wanted.casefold()) for wanted in rule.platforms)


def _is_same_platform(one: str, other: str) -> bool:
    return one == other or one.endswith(f"_{other}") or other.endswith(f"_{one}")


def _places(unit: Unit, rule: AffectedRule) -> Iterable[tuple[Place, str]]:
    if rule.before_build:
        yield _by_date(unit, rule.before_build)
    if rule.from_version:
        yield _from(unit, rule, rule.from_version)
    if rule.before_version:
        yield _before(unit, rule, rule.before_version)
    if rule.up_to_version:
        yield _up_to(unit, rule)
    elif rule.fixed_version and not rule.before_version and not rule.before_build:
        yield _before(unit, rule, rule.fixed_version)


def _by_date(unit: Unit, floor: str) -> tuple[Place, str]:
    if not unit.build_date:
        return Place.UNSURE, f"its build date is unknown, and the rule is a build date ({floor})"
    if versions.iso_date(floor) != floor:
        return Place.UNSURE, f"the rule's build date {floor!r} is no date"
    if unit.build_date < floor:
        return Place.WITHIN, f"built {unit.build_date}, before {floor}"
    return Place.ABOVE, f"built {unit.build_date}, not before {floor}"


def _from(unit: Unit, rule: AffectedRule, bound: str) -> tuple[Place, str]:
    match _compare(unit, rule, bound):
        case None:
            return Place.UNSURE, _incomparable(unit, bound)
        case Ordering.OLDER:
            return Place.BELOW, f"{unit.firmware} is older than {bound}"
        case _:
            return Place.WITHIN, f"{unit.firmware} is {bound} or newer"


def _before(unit: Unit, rule: AffectedRule, bound: str) -> tuple[Place, str]:
    ordering = _compare(unit, rule, bound)
    if ordering is None:
        return Place.UNSURE, _incomparable(unit, bound)
    if ordering is not Ordering.OLDER:
        return Place.ABOVE, f"{unit.firmware} is {bound} or newer"
    if _is_patched_elsewhere(unit, bound):
        return Place.UNSURE, f"{unit.firmware} is on a long-term track with fixes of its own"
    return Place.WITHIN, f"{unit.firmware} is older than {bound}"


def _up_to(unit: Unit, rule: AffectedRule) -> tuple[Place, str]:
    bound = rule.up_to_version
    ordering = _compare(unit, rule, bound, to_its_length=True)
    if ordering is None:
        return Place.UNSURE, _incomparable(unit, bound)
    if ordering is Ordering.NEWER:
        return _after_last_affected(unit, rule)
    if _is_patched_elsewhere(unit, bound):
        return Place.UNSURE, f"{unit.firmware} is on a long-term track with fixes of its own"
    return Place.WITHIN, f"{unit.firmware} is not newer than {bound}"


def _after_last_affected(unit: Unit, rule: AffectedRule) -> tuple[Place, str]:
    """Between the last version named as affected and the first named as fixed, nothing is known."""
    fixed = rule.fixed_version
    if fixed and _compare(unit, rule, fixed) not in {Ordering.SAME, Ordering.NEWER}:
        return Place.UNSURE, f"{unit.firmware} is newer than {rule.up_to_version}, but {fixed} is the fix"
    return Place.ABOVE, f"{unit.firmware} is newer than {rule.up_to_version}"


def _compare(unit: Unit, rule: AffectedRule, bound: str, *, to_its_length: bool = False) -> Ordering | None:
    """Compare the unit's version with a bound; `to_its_length`: 11.5.64 counts as 11.5 against the bound 11.5."""
    wanted = versions.parse(unit.maker, bound)
    if unit.version is None or wanted is None:
        return None
    version = unit.version
    if to_its_length:
        version = msgspec.structs.replace(version, numbers=version.numbers[: len(wanted.numbers)])
    if unit.maker in versions.DATED_MAKERS and not wanted.build_date:
        # Among the models that a rule names, the numbers alone decide; across a maker's platforms they mean nothing.
        if "*" in rule.models or unit.is_rebadged:
            return None
        version = msgspec.structs.replace(version, build_date="")
    return versions.order(unit.maker, version, wanted)


def _is_patched_elsewhere(unit: Unit, bound: str) -> bool:
    """Whether the unit is on an Axis long-term track while the bound is on another: the rule says nothing of it."""
    wanted = versions.parse(unit.maker, bound)
    if unit.maker != versions.AXIS or unit.version is None or wanted is None:
        return False
    track = _track(unit.version)
    return track in versions.AXIS_LONG_TERM_TRACKS and track != _track(wanted)


def _track(version: Version) -> tuple[int, ...]:
    return version.numbers[:2]


def _incomparable(unit: Unit, bound: str) -> str:
    if not unit.firmware:
        return "its firmware is unknown"
    return f"{unit.firmware} cannot be compared with {bound}"
