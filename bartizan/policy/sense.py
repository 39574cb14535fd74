"""Which conditions make sense, and which documents hold together: one judgement for YAML and for signed JSON.

A condition that can never be true, or an exception that never ends, is refused before it is signed and again before it
is evaluated: it would look like protection and be none.
"""

import re
from collections.abc import Iterator

from bartizan.containment.level import Level
from bartizan.errors import TooNew
from bartizan.firmware import versions
from bartizan.identity.model import Kind
from bartizan.policy.errors import Fault, PolicyError
from bartizan.policy.model import (
    All,
    Any,
    Condition,
    HardeningDuty,
    Not,
    Operator,
    Policy,
    Rule,
    Selector,
    Sensitivity,
    Subject,
    Waiver,
)
from bartizan.wire.capability import CAPABILITY, SCHEDULES

DEPTH_LIMIT = 16
CONDITION_LIMIT = 256  # in one rule
VALUE_LIMIT = 256  # in one condition
VALUE_LENGTH = 200  # characters
WAIVER_LIMIT = 366 * 86_400  # seconds: an exception is renewed by two people every year, or ends
TIME_LIMIT = 253_402_300_800.0  # Unix seconds of the year 10000, beyond which no date can be written

_TEXT = frozenset({Operator.IS, Operator.MATCHES, Operator.KNOWN})
_ALWAYS_KNOWN_TEXT = frozenset({Operator.IS, Operator.MATCHES})
_COMPARISONS = frozenset({Operator.BEFORE, Operator.AFTER, Operator.AT_LEAST, Operator.AT_MOST})

OPERATORS: dict[Subject, frozenset[Operator]] = {
    Subject.MAKER: _TEXT,
    Subject.JURISDICTION: _TEXT,
    Subject.SUBJECT_TO: _TEXT,
    Subject.LISTED_BY: _TEXT,
    Subject.CONFIDENCE: frozenset({Operator.AT_LEAST, Operator.AT_MOST}),
    Subject.BRAND: _TEXT,
    Subject.KIND: frozenset({Operator.IS, Operator.KNOWN}),
    Subject.MODEL: _TEXT,
    Subject.FIRMWARE: _TEXT | _COMPARISONS,
    Subject.VULNERABLE_TO: _TEXT,
    Subject.KNOWN_EXPLOITED: frozenset({Operator.IS, Operator.KNOWN}),
    Subject.HARDENING: frozenset({Operator.IS, Operator.KNOWN}),
    Subject.FIRST_SEEN: frozenset({Operator.BEFORE, Operator.AFTER, Operator.KNOWN}),
    Subject.DEVICE_TAG: _ALWAYS_KNOWN_TEXT,
    Subject.ZONE: _TEXT,
    Subject.SITE: _ALWAYS_KNOWN_TEXT,
    Subject.SITE_SENSITIVITY: frozenset({Operator.IS}),
    Subject.SITE_TAG: _ALWAYS_KNOWN_TEXT,
    Subject.ORGANISATION: _TEXT,
}
"""The operators that make sense of each subject. What is declared or counted is always known: `known` says nothing."""

BOOLEANS = ("true", "false")
CHOICES: dict[Subject, tuple[str, ...]] = {
    Subject.KIND: tuple(kind.value for kind in Kind if kind is not Kind.UNKNOWN),
    Subject.SITE_SENSITIVITY: tuple(sensitivity.value for sensitivity in Sensitivity),
    Subject.KNOWN_EXPLOITED: BOOLEANS,
    Subject.HARDENING: tuple(duty.value for duty in HardeningDuty),
}
"""Subjects that have only these values."""

_JURISDICTION = re.compile(r"\A[A-Z]{2}\Z")
_NUMBER = re.compile(r"\A[0-9]{1,3}\Z")
_VERSION = re.compile(r"\A[A-Za-z_ -]{0,12}[0-9][A-Za-z0-9._,: -]*\Z")


def objection(condition: Condition) -> str:
    """Return what is wrong with one condition; empty if nothing is."""
    subject, operator = condition.subject, condition.operator
    if operator not in OPERATORS[subject]:
        possible = ", ".join(sorted(operator.value for operator in OPERATORS[subject]))
        return f"{operator.value!r} makes no sense for {subject.value!r}, which takes: {possible}"
    if not 1 <= len(condition.values) <= VALUE_LIMIT:
        return f"{subject.value!r} needs 1 to {VALUE_LIMIT} values, not {len(condition.values)}"
    if len(condition.values) > 1 and operator not in {Operator.IS, Operator.MATCHES}:
        return f"{operator.value!r} takes one value"
    return next((problem for value in condition.values if (problem := _value(condition, value))), "")


def check_selector(selector: Selector, where: str) -> None:
    """Refuse a selector that is too deep, too large, empty somewhere, or holds a condition without sense.

    Raises:
        PolicyError: With every fault.
    """
    _raise(_selector(selector), where)


def check_policy(policy: Policy) -> None:
    """Refuse a policy that this program cannot evaluate in full, or that does not hold together.

    Raises:
        TooNew: It needs a greater capability.
        PolicyError: With every fault.
    """
    if policy.needs_capability > CAPABILITY:
        raise TooNew(f"policy {policy.id} needs capability {policy.needs_capability}; this program has {CAPABILITY}")
    _raise(_policy(policy), f"policy {policy.id}")


def check_waiver(waiver: Waiver) -> None:
    """Refuse a waiver that ends never, names no policy or selects nothing.

    Raises:
        PolicyError: With every fault.
    """
    _raise(waiver_objections(waiver), f"waiver {waiver.id}")


