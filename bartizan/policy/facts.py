"""What is known of a device at a site, subject by subject: the values, what else may be true, and whether that is all.

A fact that is not known is not false. `Known.complete` says whether more may be true than the values say; `possible`
names single values of which it cannot be told.
"""

from collections.abc import Callable, Collection, Hashable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from bartizan.firmware.model import Advisory
from bartizan.identity.model import Device, Kind
from bartizan.ids import OrganisationId, SiteId
from bartizan.policy.model import HardeningDuty, Maker, SegmentFacts, SiteFacts, Subject
from bartizan.policy.sense import TIME_LIMIT


class Known(NamedTuple):
    """What is known of one subject."""

    values: tuple[str, ...]
    possible: tuple[str, ...] = ()
    complete: bool = True


Reading = Callable[[Device], Known]
Key = Callable[[Device], Hashable]

UNKNOWN = Known((), complete=False)


def unlisted_site(site: SiteId) -> SiteFacts:
    """Return the facts of a site that the catalogue does not list: sensitive, of no known organisation, no segments."""
    return SiteFacts(id=site, organisation=OrganisationId(""))


def site_facts(sites: Collection[SiteFacts], site: SiteId) -> SiteFacts:
    """Return what the catalogue declares of a site; the worst that can be true if it declares nothing.

    Of a standby these are the facts of the site that it stands by for, whose cameras it has, with its own segments
    where it declares any. It tries no passwords: two gateways would try twice.
    """
    own, served = _listed(sites, site), _served(sites, site)
    if own is None:
        return unlisted_site(site)
    if served is None:
        return own
    return replace(served, segments=own.segments or served.segments, default_password_check=False)


def served_by(sites: Collection[SiteFacts], gateway: SiteId) -> SiteId:
    """Return the site whose policy and orders a gateway carries out: its own, or the one that it stands by for."""
    served = _served(sites, gateway)
    return gateway if served is None else served.id


def standbys(sites: Collection[SiteFacts]) -> dict[SiteId, SiteId]:
    """Return, of every gateway that stands by, for which site: what `served_by` says, for all of an estate."""
    listed = {facts.id: facts for facts in sites}
    return {
        facts.id: facts.standby_for
        for facts in sites
        if facts.standby_for is not UNSET
        and (served := listed.get(facts.standby_for)) is not None
        and served.standby_for is UNSET
    }


def standbys_of(sites: Collection[SiteFacts], site: SiteId) -> tuple[SiteId, ...]:
    """Return the gateways that stand by for a site."""
    return tuple(facts.id for facts in sites if facts.standby_for == site and served_by(sites, facts.id) == site)


def _served(sites: Collection[SiteFacts], gateway: SiteId) -> SiteFacts | None:
    own = _listed(sites, gateway)
    if own is None or own.standby_for is UNSET:
        return None
    served = _listed(sites, own.standby_for)
    return None if served is None or served.standby_for is not UNSET else served


def _listed(sites: Collection[SiteFacts], site: SiteId) -> SiteFacts | None:
    return next((facts for facts in sites if facts.id == site), None)


