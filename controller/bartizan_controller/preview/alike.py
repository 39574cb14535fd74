"""Which devices of an estate no condition of two catalogues tells apart: the evaluator then judges one of each.

A value (a firmware, a confidence) is asked about once, however many devices have it, by the conditions that there are.
Values for which all of them come out the same are alike; so are sites for which everything counts the same.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bartizan.firmware.match import exposure, findings
from bartizan.identity.model import Device, Identity, Kind
from bartizan.ids import DeviceId, SiteId
from bartizan.policy.facts import Facts, unlisted_site
from bartizan.policy.model import All, Any, Condition, Not, Selector, Sensitivity, SiteFacts, Subject, Waiver
from bartizan.policy.selectors import Test, compile_condition
from bartizan.trust.content import Catalogue
from bartizan.trust.orders import Order, Raise
from bartizan.wire import codec
from bartizan_controller.preview.columns import Codes, EstateColumns, Exposure, Hardened, Rows, Unit, hardening

V = TypeVar("V", bound=Hashable)

CLASSES_AT_ONCE = 1 << 21  # numbers of classes that are counted out; more are first renumbered

_OF_MAKER = frozenset({Subject.MAKER, Subject.JURISDICTION, Subject.SUBJECT_TO, Subject.LISTED_BY})
_OF_EXPOSURE = frozenset({Subject.VULNERABLE_TO, Subject.KNOWN_EXPLOITED})
_DESCRIBED = _OF_MAKER | _OF_EXPOSURE
_BLANK = Device(DeviceId(""), Identity(), "")
_WEIGHABLE = Identity(maker="?", model="?", firmware="?")


class Class(NamedTuple):
    """Devices that are judged alike."""

    number: int
    sites: int
    """What counts of the sites that they are at."""
    sort: int
    """One of their sorts."""
    devices: int
    """How many they are."""


class Classes(NamedTuple):
    """Which devices are judged alike."""

    of_rows: Codes
    """The number of each row's class."""
    present: tuple[Class, ...]
    """Those that have devices, by their numbers."""
    numbers: int
    """Those that there may be: all are below it."""


class _Column(NamedTuple):
    """For each value of something: which of `sorts` sorts it is of."""

    of_values: Codes
    sorts: int


