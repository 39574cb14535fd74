"""From what people ask for to waves: which devices an image suits, which are left out and why. Pure."""

import hashlib
import math
from collections.abc import Iterable, Mapping

import msgspec

from bartizan.firmware.model import Image
from bartizan.firmware.suitability import why_not
from bartizan.identity.model import Device
from bartizan.ids import DeviceId, ImageId, RolloutId, SiteId, slug
from bartizan.policy.facts import Facts
from bartizan.policy.model import Selector, SiteFacts
from bartizan.policy.selectors import compile_selector
from bartizan.trust.content import Catalogue
from bartizan_controller.rollouts.model import Intent, Limits, Target, Wave

COVERAGE = "covers:"
"""Device tags that begin so name a place that is watched: `covers:gate`."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody asks for. Fields left empty do not restrict."""

    id: RolloutId
    image: ImageId
    wave_percents: tuple[int, ...] = (10, 50, 100)
    """How much of all devices is done at the end of each wave; rising, the last is 100."""
    limits: Limits = Limits()
    sites: tuple[SiteId, ...] = ()
    devices: tuple[DeviceId, ...] = ()
    selector: Selector | None = None


class Choice(msgspec.Struct, frozen=True):
    """The devices of a rollout, and those that were asked for and left out, with every reason."""

    intent: Intent
    left_out: dict[DeviceId, tuple[str, ...]]


def choose(
    request: Request, catalogue: Catalogue, inventory: Iterable[tuple[SiteId, Device]], *, by: str, now: float
) -> Choice:
    """Return the rollout that a request leads to.

    Raises:
        ValueError: The name, the waves or the limits make no sense, the catalogue does not hold the image, or no
            device is left; the text says which and why.
    """
    _check(request)
    image = next((image for image in catalogue.images if image.id == request.image), None)
    if image is None:
        raise ValueError(f"the catalogue holds no image {request.image}: add it, and have two people approve it")
    sites = {facts.id: facts for facts in catalogue.sites}
    wanted = [(site, device) for site, device in inventory if _is_asked_for(request, catalogue, sites, site, device)]
    left_out = {device.id: reasons for _, device in wanted if (reasons := why_not(image, device))}
    targets = [_target(sites, site, device) for site, device in wanted if device.id not in left_out]
    if not targets:
        raise ValueError(_nobody(image, left_out))
    intent = Intent(
        id=request.id,
        image=request.image,
        waves=_waves(_shuffled(request.id, targets), request.wave_percents),
        limits=request.limits,
        created_by=by,
        created_at=now,
    )
    return Choice(intent, left_out)


def _check(request: Request) -> None:
    slug(request.id)
    percents = request.wave_percents
    if not percents or percents[-1] != 100 or list(percents) != sorted(set(percents)) or percents[0] < 1:
        raise ValueError(f"waves {percents} make no sense: give rising percentages that end with 100, as in 10,50,100")
    limits = request.limits
    if not (0 <= limits.success_percent <= 100 and 0 <= limits.failure_percent <= 100):
        raise ValueError("success and failure thresholds are percentages, 0 to 100")
    if limits.per_site < 1 or limits.minimum_sample < 1 or limits.soak_seconds < 0 or limits.silence_seconds <= 0:
        raise ValueError("limits make no sense: at least one device per site and sample, no negative times")


def _is_asked_for(
    request: Request, catalogue: Catalogue, sites: Mapping[SiteId, SiteFacts], site: SiteId, device: Device
) -> bool:
    if request.sites and site not in request.sites:
        return False
    if request.devices and device.id not in request.devices:
        return False
    if request.selector is None:
        return True
    facts = sites.get(site)
    if facts is None:
        return False
    return compile_selector(request.selector, Facts(facts, catalogue.makers, catalogue.advisories))(device) is True


def _target(sites: Mapping[SiteId, SiteFacts], site: SiteId, device: Device) -> Target:
    tags = sites[site].device_tags.get(device.id, ()) if site in sites else ()
    return Target(site, device.id, next((tag.removeprefix(COVERAGE) for tag in tags if tag.startswith(COVERAGE)), ""))


def _shuffled(rollout: RolloutId, targets: Iterable[Target]) -> list[Target]:
    """Spread sites and models over the waves, the same way each time for the same rollout."""
    return sorted(targets, key=lambda target: hashlib.sha256(f"{rollout}/{target.device}".encode()).digest())


def _waves(targets: list[Target], percents: tuple[int, ...]) -> tuple[Wave, ...]:
    ends = [math.ceil(len(targets) * percent / 100) for percent in percents]
    parts = [tuple(targets[begin:end]) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
    return tuple(Wave(f"wave {number}", part) for number, part in enumerate(filter(None, parts), 1))


def _nobody(image: Image, left_out: Mapping[DeviceId, tuple[str, ...]]) -> str:
    if not left_out:
        return "no device is asked for: check the site names and the selector"
    some = "; ".join(f"{device}: {', '.join(reasons)}" for device, reasons in list(left_out.items())[:3])
    return f"{image.file_name} suits none of the {len(left_out)} devices asked for ({some})"
