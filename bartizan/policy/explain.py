"""For each rule and one device: did it match, and if not, what was in the way. For people who ask why."""

from collections.abc import Iterator

import msgspec

from bartizan.identity.model import Device
from bartizan.ids import PolicyId
from bartizan.policy.facts import Facts, Known, day
from bartizan.policy.model import All, Any, Condition, Not, Operator, Policy, Rule, Selector, Verdict
from bartizan.policy.selectors import Truth, compile_condition, compile_selector


class Obstacle(msgspec.Struct, frozen=True):
    """One condition of a rule that was not true."""

    wanted: str
    """The condition as written: `site.sensitivity is sensitive`."""
    found: str
    """What is known: `ordinary`, or `unknown`."""
    is_unknown: bool
    """Whether it is only for want of a fact that the condition is not true."""


class RuleTrace(msgspec.Struct, frozen=True):
    """What one rule made of a device."""

    policy: PolicyId
    version: int
    rule: str
    truth: Truth
    """True: it matched. None: it can neither be said to match nor not to."""
    obstacles: tuple[Obstacle, ...] = ()
    begins_at: float | None = None
    """Unix seconds, where only its beginning is in the way: it matches by itself from then on."""

    @property
    def is_near(self) -> bool:
        """Whether a single condition kept it from matching."""
        return self.truth is not True and len(self.obstacles) == 1


class Explanation(msgspec.Struct, frozen=True):
    """A verdict, and what every rule made of the device."""

    verdict: Verdict
    rules: tuple[RuleTrace, ...]


def trace(policy: Policy, rule: Rule, device: Device, facts: Facts, at: float) -> RuleTrace:
    """Return what a rule makes of a device at a time (Unix seconds)."""
    truth = compile_selector(rule.when, facts)(device)
    obstacles = () if truth is True else tuple(dict.fromkeys(_obstacles(rule.when, device, facts, wanted=True)))
    if rule.starts_at is None or has_begun(rule, at):
        return RuleTrace(policy.id, policy.version, rule.name, truth, obstacles)
    begins = Obstacle(f"the rule has begun ({day(rule.starts_at)})", "it has not", is_unknown=False)
    begins_at = rule.starts_at if truth is True else None
    return RuleTrace(policy.id, policy.version, rule.name, False, (*obstacles, begins), begins_at)


def has_begun(rule: Rule, at: float) -> bool:
    """Return whether a rule is in force; it is where the time is no number."""
    return rule.starts_at is None or not at < rule.starts_at


def describe(condition: Condition) -> str:
    """Return a condition in words."""
    subject, values = condition.subject.value, " or ".join(condition.values)
    if condition.operator is Operator.KNOWN:
        return f"{subject} is {'known' if values == 'true' else 'unknown'}"
    return f"{subject} {condition.operator.value.replace('-', ' ')} {values}"


def _obstacles(selector: Selector, device: Device, facts: Facts, *, wanted: bool) -> Iterator[Obstacle]:
    """Yield the conditions that keep a selector from being `wanted`."""
    match selector:
        case Condition():
            yield from _obstacle(selector, device, facts, wanted=wanted)
        case Not(of=part):
            yield from _obstacles(part, device, facts, wanted=not wanted)
        case All(of=parts) | Any(of=parts):
            for part in parts:
                if compile_selector(part, facts)(device) is not wanted:
                    yield from _obstacles(part, device, facts, wanted=wanted)


def _obstacle(condition: Condition, device: Device, facts: Facts, *, wanted: bool) -> Iterator[Obstacle]:
    truth = compile_condition(condition, facts)(device)
    if truth is not wanted:
        negation = "" if wanted else "not: "
        found = _said(facts.about_device(condition.subject)(device))
        yield Obstacle(f"{negation}{describe(condition)}", found, is_unknown=truth is None)


def _said(known: Known) -> str:
    said = [*known.values, *(f"perhaps {value}" for value in known.possible)]
    if not known.complete:
        said.append("perhaps more" if said else "unknown")
    return ", ".join(said) or "none"
