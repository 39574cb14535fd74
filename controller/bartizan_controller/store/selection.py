"""Selectors of policy as conditions on rows, wide enough that no device is missed that a selector is true of.

SQL narrows, `bartizan.policy.selectors` decides: so a selector means in a list exactly what it means in a policy.
Where rows do not tell (a version in its maker's own order, a tag), every row is let through.
"""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true, tuple_

from bartizan.firmware.model import Advisory
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import DeviceId, SiteId
from bartizan.policy import sense
from bartizan.policy.facts import Facts, unlisted_site
from bartizan.policy.fields import moment
from bartizan.policy.model import All, Any, Condition, Not, Operator, Selector, Subject
from bartizan.policy.selectors import Test, compile_condition, compile_selector
from bartizan.trust.content import Catalogue
from bartizan_controller.store import dialect
from bartizan_controller.store.tables import device_advisories, devices

DAY_SECONDS = 86_400.0

Decide = Callable[[SiteId, Device], bool]


class Bounds(NamedTuple):
    """Rows among which are all devices that a selector is true of, and all that it is false of."""

    true: ColumnElement[bool]
    false: ColumnElement[bool]


def narrow(selector: Selector, catalogue: Catalogue) -> ColumnElement[bool]:
    """Return a condition that every device fulfils of which the selector is true."""
    return _Rows(catalogue).bounds(selector).true


def decider(selector: Selector, catalogue: Catalogue) -> Decide:
    """Return whether a selector is true of a device at a site, as policy would have it."""
    sites = {facts.id: facts for facts in catalogue.sites}
    tests: dict[SiteId, Test] = {}

    def decide(site: SiteId, device: Device) -> bool:
        test = tests.get(site)
        if test is None:
            facts = Facts(sites.get(site) or unlisted_site(site), catalogue.makers, catalogue.advisories)
            test = tests[site] = compile_selector(selector, facts)
        return test(device) is True

    return decide


