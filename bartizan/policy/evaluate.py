"""What is demanded of each device of one site, and why.

The level is the tightest of: what policies demand after waivers, what standing orders raise, and, for a device whose
maker is unknown or not in the catalogue, what its segment allows strangers. Everything else starts at `watch`.
Waivers cap only the levels that the policies they name demand; orders only raise. See `bartizan.policy.selectors` for
what happens where a fact is unknown.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from bartizan.containment.level import Level
from bartizan.identity.model import Device
from bartizan.ids import PolicyId
from bartizan.policy.explain import Explanation, trace
from bartizan.policy.facts import Facts
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
        orders = [order for book in books if book.site in {None, site.id} for order in book.orders]
        self._raises = tuple(_BoundRaise(order, self._test(order)) for order in orders if isinstance(order, Raise))

    def verdict(self, device: Device, at: float) -> Verdict:
        """Return what is demanded of a device at a time (Unix seconds), with all that counts."""
        matched = [bound for bound in self._rules if bound.test(device) is True]
        demands = [demand for bound in matched if (demand := self._demand(bound, device, at)) is not None]
        demands += [_ordered(bound.order) for bound in self._raises if bound.test(device) is True]
        demands.append(self._default(device))
        level = max((demand.level for demand in demands), key=_rank)
        return Verdict(
            level=level,
            reasons=_reasons(matched, demands),
            firmware=_strictest(matched),
            harden=_hardening(matched),
            explanation=self._sentence(device, level, demands),
        )

    def explain(self, device: Device, at: float) -> Explanation:
        """Return the verdict with, for every rule, whether it matched and what was in the way."""
        traces = (trace(policy, rule, device, self._facts) for policy in self._policies for rule in policy.rules)
        return Explanation(self.verdict(device, at), tuple(traces))

    def _bound_rules(self, policy: Policy) -> Iterable["_BoundRule"]:
        label = f"{policy.id}@{policy.version}"
        for rule in policy.rules:
            test = compile_selector(rule.when, self._facts)
            if test is not never:
                text = f"rule {rule.name} of {label} ({rule.because})"
                yield _BoundRule(rule, policy.id, f"{label}/{rule.name}", text, test)

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

    def _demand(self, bound: "_BoundRule", device: Device, at: float) -> "_Demand | None":
        """Return the level that a matching rule demands, capped by the waivers that apply."""
        demanded = bound.rule.contain
        if demanded is None:
            return None
        own = Reason("rule", bound.id, demanded, bound.text)
        caps = [
            item.waiver
            for item in self._waivers.get(bound.policy, ())
            if item.waiver.starts_at <= at < item.waiver.expires_at
            and item.waiver.level < demanded
            and item.test(device) is True
        ]
        if not caps:
            return _Demand(demanded, (own,), bound.text)
        lowest = min(caps, key=lambda waiver: waiver.level.rank)
        held = f"{bound.text}, held at {lowest.level.value} by {_waived(lowest)}"
        return _Demand(lowest.level, (own, *(Reason("waiver", cap.id, cap.level, _waived(cap)) for cap in caps)), held)

    def _default(self, device: Device) -> "_Demand":
        if self._facts.maker(device) is not None:
            return _Demand(Level.WATCH, (), "nothing demands more")
        segment = self._facts.segment(device)
        level = segment.default_level
        text = f"its maker is unknown and {level.value} is for strangers on {segment.interface or 'no segment'}"
        return _Demand(level, (Reason("default", segment.interface, level, text),), text)

    def _sentence(self, device: Device, level: Level, demands: Iterable["_Demand"]) -> str:
        decisive = dict.fromkeys(demand.text for demand in demands if demand.level is level and demand.text)
        texts = list(decisive)
        if len(texts) > 1:
            texts = [text for text in texts if text != "nothing demands more"]
        return f"{level.value}, because {' and '.join(texts)}; {self._maker(device)}"

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
    for book in books:
        for order in book.orders:
            if isinstance(order, Raise) and order.selector is not None:
                check_selector(order.selector, f"order {order.id}")


class _BoundRule(NamedTuple):
    rule: Rule
    policy: PolicyId
    id: str
    text: str
    test: Test


class _BoundWaiver(NamedTuple):
    waiver: Waiver
    test: Test


class _BoundRaise(NamedTuple):
    order: Raise
    test: Test


class _Demand(NamedTuple):
    level: Level
    reasons: tuple[Reason, ...]
    text: str


def _ordered(order: Raise) -> _Demand:
    text = f"order {order.id} of {order.by} ({order.reason})"
    return _Demand(order.level, (Reason("order", order.id, order.level, text),), text)


def _reasons(matched: Iterable[_BoundRule], demands: Iterable[_Demand]) -> tuple[Reason, ...]:
    """Collect every reason once; rules that demand no level are named too."""
    duties = (Reason("rule", bound.id, None, bound.text) for bound in matched if bound.rule.contain is None)
    levels = (reason for demand in demands for reason in demand.reasons)
    return tuple(dict.fromkeys((*levels, *duties)))


def _strictest(matched: Iterable[_BoundRule]) -> FirmwareDuty | None:
    duties = [bound.rule.firmware for bound in matched if bound.rule.firmware is not None]
    return min(duties, key=lambda duty: duty.within_days, default=None)


def _hardening(matched: Iterable[_BoundRule]) -> tuple[HardeningDuty, ...]:
    wanted = {duty for bound in matched for duty in bound.rule.harden}
    return tuple(duty for duty in HardeningDuty if duty in wanted)


def _waived(waiver: Waiver) -> str:
    until = datetime.fromtimestamp(waiver.expires_at, UTC).date().isoformat()
    return f"waiver {waiver.id} of {waiver.owner} until {until} ({waiver.reason})"


def _rank(level: Level) -> int:
    return level.rank


def _enumerated(words: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