class Distinctions:
    """Everything that two catalogues and the standing orders tell devices apart by."""

    def __init__(self, present: Catalogue, proposed: Catalogue, orders: Iterable[Order]) -> None:
        nowhere = unlisted_site(SiteId(""))
        self._proposed = proposed
        self._facts = tuple(Facts(nowhere, each.makers, each.advisories) for each in (present, proposed))
        self._conditions = tuple(dict.fromkeys(_conditions(present, proposed, orders)))
        self.subjects = frozenset(condition.subject for condition in self._conditions)
        self._by_site, self._by_tag, self._by_organisation = (
            subject in self.subjects for subject in (Subject.SITE, Subject.SITE_TAG, Subject.ORGANISATION)
        )
        self.weighs_anew = present.advisories != proposed.advisories

    def site(self, facts: SiteFacts) -> Hashable:
        """Return what counts of a site's facts, for devices that none of them names."""
        return (
            facts.sensitivity is Sensitivity.SENSITIVE,
            codec.encode(facts.segments),
            facts.id if self._by_site else "",
            facts.tags if self._by_tag else (),
            facts.organisation if self._by_organisation else "",
        )

    def weighed(self, unit: Unit) -> Exposure:
        """Return what a unit is open to by the advisories that are proposed."""
        found = exposure(findings(Identity(**unit._asdict()), self._proposed.advisories))
        return Exposure(found.vulnerabilities, found.undecided)

    def classes(self, columns: EstateColumns, rows: Rows, sites: Codes, site_count: int) -> Classes:
        """Return which rows are judged alike.

        Args:
            columns: Where the rows' values stand.
            rows: The devices.
            sites: For each row, the number of what counts of its site.
            site_count: How many such numbers there are.
        """
        of_sorts, count = np.zeros(len(columns.sorts.all), np.intp), 1
        codes = columns.of_sorts()
        for name, column in self._columns(columns):
            if column.sorts > 1:
                of_sorts, count = _combined(of_sorts, count, column.of_values[codes[name]], column.sorts)
        of_sorts, count = _renumbered(of_sorts, count)
        first = np.zeros(count, np.intp)
        # The last one written stays: written backwards, that is the first sort of its class.
        first[of_sorts[::-1]] = np.arange(len(of_sorts) - 1, -1, -1)
        code = of_sorts[rows.sorts]
        if site_count > 1:
            code += sites * count
        if site_count * count > CLASSES_AT_ONCE:
            present, code, counts = np.unique(code, return_inverse=True, return_counts=True)
            return Classes(code, _present(range(len(present)), present, counts, first), len(present))
        counts = np.bincount(code, minlength=site_count * count)
        present = np.flatnonzero(counts)
        return Classes(code, _present(present.tolist(), present, counts[present], first), site_count * count)

    def _columns(self, columns: EstateColumns) -> Iterator[tuple[str, _Column]]:
        yield "unit", self._of_units(columns.units.all)
        interfaces = columns.interfaces.all
        yield "interface", _Column(np.arange(len(interfaces)), len(interfaces))
        for name, subjects, devices in (
            ("confidence", {Subject.CONFIDENCE}, map(_confident, columns.confidences.all)),
            ("day", {Subject.FIRST_SEEN}, map(_first_seen, columns.days.all)),
            ("hardening", {Subject.HARDENING}, map(_hardened, columns.hardened.all)),
        ):
            tests = self._tests(subjects)
            yield name, _column(_outcomes(device, tests) for device in devices)
        tests = self._tests(_OF_EXPOSURE)
        yield "exposure", _column(_exposed(each, tests) for each in columns.exposures.all)

    def _of_units(self, units: Sequence[Unit]) -> _Column:
        """Tell units apart, asking about each maker, model, … once."""
        of_maker: _Memory[str] = _Memory(self._maker(self._tests(_OF_MAKER)))
        of_brand: _Memory[str] = _Memory(_asker("brand", self._tests({Subject.BRAND})))
        of_kind: _Memory[Kind] = _Memory(_asker("kind", self._tests({Subject.KIND})))
        of_model: _Memory[str] = _Memory(_asker("model", self._tests({Subject.MODEL})))
        of_firmware: _Memory[_Build] = _Memory(_builds(self._tests({Subject.FIRMWARE})))
        tests = self._tests(_OF_EXPOSURE)
        of_exposure: _Memory[Exposure] = _Memory(lambda each: _exposed(each, tests))

        def told(unit: Unit) -> Hashable:
            return (
                of_maker[unit.maker],
                of_brand[unit.brand],
                of_kind[unit.kind],
                of_model[unit.model],
                of_firmware[_Build(unit.maker, unit.firmware, unit.build_date)],
                bool(unit.maker and unit.model and unit.firmware),
                of_exposure[self.weighed(unit)] if self.weighs_anew and tests else (),
            )

        return _column(map(told, units))

    def _maker(self, tests: Sequence[Test]) -> Callable[[str], Hashable]:
        ask = _asker("maker", tests)
        return lambda maker: (*(maker in facts.makers for facts in self._facts), ask(maker))

    def _tests(self, subjects: Collection[Subject]) -> tuple[Test, ...]:
        """Compile the conditions about these subjects, by both catalogues where they may describe them otherwise."""
        facts = self._facts if not _DESCRIBED.isdisjoint(subjects) else self._facts[:1]
        asked = [condition for condition in self._conditions if condition.subject in subjects]
        return tuple(compile_condition(condition, each) for condition in asked for each in facts)


class _Build(NamedTuple):
    maker: str
    firmware: str
    build_date: str