def waiver_objections(waiver: Waiver) -> Iterator[str]:
    """Yield what is wrong with a waiver."""
    yield from _duration(waiver)
    if not waiver.policies:
        yield "it names no policy: say which policies it excepts from"
    if waiver.device is None and waiver.selector is None:
        yield "it names neither a device nor a condition: say what it is for"
    if waiver.level is Level.QUARANTINE:
        yield "'quarantine' is the tightest level: nothing is excepted"
    for name in ("owner", "reason", "compensating_control"):
        if not getattr(waiver, name).strip():
            yield f"it has no {name.replace('_', ' ')}"
    if waiver.selector is not None:
        yield from _selector(waiver.selector)


def _duration(waiver: Waiver) -> Iterator[str]:
    if not 0 <= waiver.starts_at < waiver.expires_at < TIME_LIMIT:
        yield "it must start before it expires"
    elif waiver.expires_at - waiver.starts_at > WAIVER_LIMIT:
        yield f"it lasts longer than {WAIVER_LIMIT // 86_400} days: an exception is renewed, not granted for good"


def _policy(policy: Policy) -> Iterator[str]:
    if policy.version < 1 or policy.needs_capability < 1:
        yield "version and capability count from 1"
    if not policy.rules:
        yield "it has no rule"
    names = [rule.name for rule in policy.rules]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two rules are named {name!r}"
    for rule in policy.rules:
        yield from (f"rule {rule.name}: {problem}" for problem in _rule(rule))
        if has_schedule(rule) and policy.needs_capability < SCHEDULES:
            yield f"rule {rule.name}: what begins or ends on a day needs 'needs-capability: {SCHEDULES}'"


def _rule(rule: Rule) -> Iterator[str]:
    if not rule.because.strip():
        yield "it has no reason"
    if not has_duty(rule):
        yield "it demands nothing: give it a level, a firmware or a hardening duty, or a day of removal"
    if rule.firmware is not None and rule.firmware.within_days < 1:
        yield "firmware cannot be due in less than a day"
    beginning = rule.starts_at or 0.0
    if not 0 <= beginning < TIME_LIMIT:
        yield "its beginning is no time that can be written"
    if rule.remove_by is not None and not beginning < rule.remove_by < TIME_LIMIT:
        yield "the day of removal must come after its beginning"
    yield from _selector(rule.when)


def has_duty(rule: Rule) -> bool:
    """Return whether a rule demands anything."""
    return rule.contain is not None or rule.firmware is not None or bool(rule.harden) or rule.remove_by is not None


def has_schedule(rule: Rule) -> bool:
    """Return whether a rule begins by itself, or gives a day of removal."""
    return rule.starts_at is not None or rule.remove_by is not None


def _selector(selector: Selector) -> Iterator[str]:
    """Walk without recursion: the depth is what is being checked."""
    waiting: list[tuple[Selector, int]] = [(selector, 1)]
    conditions = 0
    while waiting:
        part, depth = waiting.pop()
        if depth > DEPTH_LIMIT:
            yield f"conditions are nested more than {DEPTH_LIMIT} deep"
            return
        if isinstance(part, Condition):
            conditions += 1
            if problem := objection(part):
                yield problem
        elif isinstance(part, Not):
            waiting.append((part.of, depth + 1))
        else:
            yield from _not_empty(part)
            waiting.extend((inner, depth + 1) for inner in reversed(part.of))
    if conditions > CONDITION_LIMIT:
        yield f"{conditions} conditions in one selector; at most {CONDITION_LIMIT} are accepted"


def _not_empty(part: All | Any) -> Iterator[str]:
    if not part.of:
        yield "an empty 'all' is always true: leave it out" if isinstance(part, All) else "an empty 'any' is never true"


def _value(condition: Condition, value: str) -> str:
    if not value.strip():
        return f"a value of {condition.subject.value!r} is empty; for what is unknown write '{{known: false}}'"
    if len(value) > VALUE_LENGTH:
        return f"a value of {condition.subject.value!r} has more than {VALUE_LENGTH} characters"
    match condition.operator:
        case Operator.KNOWN:
            return "" if value in BOOLEANS else f"'known' is true or false, not {value!r}"
        case Operator.IS:
            return _choice(condition.subject, value)
        case Operator.MATCHES:
            return f"the pattern {value!r} is like anything; write '{{known: true}}'" if not value.strip("*") else ""
        case _:
            return _bound(condition.subject, value)


def _choice(subject: Subject, value: str) -> str:
    choices = CHOICES.get(subject)
    if choices and value not in choices:
        return f"{subject.value!r} is one of {', '.join(choices)}, not {value!r}"
    if subject is Subject.JURISDICTION and not _JURISDICTION.match(value):
        return f"'maker.jurisdiction' is an ISO 3166-1 code of two capital letters, not {value!r}"
    return ""


def _bound(subject: Subject, value: str) -> str:
    match subject:
        case Subject.CONFIDENCE:
            is_percent = _NUMBER.match(value) and int(value) <= 100
            return "" if is_percent else f"{subject.value!r} is compared with a number from 0 to 100, not {value!r}"
        case Subject.FIRST_SEEN:
            return "" if is_date(value) else f"{subject.value!r} is compared with a date (2024-01-31), not {value!r}"
        case _:
            return "" if _VERSION.match(value) else f"{value!r} is neither a firmware version nor a date (2024-01-31)"


def is_date(text: str) -> bool:
    """Return whether text is an ISO 8601 date and nothing else."""
    return bool(text) and versions.iso_date(text) == text


def _raise(problems: Iterator[str], where: str) -> None:
    faults = tuple(Fault(where, 0, 0, problem) for problem in problems)
    if faults:
        raise PolicyError(faults)
