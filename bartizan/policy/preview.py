"""What another catalogue would change, before anybody signs it: device by device, and summed up.

Judged by `bartizan.policy.evaluate`, as gateways do it, over what gateways reported. What a gateway has not reported,
nobody can judge here: a change of makers or fingerprints may make it know its devices as something else.
"""

import enum
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from bartizan.containment.level import Level
from bartizan.firmware.match import exposure, findings
from bartizan.identity.model import Device
from bartizan.ids import DeviceId, OrganisationId, SiteId
from bartizan.policy.evaluate import Evaluator, check
from bartizan.policy.facts import day, unlisted_site
from bartizan.policy.hindrance import GatewayState, HinderedSite, Hindrance, counted, hindrances
from bartizan.policy.model import SiteFacts, Verdict
from bartizan.policy.streams import Channels, LostStream, Reach, lost_streams, without_recorder
from bartizan.trust.content import Catalogue
from bartizan.trust.orders import OrderBook, Raise
from bartizan.wire.up import DevicePosture

DAY_SECONDS = 86_400.0


class Direction(enum.Enum):
    """Where a device's level goes."""

    TIGHTEN = "tighten"
    LOOSEN = "loosen"
    NONE = "none"


class Seen(NamedTuple):
    """A device as its gateway reported it."""

    device: Device
    posture: DevicePosture | None = None


class SeenSite(msgspec.Struct, frozen=True):
    """A site as the controller knows it."""

    id: SiteId
    organisation: OrganisationId
    gateway: GatewayState | None = None
    """None: none was enrolled."""
    devices: tuple[Seen, ...] = ()
    books: tuple[OrderBook, ...] = ()
    channels: Channels = {}


class DeviceChange(msgspec.Struct, frozen=True):
    """One device before and after."""

    site: SiteId
    device: DeviceId
    before: Level
    """What the published catalogue, and the orders that stand, demand."""
    after: Level
    direction: Direction
    because: str
    """Why it would be held as it would, in a sentence."""
    because_before: str
    enforced: Level | None = None
    """What its gateway measured last; null: nothing holds it, or nothing was reported."""
    not_enforceable_because: str = ""
    """As its gateway measured it."""
    duties_change: bool = False
    """Whether its firmware or hardening duties, or its day of removal, would be others."""


class Tally(msgspec.Struct, frozen=True):
    """Devices by direction."""

    tighten: int = 0
    loosen: int = 0
    none: int = 0

    @property
    def devices(self) -> int:
        """All of them."""
        return self.tighten + self.loosen + self.none

    @property
    def changing(self) -> int:
        """Those whose level would be another."""
        return self.tighten + self.loosen

    def and_also(self, other: "Tally") -> "Tally":
        """Return the sum of both."""
        return Tally(self.tighten + other.tighten, self.loosen + other.loosen, self.none + other.none)


class UnknownRecording(msgspec.Struct, frozen=True):
    """A site that declares no recorder, where devices come to be isolated of which nobody knows who records them."""

    site: SiteId
    devices: int


class Preview(msgspec.Struct, frozen=True):
    """What a catalogue would change."""

    total: Tally
    moves: dict[str, int]
    """Devices by move: `watch -> isolate`."""
    duties_change: int
    """Devices whose firmware or hardening duties, or whose day of removal, would be others."""
    organisations: dict[OrganisationId, Tally]
    sites: dict[SiteId, Tally]
    """Those where a level changes."""
    devices: tuple[DeviceChange, ...]
    """Those that change, by site, up to the limit that was asked for."""
    devices_left_out: int
    """Devices that change as well, and are not listed."""
    lost_streams: tuple[LostStream, ...]
    """Up to the same limit."""
    unknown_recordings: tuple[UnknownRecording, ...]
    hindered: tuple[HinderedSite, ...]
    needs_capability: int
    """What an agent must understand to take it up."""
    remarks: tuple[str, ...]
    """What this cannot say, in words."""
    streams_left_out: int = 0
    """Streams that would be lost as well, and are not listed."""

    def hindered_by(self, *whys: Hindrance) -> int:
        """Return how many sites are hindered by any of these."""
        return len({each.site for each in self.hindered if each.why in whys})

    def summary(self) -> str:
        """Return it in one line."""
        parts = [
            f"{self.total.tighten} of {self.total.devices} devices tighten",
            f"{self.total.loosen} loosen",
            counted(
                len(self.lost_streams) + self.streams_left_out,
                "recorder stream would be lost",
                "recorder streams would be lost",
            ),
        ]
        unknown = sum(each.devices for each in self.unknown_recordings)
        cannot = self.hindered_by(*(why for why in Hindrance if why is not Hindrance.TOO_OLD))
        old = self.hindered_by(Hindrance.TOO_OLD)
        parts += [f"who records {unknown} isolated devices is not known"] if unknown else []
        parts += [counted(cannot, "site cannot enforce all of it", "sites cannot enforce all of it")] if cannot else []
        parts += [counted(old, "agent is too old", "agents are too old")] if old else []
        return ", ".join(parts)