class _Rows:
    """Knows what the catalogue says of makers and sites."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._about: Mapping[Subject, Callable[[Condition], Bounds]] = {
            Subject.MAKER: lambda condition: _text(devices.c.maker, condition),
            Subject.BRAND: lambda condition: _text(devices.c.brand, condition),
            Subject.MODEL: lambda condition: _text(devices.c.model, condition),
            Subject.FIRMWARE: lambda condition: _text(devices.c.firmware, condition),
            Subject.KIND: _kind,
            Subject.CONFIDENCE: _confidence,
            Subject.FIRST_SEEN: _first_seen,
            Subject.VULNERABLE_TO: _vulnerable_to,
            Subject.KNOWN_EXPLOITED: self._known_exploited,
            Subject.JURISDICTION: self._of_maker,
            Subject.SUBJECT_TO: self._of_maker,
            Subject.LISTED_BY: self._of_maker,
            Subject.SITE: lambda condition: _text(devices.c.site, condition),
            Subject.SITE_SENSITIVITY: self._of_site,
            Subject.SITE_TAG: self._of_site,
            Subject.ORGANISATION: self._of_site,
        }

    def bounds(self, selector: Selector) -> Bounds:
        match selector:
            case Condition():
                about = self._about.get(selector.subject)
                return about(selector) if about else _ANY
            case All(of=parts):
                inner = [self.bounds(part) for part in parts]
                return Bounds(and_(*(each.true for each in inner)), or_(*(each.false for each in inner)))
            case Any(of=parts):
                inner = [self.bounds(part) for part in parts]
                return Bounds(or_(*(each.true for each in inner)), and_(*(each.false for each in inner)))
            case Not(of=part):
                within = self.bounds(part)
                return Bounds(within.false, within.true)

    def _of_maker(self, condition: Condition) -> Bounds:
        facts = self._facts(())
        test = compile_condition(condition, facts)
        outcomes = {maker: test(_made_by(maker)) for maker in facts.makers}
        return _settled(devices.c.maker, outcomes, test(_made_by("")))

    def _of_site(self, condition: Condition) -> Bounds:
        outcomes: dict[str, bool | None] = {
            site.id: compile_condition(condition, Facts(site, (), ()))(_made_by("")) for site in self._catalogue.sites
        }
        unlisted = compile_condition(condition, Facts(unlisted_site(SiteId("")), (), ()))(_made_by(""))
        return _settled(devices.c.site, outcomes, unlisted)

    def _known_exploited(self, condition: Condition) -> Bounds:
        if condition.operator is not Operator.IS or condition.values != ("true",):
            return _ANY
        return Bounds(_open_to(self._facts(self._catalogue.advisories).exploited), true())

    def _facts(self, advisories: tuple[Advisory, ...]) -> Facts:
        return Facts(unlisted_site(SiteId("")), self._catalogue.makers, advisories)


def _text(column: ColumnElement[str], condition: Condition) -> Bounds:
    known, values = column != "", [value.casefold() for value in condition.values]
    match condition.operator:
        case Operator.KNOWN:
            return Bounds(known, not_(known)) if values == ["true"] else Bounds(not_(known), known)
        case Operator.IS:
            return Bounds(_among(column, values), known)
        case Operator.MATCHES:
            return Bounds(or_(*(dialect.like(column, value) for value in values)), known)
        case _:
            return Bounds(known, known)


def _kind(condition: Condition) -> Bounds:
    known = devices.c.kind != Kind.UNKNOWN.value
    if condition.operator is Operator.KNOWN:
        return Bounds(known, not_(known)) if condition.values == ("true",) else Bounds(not_(known), known)
    return Bounds(devices.c.kind.in_(condition.values), known)


def _confidence(condition: Condition) -> Bounds:
    bound = int(condition.values[0])
    if condition.operator is Operator.AT_LEAST:
        return Bounds(devices.c.confidence >= bound, devices.c.confidence < bound)
    return Bounds(devices.c.confidence <= bound, devices.c.confidence > bound)


def _first_seen(condition: Condition) -> Bounds:
    seen = dialect.unindexed(devices.c.first_seen)
    known = and_(seen > 0, seen < sense.TIME_LIMIT)
    if condition.operator is Operator.KNOWN:
        return Bounds(known, not_(known)) if condition.values == ("true",) else Bounds(not_(known), known)
    day = moment(condition.values[0])
    if condition.operator is Operator.BEFORE:
        return Bounds(and_(known, seen < day), and_(known, seen >= day))
    return Bounds(and_(known, seen >= day + DAY_SECONDS), and_(known, seen < day + DAY_SECONDS))


def _vulnerable_to(condition: Condition) -> Bounds:
    if condition.operator is Operator.IS:
        return Bounds(_open_to(condition.values), true())
    if condition.operator is Operator.MATCHES:
        return Bounds(devices.c.vulnerable, true())
    return _ANY


def _open_to(advisories: Collection[str]) -> ColumnElement[bool]:
    wanted = {advisory.upper() for advisory in advisories}
    if len(wanted) > dialect.PARAMETERS:
        return devices.c.vulnerable
    named = select(device_advisories.c.site, device_advisories.c.device).where(device_advisories.c.advisory.in_(wanted))
    return tuple_(devices.c.site, devices.c.id).in_(named)


def _settled(column: ColumnElement[str], outcomes: Mapping[str, bool | None], otherwise: bool | None) -> Bounds:  # noqa: FBT001 - a truth of three
    """Return the bounds of a condition whose truth is known for each value of a column, and for all other values."""

    def rows(wanted: bool) -> ColumnElement[bool]:  # noqa: FBT001 - a truth
        listed = [value for value, outcome in outcomes.items() if outcome is wanted]
        others = [value for value, outcome in outcomes.items() if outcome is not wanted]
        if otherwise is wanted:
            return column.not_in(others) if len(others) <= dialect.PARAMETERS else true()
        return _among(column, listed) if len(listed) <= dialect.PARAMETERS else true()

    return Bounds(rows(True), rows(False)) if outcomes or otherwise is not None else Bounds(false(), false())


def _among(column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
    """Return whether a column has one of these values. Of one value an index has the rows in the order of lists."""
    return column.in_(values) if len(values) == 1 else dialect.unindexed(column).in_(values)


def _made_by(maker: str) -> Device:
    return Device(DeviceId(""), Identity(maker=maker), "")


_ANY = Bounds(true(), true())
