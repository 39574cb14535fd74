"""What holds a device at its level, and what would have to happen for it to be held less. For people who ask.

Found by judging again without it, with the evaluator that gateways judge by: whatever the level does not fall without
does not hold it.
"""

import enum
from collections.abc import Iterable

import msgspec

from bartizan.containment.level import Level
from bartizan.hardening.model import Hardening
from bartizan.identity.model import Device
from bartizan.ids import OrderId, PolicyId
from bartizan.policy.evaluate import Evaluator
from bartizan.policy.facts import Facts
from bartizan.policy.model import HardeningDuty, SegmentFacts, SiteFacts, Verdict, Waiver
from bartizan.policy.selectors import compile_selector
from bartizan.trust.content import Catalogue
from bartizan.trust.orders import OrderBook, Raise

NOTHING = "nothing holds it"
_IDENTIFIED = "its maker becomes known and is in the catalogue, or two people sign another level for strangers"


class Step(msgspec.Struct, frozen=True):
    """Something that could be done, and the level that would be left if it alone were done."""

    what: str
    then: Level


class Later(msgspec.Struct, frozen=True):
    """A level that will come by itself, if nothing else changes."""

    at: float
    level: Level


class Hold(msgspec.Struct, frozen=True):
    """What holds a device."""

    level: Level
    by_policy: Level
    """Without any order."""
    needed: tuple[str, ...]
    """What would release it: all of these together. Only orders need no signature."""
    then: Level
    """The level that would be left after that."""
    instead: tuple[Step, ...]
    """What would lower the level as well, at the device."""
    later: tuple[Later, ...]
    """What changes by itself, as waivers begin and end and rules begin."""


class Standing(enum.Enum):
    """Whether a waiver counts."""

    IN_FORCE = "in-force"
    NOT_YET = "not-yet"
    OVER = "over"


class WaiverStanding(msgspec.Struct, frozen=True):
    """A waiver that is for a device and for a policy that matches it."""

    waiver: Waiver
    standing: Standing