class Judge:
    """Judges the devices of sites by two catalogues."""

    def __init__(self, present: Catalogue, proposed: Catalogue, at: float) -> None:
        self._catalogues = (present, proposed)
        self._sites = tuple({site.id: site for site in catalogue.sites} for catalogue in self._catalogues)
        self._named = {waiver.device for each in self._catalogues for waiver in each.waivers}
        # As reported, devices were weighed by the advisories that are published.
        self._weighs_anew = present.advisories != proposed.advisories
        self._at = at

    def facts(self, site: SiteId) -> tuple[SiteFacts, SiteFacts]:
        """Return what the present and the proposed catalogue declare of a site."""
        before, after = self._sites
        return before.get(site) or unlisted_site(site), after.get(site) or unlisted_site(site)

    def changes(self, site: SeenSite) -> Iterator[DeviceChange]:
        """Yield every device of a site, whether it changes or not.

        Raises:
            TooNew: A policy needs a capability that this program does not have.
            PolicyError: A policy, waiver or order has a condition that makes no sense.
        """
        facts = self.facts(site.id)
        before, after = (
            Evaluator(catalogue, declared, site.books)
            for catalogue, declared in zip(self._catalogues, facts, strict=True)
        )
        named = self._named | {device for declared in facts for device in declared.device_tags}
        named |= {order.device for book in site.books for order in book.orders if isinstance(order, Raise)}
        judged: dict[Hashable, tuple[Verdict, Verdict]] = {}
        for seen in site.devices:
            kind = _alike(seen.device, is_named=seen.device.id in named)
            if kind not in judged:
                anew = self.weighed(seen.device)
                judged[kind] = before.verdict(seen.device, self._at), after.verdict(anew, self._at)
            yield _change(site.id, seen, *judged[kind])

    def weighed(self, device: Device) -> Device:
        """Return a device as the proposed advisories weigh it."""
        if not self._weighs_anew:
            return device
        weighed = exposure(findings(device.identity, self._catalogues[1].advisories))
        return msgspec.structs.replace(device, vulnerabilities=weighed.vulnerabilities, undecided=weighed.undecided)


def preview(
    present: Catalogue,
    proposed: Catalogue,
    sites: Iterable[SeenSite],
    *,
    at: float,
    needs_capability: int,
    limit: int,
) -> Preview:
    """Return what `proposed` would change for these sites at a time (Unix seconds).

    Args:
        present: The published catalogue.
        proposed: What is to be published.
        sites: In the order of their ids; read one by one.
        at: Unix seconds.
        needs_capability: Of the proposed catalogue.
        limit: How many devices are listed.

    Raises:
        TooNew: A policy needs a capability that this program does not have.
        PolicyError: A policy, waiver or order has a condition that makes no sense.
    """
    check(proposed)
    judge, summed = Judge(present, proposed, at), _Sum(needs_capability, limit)
    for site in sites:
        summed.add(site, judge.facts(site.id), tuple(judge.changes(site)))
    return summed.preview(remarks(present, proposed, at))


