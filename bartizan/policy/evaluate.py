"""What is demanded of each device of one site, and why.

The level is the tightest of: what policies demand after waivers, what standing orders raise, and, for a device whose
maker is unknown or not in the catalogue, what its segment allows strangers. Everything else starts at `watch`.
Waivers cap only the levels that the policies they name demand; orders only raise. A rule that has not begun demands
nothing. See `bartizan.policy.selectors` for
what happens where a fact is unknown.
"""

from collections.abc import Iterable
from copy import copy
from typing import NamedTuple

from bartizan.containment.level import Level
from bartizan.identity.model import Device
from bartizan.ids import PolicyId
from bartizan.policy.explain import Explanation, has_begun, trace
from bartizan.policy.facts import Facts, day
from bartizan.policy.model import FirmwareDuty, HardeningDuty, Policy, Reason, Rule, SiteFacts, Verdict, Waiver
from bartizan.policy.selectors import Test, always, compile_selector, never
from bartizan.policy.sense import check_policy, check_selector, check_waiver
from bartizan.trust.content import Catalogue
from bartizan.trust.orders import OrderBook, Raise


class Evaluator:
    """Judges the devices of one site. Built anew when the catalogue, the site's facts or an order book changes."""

    def __init__(self, catalogue: Catalogue, site: SiteFacts, books: tuple[OrderBook, ...] = ()) -> None:
        """Compile everything that can be demanded at this site.

        Args:
            catalogue: The verified catalogue.
            site: Of `bartizan.policy.facts.site_facts`.
            books: The order books in force; a book of another site has no effect here.

        Raises:
            TooNew: A policy needs a capability that this program does not have.
            PolicyError: A policy, waiver or order has a condition that makes no sense.
        """
        check(catalogue, books)
        self._facts = Facts(site, catalogue.makers, catalogue.advisories)
        self._policies = catalogue.policies
        self._rules = tuple(rule for policy in catalogue.policies for rule in self._bound_rules(policy))
        self._waivers = self._bound_waivers(catalogue.waivers)
        self._raises = self._bound_raises(books)

    def with_orders(self, books: tuple[OrderBook, ...]) -> "Evaluator":
        """Return one that judges by the same catalogue and facts, and by these order books instead.

        Raises:
            PolicyError: An order has a condition that makes no sense.
        """
        check_orders(books)
        other = copy(self)
        other._raises = self._bound_raises(books)  # noqa: SLF001 - its own class
        return other

    def verdict(self, device: Device, at: float) -> Verdict:
        """Return what is demanded of a device at a time (Unix seconds), with all that counts."""
        matched = [bound for bound in self._rules if has_begun(bound.rule, at) and bound.test(device) is True]
        demands = [self._demand(bound, device, at) for bound in matched]
        demands += [bound.demand for bound in self._raises if bound.test(device) is True]
        demands.append(self._default(device))
        tightest = max(demands, key=_rank)
        return Verdict(
            level=tightest.level,
            reasons=_reasons(demands),
            firmware=_strictest(matched),
            harden=_hardening(matched),
            remove_by=_earliest(matched),
            explanation=self._sentence(device, tightest, demands),
        )

    def explain(self, device: Device, at: float) -> Explanation:
        """Return the verdict with, for every rule, whether it matched and what was in the way."""
        traces = (trace(policy, rule, device, self._facts, at) for policy in self._policies for rule in policy.rules)
        return Explanation(self.verdict(device, at), tuple(traces))

    def _bound_raises(self, books: tuple[OrderBook, ...]) -> tuple["_BoundRaise", ...]:
        orders = [order for book in books if book.site in {None, self._facts.site.id} for order in book.orders]
        return tuple(_BoundRaise(_ordered(it), self._test(it)) for it in orders if isinstance(it, Raise))

    def _bound_rules(self, policy: Policy) -> Iterable["_BoundRule"]:
        label = f"{policy.id}@{policy.version}"
        for rule in policy.rules:
            test = compile_selector(rule.when, self._facts)
            if test is not never:
                reason = Reason(
                    "rule", f"{label}/{rule.name}", rule.contain, f"rule {rule.name} of {label} ({rule.because})"
                )
                yield _BoundRule(rule, policy.id, test, _demand(rule.contain, reason))

    def _bound_waivers(self, waivers: Iterable[Waiver]) -> dict[PolicyId, tuple["_BoundWaiver", ...]]:
        bound = [_BoundWaiver(waiver, self._test(waiver)) for waiver in waivers]
        names = {policy for waiver in waivers for policy in waiver.policies}
        return {name: tuple(item for item in bound if name in item.waiver.policies) for name in names}

    def _test(self, scope: Raise | Waiver) -> Test:
        """Return whom an order or waiver is for. Where it names a device and a condition, both must hold."""
        selected = always if scope.selector is None else compile_selector(scope.selector, self._facts)
        if scope.device is None:
            return selected
        return lambda device: selected(device) if device.id == scope.device else False

    def _demand(self, bound: "_BoundRule", device: Device, at: float) -> "_Demand":
        """Return what a matching rule demands, its level capped by the waivers that apply."""
        caps = [
            item.waiver
            for item in self._waivers.get(bound.policy, ())
            if item.waiver.starts_at <= at < item.waiver.expires_at
            and item.waiver.level.rank < bound.demand.rank
            and item.test(device) is True
        ]
        if not caps:
            return bound.demand
        lowest = min(caps, key=lambda waiver: waiver.level.rank)
        reasons = (Reason("waiver", cap.id, cap.level, _waived(cap)) for cap in caps)
        text = f"{bound.demand.text}, held at {lowest.level.value} by {_waived(lowest)}"
        return _Demand(lowest.level, lowest.level.rank, (*bound.demand.reasons, *reasons), text)

    def _default(self, device: Device) -> "_Demand":
        if self._facts.maker(device) is not None:
            return _NOTHING_MORE
        segment = self._facts.segment(device)
        where = segment.interface or "no segment"
        text = f"its maker is unknown and {segment.default_level.value} is for strangers on {where}"
        return _demand(segment.default_level, Reason("default", segment.interface, segment.default_level, text))

    def _sentence(self, device: Device, tightest: "_Demand", demands: Iterable["_Demand"]) -> str:
        texts = dict.fromkeys(demand.text for demand in demands if demand.rank == tightest.rank)
        if len(texts) > 1:
            texts.pop(_NOTHING_MORE.text, None)
        return f"{tightest.level.value}, because {' and '.join(texts)}; {self._maker(device)}"

    def _maker(self, device: Device) -> str:
        identity = device.identity
        if not identity.maker:
            return "maker unknown"
        described = self._facts.maker(device)
        name = described.name if described else f"{identity.maker} (not in the catalogue)"
        by = f" by {_enumerated(identity.known_by)}" if identity.known_by else ""
        return f"maker {name}{by}, confidence {identity.confidence}"