class _Memory(dict[V, Hashable]):
    """Asks about each value once."""

    def __init__(self, ask: Callable[[V], Hashable]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, value: V) -> Hashable:
        answer = self[value] = self._ask(value)
        return answer


def _conditions(present: Catalogue, proposed: Catalogue, orders: Iterable[Order]) -> Iterator[Condition]:
    for catalogue in (present, proposed):
        for policy in catalogue.policies:
            for rule in policy.rules:
                yield from _within(rule.when)
    raises = (order for order in orders if isinstance(order, Raise))
    scopes: Iterator[Waiver | Raise] = chain(present.waivers, proposed.waivers, raises)
    for scope in scopes:
        if scope.selector is not None:
            yield from _within(scope.selector)


def _within(selector: Selector) -> Iterator[Condition]:
    match selector:
        case Condition():
            yield selector
        case Not(of=part):
            yield from _within(part)
        case All(of=parts) | Any(of=parts):
            for part in parts:
                yield from _within(part)


def _asker(name: str, tests: Sequence[Test]) -> Callable[[Hashable], Hashable]:
    """Return how conditions come out for one field of an identity."""
    return lambda value: _outcomes(Device(DeviceId(""), Identity(**{name: value}), ""), tests)  # type: ignore[arg-type]


def _builds(tests: Sequence[Test]) -> Callable[[_Build], Hashable]:
    return lambda build: _outcomes(Device(DeviceId(""), Identity(**build._asdict()), ""), tests)


def _confident(confidence: int) -> Device:
    return Device(DeviceId(""), Identity(confidence=confidence), "")


def _first_seen(noon: float) -> Device:
    return Device(DeviceId(""), Identity(), "", first_seen=noon)


def _hardened(hardened: Hardened) -> Device:
    return Device(DeviceId(""), Identity(), "", hardening=hardening(hardened))


def _exposed(exposed: Exposure, tests: Sequence[Test]) -> tuple[object, ...]:
    """Return how conditions come out where the firmware is known, and where it is not."""
    return tuple(
        outcome for identity in (_WEIGHABLE, _BLANK.identity) for outcome in _outcomes(_open(identity, exposed), tests)
    )


def _open(identity: Identity, exposed: Exposure) -> Device:
    return Device(DeviceId(""), identity, "", vulnerabilities=exposed.vulnerabilities, undecided=exposed.undecided)


def _outcomes(device: Device, tests: Iterable[Test]) -> tuple[object, ...]:
    return tuple(test(device) for test in tests)


def _column(told: Iterable[Hashable]) -> _Column:
    kinds: dict[Hashable, int] = {}
    numbers = [kinds.setdefault(each, len(kinds)) for each in told]
    return _Column(np.array(numbers, np.intp), len(kinds))


def _combined(code: Codes, count: int, kinds: Codes, kind_count: int) -> tuple[Codes, int]:
    if count * kind_count > CLASSES_AT_ONCE:
        code, count = _renumbered(code, count)
    if count * kind_count > CLASSES_AT_ONCE:
        present, places = np.unique(code * kind_count + kinds, return_inverse=True)
        return places, len(present)
    combined = code * kind_count
    combined += kinds
    return combined, count * kind_count


def _renumbered(code: Codes, count: int) -> tuple[Codes, int]:
    """Leave out the numbers that nobody has."""
    present = np.bincount(code, minlength=count) > 0
    places = np.cumsum(present) - 1
    return places[code], int(present.sum())


def _present(
    numbers: Iterable[int], codes: Codes, counts: NDArray[np.int64], first_of_sorts: Codes
) -> tuple[Class, ...]:
    """Take apart what the sites and the sorts of each class were put together to."""
    sites, of_sorts = np.divmod(codes, max(1, len(first_of_sorts)))
    sorts = first_of_sorts[of_sorts].tolist()
    return tuple(map(Class, numbers, sites.tolist(), sorts, counts.tolist()))