class _Sum:
    """A preview in the making."""

    def __init__(self, needs_capability: int, limit: int) -> None:
        self._needs = needs_capability
        self._limit = limit
        self._moves: Counter[str] = Counter()
        self._duties = 0
        self._organisations: dict[OrganisationId, Tally] = {}
        self._sites: dict[SiteId, Tally] = {}
        self._listed: list[DeviceChange] = []
        self._left_out = 0
        self._streams: list[LostStream] = []
        self._unknown: list[UnknownRecording] = []
        self._hindered: list[HinderedSite] = []

    def add(self, site: SeenSite, facts: tuple[SiteFacts, SiteFacts], changes: tuple[DeviceChange, ...]) -> None:
        changed = [change for change in changes if change.direction is not Direction.NONE]
        tally = _tally(changes)
        self._organisations[site.organisation] = self._organisations.get(site.organisation, Tally()).and_also(tally)
        if changed:
            self._sites[site.id] = tally
        self._moves.update(f"{change.before.value} -> {change.after.value}" for change in changed)
        self._duties += sum(change.duties_change for change in changes)
        room = max(0, self._limit - len(self._listed))
        self._listed += changed[:room]
        self._left_out += len(changed[room:])
        beyond = [
            each.not_enforceable_because
            for each in changes
            if each.not_enforceable_because and each.after is not Level.WATCH
        ]
        self._hindered += hindrances(site.id, site.organisation, site.gateway, beyond, self._needs)
        self._record(site, facts, changes)

    def _record(self, site: SeenSite, facts: tuple[SiteFacts, SiteFacts], changes: tuple[DeviceChange, ...]) -> None:
        devices = {seen.device.id: seen.device for seen in site.devices}
        before = Reach({change.device: change.before for change in changes}, facts[0])
        after = Reach({change.device: change.after for change in changes}, facts[1])
        self._streams += lost_streams(devices, site.channels, before, after)
        unknown = without_recorder(devices, site.channels, before, after)
        if unknown:
            self._unknown.append(UnknownRecording(site.id, unknown))

    def preview(self, remarks: tuple[str, ...]) -> Preview:
        total = Tally()
        for tally in self._organisations.values():
            total = total.and_also(tally)
        return Preview(
            total=total,
            moves=dict(self._moves.most_common()),
            duties_change=self._duties,
            organisations=self._organisations,
            sites=self._sites,
            devices=tuple(self._listed),
            devices_left_out=self._left_out,
            lost_streams=tuple(self._streams[: self._limit]),
            unknown_recordings=tuple(self._unknown),
            hindered=tuple(self._hindered),
            needs_capability=self._needs,
            remarks=remarks,
            streams_left_out=max(0, len(self._streams) - self._limit),
        )


def noon(moment: float) -> float:
    """Return noon of a time's UTC day, as no condition tells times of a day apart; 0 for a time that is not known."""
    return moment // DAY_SECONDS * DAY_SECONDS + DAY_SECONDS / 2 if moment > 0 else 0.0


def _alike(device: Device, *, is_named: bool) -> Hashable:
    """Return a device without what no condition can speak of: those for which it is equal are judged alike."""
    return msgspec.structs.replace(
        device,
        id=device.id if is_named else "",
        identity=msgspec.structs.replace(device.identity, serial="", reasons=()),
        macs=(),
        addresses=(),
        first_seen=noon(device.first_seen),
        last_seen=0.0,
        driver="",
        problems=(),
    )


def _change(site: SiteId, seen: Seen, before: Verdict, after: Verdict) -> DeviceChange:
    return DeviceChange(
        site=site,
        device=seen.device.id,
        before=before.level,
        after=after.level,
        direction=_direction(before.level, after.level),
        because=after.explanation,
        because_before=before.explanation,
        enforced=seen.posture.enforced if seen.posture else None,
        not_enforceable_because=seen.posture.not_enforceable_because if seen.posture else "",
        duties_change=(before.firmware, before.harden, before.remove_by)
        != (after.firmware, after.harden, after.remove_by),
    )


def _direction(before: Level, after: Level) -> Direction:
    if before is after:
        return Direction.NONE
    return Direction.TIGHTEN if before < after else Direction.LOOSEN


def _tally(changes: Iterable[DeviceChange]) -> Tally:
    counted = Counter(change.direction for change in changes)
    return Tally(counted[Direction.TIGHTEN], counted[Direction.LOOSEN], counted[Direction.NONE])


def remarks(present: Catalogue, proposed: Catalogue, at: float) -> tuple[str, ...]:
    """Return what a preview of one catalogue against another cannot say, in words."""
    remarks = [_STREAMS]
    if (present.makers, present.fingerprints) != (proposed.makers, proposed.fingerprints):
        remarks.append(
            "makers or fingerprints change: gateways may come to know devices as something else than they reported"
        )
    if present.advisories != proposed.advisories:
        remarks.append("advisories change: devices are weighed against the new ones as their gateways will do it")
    coming = [waiver.id for waiver in proposed.waivers if waiver.starts_at > at and waiver not in present.waivers]
    if coming:
        remarks.append(f"new waivers that have not begun change nothing yet, and will: {', '.join(coming)}")
    known = {rule for policy in present.policies for rule in policy.rules}
    scheduled = [
        f"{rule.name} of {policy.id} on {day(rule.starts_at)}"
        for policy in proposed.policies
        for rule in policy.rules
        if rule.starts_at is not None and rule.starts_at > at and rule not in known
    ]
    if scheduled:
        remarks.append(f"new rules that have not begun change nothing yet, and will: {', '.join(scheduled)}")
    return tuple(remarks)


_STREAMS = (
    "recorder streams are those that cross a gateway, of recorders that told which cameras they record; "
    "others are not known. Declared recorders keep their streams at isolate"
)