class Facts:
    """Reads facts of devices at one site, against one catalogue's makers and advisories."""

    def __init__(self, site: SiteFacts, makers: Iterable[Maker], advisories: Iterable[Advisory]) -> None:
        self.site = site
        self.makers = {maker.id: maker for maker in makers}
        self.exploited = frozenset(advisory.id for advisory in advisories if advisory.known_exploited_since)
        self._segments = {segment.interface: segment for segment in site.segments}
        self._about_site = {
            Subject.SITE: Known((site.id,)),
            Subject.SITE_SENSITIVITY: Known((site.sensitivity.value,)),
            Subject.SITE_TAG: Known(site.tags),
            Subject.ORGANISATION: _one(site.organisation),
        }
        self._about_device: dict[Subject, Reading] = {
            Subject.MAKER: lambda device: _one(device.identity.maker),
            Subject.JURISDICTION: self._of_maker(lambda maker: _one(maker.jurisdiction)),
            # Where a company is not known to be incorporated, nobody can say which laws it is not subject to.
            Subject.SUBJECT_TO: self._of_maker(
                lambda maker: Known(maker.subject_to, complete=bool(maker.jurisdiction))
            ),
            Subject.LISTED_BY: self._of_maker(lambda maker: Known(maker.listed_by)),
            Subject.CONFIDENCE: lambda device: Known((str(device.identity.confidence),)),
            Subject.BRAND: lambda device: _one(device.identity.brand),
            Subject.KIND: lambda device: _kind(device.identity.kind),
            Subject.MODEL: lambda device: _one(device.identity.model),
            Subject.FIRMWARE: lambda device: _one(device.identity.firmware),
            Subject.VULNERABLE_TO: _vulnerable_to,
            Subject.KNOWN_EXPLOITED: self._known_exploited,
            Subject.HARDENING: _hardening_failed,
            Subject.FIRST_SEEN: lambda device: _one(day(device.first_seen)),
            Subject.DEVICE_TAG: lambda device: Known(site.device_tags.get(device.id, ())),
            Subject.ZONE: self._zone,
        }

    def about_site(self, subject: Subject) -> Known | None:
        """Return what is known of a subject that is the same for every device; None if it differs."""
        return self._about_site.get(subject)

    def about_device(self, subject: Subject) -> Reading:
        """Return how a subject is read off a device."""
        known = self._about_site.get(subject)
        return self._about_device[subject] if known is None else lambda _device: known

    def key(self, subject: Subject) -> Key | None:
        """Return the one thing of a device that decides what is known of a subject; None if there are several."""
        return _KEYS.get(subject)

    def segment(self, device: Device) -> SegmentFacts:
        """Return the segment that a device is on; one that isolates strangers if it is not declared."""
        return self._segments.get(device.interface) or SegmentFacts(device.interface)

    def maker(self, device: Device) -> Maker | None:
        """Return the device's maker as the catalogue describes it."""
        return self.makers.get(device.identity.maker)

    def _of_maker(self, read: Callable[[Maker], Known]) -> Reading:
        by_maker = {maker.id: read(maker) for maker in self.makers.values()}
        # A maker that the catalogue does not describe may be subject to anything.
        return lambda device: by_maker.get(device.identity.maker, UNKNOWN)

    def _zone(self, device: Device) -> Known:
        return _one(self.segment(device).zone)

    def _known_exploited(self, device: Device) -> Known:
        if not self.exploited.isdisjoint(device.vulnerabilities):
            return _TRUE
        if not self.exploited.isdisjoint(device.undecided) or not _is_firmware_known(device):
            return UNKNOWN
        return _FALSE


def _vulnerable_to(device: Device) -> Known:
    return Known(device.vulnerabilities, device.undecided, complete=_is_firmware_known(device))


def _hardening_failed(device: Device) -> Known:
    """A check that nothing could be read for may have failed."""
    told = {*device.hardening.failed, *device.hardening.met}
    unread = tuple(duty.value for duty in HardeningDuty if duty.value not in told)
    return Known(tuple(device.hardening.failed), unread)


def _is_firmware_known(device: Device) -> bool:
    """Without maker, model and firmware no advisory was ever weighed: silence is not health."""
    identity = device.identity
    return bool(identity.maker and identity.model and identity.firmware)


def _one(text: str) -> Known:
    return Known((text,)) if text else UNKNOWN


def _kind(kind: Kind) -> Known:
    return UNKNOWN if kind is Kind.UNKNOWN else Known((kind.value,))


def day(seconds: float) -> str:
    """Return the UTC day of a time as ISO 8601; empty for none."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat() if 0 < seconds < TIME_LIMIT else ""


_TRUE = Known(("true",))
_FALSE = Known(("false",))
_KEYS: dict[Subject, Key] = {
    Subject.MAKER: lambda device: device.identity.maker,
    Subject.JURISDICTION: lambda device: device.identity.maker,
    Subject.SUBJECT_TO: lambda device: device.identity.maker,
    Subject.LISTED_BY: lambda device: device.identity.maker,
    Subject.CONFIDENCE: lambda device: device.identity.confidence,
    Subject.BRAND: lambda device: device.identity.brand,
    Subject.KIND: lambda device: device.identity.kind,
    Subject.MODEL: lambda device: device.identity.model,
    Subject.ZONE: lambda device: device.interface,
}
