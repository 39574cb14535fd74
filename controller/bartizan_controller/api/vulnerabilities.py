"""How devices stand to published vulnerabilities, by the published catalogue."""

from datetime import date
from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.params import FromPath, QueryParameter

from bartizan.firmware.match import Finding, by_urgency, findings
from bartizan.firmware.model import Advisory, Grade
from bartizan.ids import DeviceId, SiteId
from bartizan_controller.api.access import Asking, TheParts
from bartizan_controller.store import devices
from bartizan_controller.store.advisories import open_devices

IsExploited = Annotated[bool | None, QueryParameter(description="Only those in the KEV catalogue, or only the others.")]
DueBefore = Annotated[date | None, QueryParameter(description="Only those of the KEV catalogue due before this day.")]
IsOpen = Annotated[bool | None, QueryParameter(description="Only those that a device is open to, or only the others.")]


class DeviceFindings(msgspec.Struct, frozen=True):
    """One device against every advisory about its maker."""

    site: SiteId
    device: DeviceId
    catalogue: dict[str, int]
    """The versions that it was judged by. The gateway judges by the ones that it has accepted."""
    findings: tuple[Finding, ...]
    """Open first, exploited first, then by score."""


class AdvisoryExposure(msgspec.Struct, frozen=True):
    """One advisory of the catalogue, and how many devices are open to it."""

    advisory: str
    maker: str
    title: str
    cvss: float | None
    known_exploited_since: str
    """ISO 8601; empty if it is not in CISA's KEV catalogue."""
    due: str
    grade: Grade
    devices: int
    """As gateways reported: devices that are sure to be open to it."""


@get("/sites/{site:str}/devices/{device:str}/findings", summary="Show what a device is vulnerable to, and why")
async def show_findings(
    request: Asking, parts: TheParts, site: FromPath[SiteId], device: FromPath[DeviceId]
) -> DeviceFindings:
    """The verdict of every advisory about its maker (vulnerable, unknown, fixed, not-affected), the rule, and why."""
    state = await parts.database.read(lambda c: devices.find(c, site, device, request.user.scope))
    publication = parts.publication
    found = by_urgency(findings(state.device.identity, publication.catalogue.advisories))
    return DeviceFindings(site, device, publication.versions, found)


@get("/advisories", summary="List advisories, and how many devices are open to each")
async def list_exposure(
    request: Asking,
    parts: TheParts,
    exploited: IsExploited = None,
    due_before: DueBefore = None,
    open_to: IsOpen = None,
) -> tuple[AdvisoryExposure, ...]:
    """Those of the published catalogue: first what devices are open to, of that first what is known to be exploited."""
    counted = await parts.database.read(lambda c: open_devices(c, request.user.scope))
    listed = (_exposure(each, counted) for each in parts.publication.catalogue.advisories)
    wanted = (
        each
        for each in listed
        if exploited in {None, bool(each.known_exploited_since)}
        and (due_before is None or "" < each.due < due_before.isoformat())
        and open_to in {None, each.devices > 0}
    )
    return tuple(sorted(wanted, key=_urgency))


def _exposure(advisory: Advisory, counted: dict[tuple[str, str], int]) -> AdvisoryExposure:
    return AdvisoryExposure(
        advisory=advisory.id,
        maker=advisory.maker,
        title=advisory.title,
        cvss=advisory.cvss,
        known_exploited_since=advisory.known_exploited_since,
        due=advisory.due,
        grade=advisory.grade,
        devices=counted.get((advisory.id, advisory.maker), 0),
    )


def _urgency(each: AdvisoryExposure) -> tuple[bool, bool, int, float, str]:
    return not each.devices, not each.known_exploited_since, -each.devices, -(each.cvss or 0), each.advisory


router = Router("/", tags=["vulnerabilities"], route_handlers=[show_findings, list_exposure])