def check(catalogue: Catalogue, books: Iterable[OrderBook] = ()) -> None:
    """Refuse what an `Evaluator` could not judge by; to be called before a catalogue or book is accepted.

    Raises:
        TooNew: A policy needs a capability that this program does not have.
        PolicyError: A policy, waiver or order has a condition that makes no sense.
    """
    for policy in catalogue.policies:
        check_policy(policy)
    for waiver in catalogue.waivers:
        check_waiver(waiver)
    check_orders(books)


def check_orders(books: Iterable[OrderBook]) -> None:
    """Refuse order books that an `Evaluator` could not judge by.

    Raises:
        PolicyError: An order has a condition that makes no sense.
    """
    for book in books:
        for order in book.orders:
            if isinstance(order, Raise) and order.selector is not None:
                check_selector(order.selector, f"order {order.id}")


class _Demand(NamedTuple):
    """One level that something demands. A rule without a level demands nothing, and has the rank -1."""

    level: Level
    rank: int
    reasons: tuple[Reason, ...]
    text: str


class _BoundRule(NamedTuple):
    rule: Rule
    policy: PolicyId
    test: Test
    demand: _Demand


class _BoundWaiver(NamedTuple):
    waiver: Waiver
    test: Test


class _BoundRaise(NamedTuple):
    demand: _Demand
    test: Test


def _demand(level: Level | None, reason: Reason) -> _Demand:
    return _Demand(level or Level.WATCH, -1 if level is None else level.rank, (reason,), reason.text)


def _ordered(order: Raise) -> _Demand:
    text = f"order {order.id} of {order.by} ({order.reason})"
    return _demand(order.level, Reason("order", order.id, order.level, text))


def _reasons(demands: Iterable[_Demand]) -> tuple[Reason, ...]:
    """Collect every reason once."""
    reasons = {(reason.kind, reason.id, reason.text): reason for demand in demands for reason in demand.reasons}
    return tuple(reasons.values())


def _strictest(matched: Iterable[_BoundRule]) -> FirmwareDuty | None:
    duties = [bound.rule.firmware for bound in matched if bound.rule.firmware is not None]
    return min(duties, key=lambda duty: duty.within_days, default=None)


def _earliest(matched: Iterable[_BoundRule]) -> float | None:
    return min((bound.rule.remove_by for bound in matched if bound.rule.remove_by is not None), default=None)


def _hardening(matched: Iterable[_BoundRule]) -> tuple[HardeningDuty, ...]:
    wanted = {duty for bound in matched for duty in bound.rule.harden}
    return tuple(duty for duty in HardeningDuty if duty in wanted) if wanted else ()


def _waived(waiver: Waiver) -> str:
    return f"waiver {waiver.id} of {waiver.owner} until {day(waiver.expires_at)} ({waiver.reason})"


def _rank(demand: _Demand) -> int:
    return demand.rank


def _enumerated(words: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


_NOTHING_MORE = _Demand(Level.WATCH, Level.WATCH.rank, (), "nothing demands more")
