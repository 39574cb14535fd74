"""Selectors as functions of a device, in three-valued logic.

A condition is true, false, or unknown (`None`): unknown if the fact it asks about is not known, or not wholly known and
not true already. `not` of unknown is unknown; `all` is false if any part is false, else unknown if any part is; `any`
is true if any part is true, else unknown if any part is.

Only *true* has consequences. A rule tightens where it is true, a waiver loosens where it is true, so an unknown fact
neither hides a device behind an exception nor lets `not maker: axis` speak about a device of unknown maker. To cover
what is unknown, a policy says so: `maker: {known: false}`, `kind: {known: false}`. `known` itself is never unknown.

Facts that are the same for every device of a site are settled while compiling.
"""

from collections.abc import Callable, Hashable

from bartizan.firmware import versions
from bartizan.firmware.patterns import wildcard
from bartizan.firmware.versions import Ordering
from bartizan.identity.model import Device, Identity
from bartizan.policy.facts import Facts, Key, Known
from bartizan.policy.model import All, Any, Condition, Not, Operator, Selector, Subject
from bartizan.policy.sense import is_date

Truth = bool | None
Test = Callable[[Device], Truth]
ValueTest = Callable[[str], bool]
Outcome = Callable[[Known], Truth]

MEMORY_LIMIT = 4096  # values of one condition: hostile devices can think up any number


def always(_device: Device) -> Truth:
    """True of every device."""
    return True


def never(_device: Device) -> Truth:
    """False of every device."""
    return False


def unsure(_device: Device) -> Truth:
    """Unknown of every device."""
    return None


def compile_selector(selector: Selector, facts: Facts) -> Test:
    """Return a selector as a function. The selector has passed `bartizan.policy.sense.check_selector`."""
    match selector:
        case Condition():
            return compile_condition(selector, facts)
        case All(of=parts):
            return _all_of([compile_selector(part, facts) for part in parts])
        case Any(of=parts):
            return _any_of([compile_selector(part, facts) for part in parts])
        case Not(of=part):
            return _not(compile_selector(part, facts))


def compile_condition(condition: Condition, facts: Facts) -> Test:
    """Return one condition as a function."""
    if condition.subject is Subject.FIRMWARE and condition.operator in _ORDERINGS:
        return _firmware(condition.operator, condition.values[0])
    settled = facts.about_site(condition.subject)
    outcome = _is_known(condition) if condition.operator is Operator.KNOWN else _holds(condition)
    if settled is not None:
        return {True: always, False: never, None: unsure}[outcome(settled)]
    reading, key = facts.about_device(condition.subject), facts.key(condition.subject)
    if key is None:
        return lambda device: outcome(reading(device))
    return _remembered(lambda device: outcome(reading(device)), key)


def truth(known: Known, holds: ValueTest) -> Truth:
    """Return whether any value of a fact holds; None if it cannot be told."""
    for value in known.values:
        if holds(value):
            return True
    if not known.complete:
        return None
    for value in known.possible:
        if holds(value):
            return None
    return False


def _all_of(parts: list[Test]) -> Test:
    if never in parts:
        return never
    tests = [part for part in parts if part is not always]
    if not tests:
        return always

    def test(device: Device) -> Truth:
        result: Truth = True
        for part in tests:
            outcome = part(device)
            if outcome is False:
                return False
            if outcome is None:
                result = None
        return result

    return tests[0] if len(tests) == 1 else test


def _any_of(parts: list[Test]) -> Test:
    if always in parts:
        return always
    tests = [part for part in parts if part is not never]
    if not tests:
        return never

    def test(device: Device) -> Truth:
        result: Truth = False
        for part in tests:
            outcome = part(device)
            if outcome is True:
                return True
            if outcome is None:
                result = None
        return result

    return tests[0] if len(tests) == 1 else test


def _not(part: Test) -> Test:
    if part in _OPPOSITES:
        return _OPPOSITES[part]

    def test(device: Device) -> Truth:
        outcome = part(device)
        return None if outcome is None else not outcome

    return test


def _is_known(condition: Condition) -> Outcome:
    expected = condition.values[0] == "true"
    return lambda known: (known.complete and not known.possible) is expected


def _holds(condition: Condition) -> Outcome:
    holds = _value_test(condition)
    return lambda known: truth(known, holds)


def _remembered(test: Test, key: Key) -> Test:
    """Ask once for devices of which all that counts is equal: an estate has many cameras and few makers and models."""
    memory: dict[Hashable, Truth] = {}

    def remembering(device: Device) -> Truth:
        what_counts = key(device)
        if what_counts in memory:
            return memory[what_counts]
        outcome = test(device)
        if len(memory) < MEMORY_LIMIT:
            memory[what_counts] = outcome
        return outcome

    return remembering


def _value_test(condition: Condition) -> ValueTest:
    match condition.operator:
        case Operator.MATCHES:
            tests = [wildcard(value) for value in condition.values]
            return lambda value: any(test(value) for test in tests)
        case Operator.AT_LEAST:
            least = int(condition.values[0])
            return lambda value: int(value) >= least
        case Operator.AT_MOST:
            most = int(condition.values[0])
            return lambda value: int(value) <= most
        case Operator.BEFORE:
            day = condition.values[0]
            return lambda value: value < day
        case Operator.AFTER:
            day = condition.values[0]
            return lambda value: value > day
        case _:
            wanted = frozenset(value.casefold() for value in condition.values)
            return lambda value: value.casefold() in wanted


def _firmware(operator: Operator, bound: str) -> Test:
    """Compare firmware with a version in the maker's own order, or its build with a date."""
    accepted = _ORDERINGS[operator]
    compare = _compare_build if is_date(bound) else _compare_version

    def test(device: Device) -> Truth:
        ordering = compare(device.identity, bound)
        return None if ordering is None else ordering in accepted

    return test


def _compare_version(identity: Identity, bound: str) -> Ordering | None:
    version = versions.parse(identity.maker, identity.firmware, identity.build_date)
    wanted = versions.parse(identity.maker, bound)
    if not identity.maker or version is None or wanted is None:
        return None
    return versions.order(identity.maker, version, wanted)


def _compare_build(identity: Identity, bound: str) -> Ordering | None:
    version = versions.parse(identity.maker, identity.firmware, identity.build_date)
    built = version.build_date if version else versions.iso_date(identity.build_date)
    if not built:
        return None
    if built == bound:
        return Ordering.SAME
    return Ordering.OLDER if built < bound else Ordering.NEWER


_OPPOSITES: dict[Test, Test] = {always: never, never: always, unsure: unsure}
_ORDERINGS = {
    Operator.BEFORE: frozenset({Ordering.OLDER}),
    Operator.AFTER: frozenset({Ordering.NEWER}),
    Operator.AT_LEAST: frozenset({Ordering.SAME, Ordering.NEWER}),
    Operator.AT_MOST: frozenset({Ordering.SAME, Ordering.OLDER}),
}