class Held:
    """One device of one site, and everything that is demanded of it."""

    def __init__(
        self, catalogue: Catalogue, site: SiteFacts, books: tuple[OrderBook, ...], device: Device, at: float
    ) -> None:
        """As for `Evaluator`, with the device and the time (Unix seconds).

        Raises:
            TooNew: A policy needs a capability that this program does not have.
            PolicyError: A policy, waiver or order has a condition that makes no sense.
        """
        self._catalogue, self._site, self._books = catalogue, site, books
        self._device, self._at = device, at
        self.explanation = Evaluator(catalogue, site, books).explain(device, at)
        self._matched = tuple(dict.fromkeys(rule.policy for rule in self.explanation.rules if rule.truth is True))

    def hold(self) -> Hold:
        """Return what holds the device."""
        level = self.explanation.verdict.level
        policies = [policy for policy in self._matched if self._alone(policy) is level]
        orders = [OrderId(name) for name in self._reasons("order")]
        by_default = bool(self._reasons("default"))
        needed: tuple[str, ...] = (NOTHING,)
        then = level
        if level is not Level.WATCH:
            needed = (*map(_release, orders), *map(_signatures, policies), *self._identified(by_default=by_default))
            site = self._trusting() if by_default else self._site
            then = self._level(site=site, books=_without(self._books, orders), policies=policies)
        return Hold(
            level=level,
            by_policy=self._level(books=()),
            needed=needed,
            then=then,
            instead=tuple(step for step in self._mended() if step.then < level),
            later=self._later(),
        )

    def orders(self) -> tuple[OrderId, ...]:
        """Return the orders that raise it, whatever to."""
        return tuple(OrderId(each.id) for each in self.explanation.verdict.reasons if each.kind == "order")

    def waivers(self) -> tuple[WaiverStanding, ...]:
        """Return the waivers that are for this device and a policy that matches it, or will by itself."""
        return tuple(WaiverStanding(waiver, _standing(waiver, self._at)) for waiver in self._concerning())

    def _reasons(self, kind: str) -> list[str]:
        """Return what demands the level itself, of a kind."""
        verdict = self.explanation.verdict
        return [each.id for each in verdict.reasons if each.kind == kind and each.level is verdict.level]

    def _alone(self, policy: PolicyId) -> Level:
        """Return what one policy alone demands, after waivers."""
        others = [each.id for each in self._catalogue.policies if each.id != policy]
        return self._level(site=self._trusting(), books=(), policies=others)

    def _level(
        self,
        *,
        site: SiteFacts | None = None,
        books: tuple[OrderBook, ...] | None = None,
        policies: Iterable[PolicyId] = (),
        device: Device | None = None,
    ) -> Level:
        """Return the level with another site, other books or another device, and without some policies."""
        left_out = frozenset(policies)
        kept = tuple(policy for policy in self._catalogue.policies if policy.id not in left_out)
        catalogue = msgspec.structs.replace(self._catalogue, policies=kept)
        evaluator = Evaluator(catalogue, site or self._site, self._books if books is None else books)
        return self._verdict(evaluator, device).level

    def _verdict(self, evaluator: Evaluator, device: Device | None) -> Verdict:
        return evaluator.verdict(device or self._device, self._at)

    def _trusting(self) -> SiteFacts:
        """Return the site as it would be if strangers were only watched there."""
        here = SegmentFacts(self._device.interface, default_level=Level.WATCH)
        known = {segment.interface: segment for segment in (here, *self._site.segments)}
        trusting = (msgspec.structs.replace(segment, default_level=Level.WATCH) for segment in known.values())
        return msgspec.structs.replace(self._site, segments=tuple(trusting))

    def _identified(self, *, by_default: bool) -> tuple[str, ...]:
        if not by_default:
            return ()
        where = self._device.interface or "its segment"
        return (f"{_IDENTIFIED} on {where} in the site's facts",)

    def _mended(self) -> Iterable[Step]:
        device = self._device
        flaws = (*device.vulnerabilities, *device.undecided)
        if flaws:
            patched = msgspec.structs.replace(device, vulnerabilities=(), undecided=())
            yield Step(f"firmware that is not open to {', '.join(flaws)}", self._level(device=patched))
        failed = tuple(device.hardening.failed)
        if failed:
            hardening = Hardening(met=tuple(duty.value for duty in HardeningDuty))
            hardened = msgspec.structs.replace(device, hardening=hardening)
            yield Step(f"mending what hardening found: {', '.join(failed)}", self._level(device=hardened))

    def _concerning(self) -> Iterable[Waiver]:
        facts = Facts(self._site, self._catalogue.makers, self._catalogue.advisories)
        policies = {*self._matched, *(rule.policy for rule in self.explanation.rules if rule.begins_at)}
        for waiver in self._catalogue.waivers:
            if waiver.device not in {None, self._device.id} or policies.isdisjoint(waiver.policies):
                continue
            if waiver.selector is None or compile_selector(waiver.selector, facts)(self._device) is True:
                yield waiver

    def _later(self) -> tuple[Later, ...]:
        times = {time for waiver in self._concerning() for time in (waiver.starts_at, waiver.expires_at)}
        times |= {rule.begins_at for rule in self.explanation.rules if rule.begins_at is not None}
        evaluator = Evaluator(self._catalogue, self._site, self._books)
        found: list[Later] = []
        level = self.explanation.verdict.level
        for time in sorted(time for time in times if time > self._at):
            following = evaluator.verdict(self._device, time).level
            if following is not level:
                found.append(Later(time, following))
            level = following
        return tuple(found)


def _release(order: OrderId) -> str:
    return f"bartizan release {order} --reason …"


def _signatures(policy: PolicyId) -> str:
    return f"two signatures over a waiver from {policy}, or over a change of that policy (bartizan policy sign)"


def _without(books: Iterable[OrderBook], orders: Iterable[OrderId]) -> tuple[OrderBook, ...]:
    ended = frozenset(orders)
    return tuple(
        msgspec.structs.replace(
            book, orders=tuple(each for each in book.orders if not (isinstance(each, Raise) and each.id in ended))
        )
        for book in books
    )


def _standing(waiver: Waiver, at: float) -> Standing:
    if at < waiver.starts_at:
        return Standing.NOT_YET
    return Standing.IN_FORCE if at < waiver.expires_at else Standing.OVER
