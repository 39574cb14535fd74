"""From what two people signed to sites: who is in which stage. Pure, and the same each time for the same push."""

import hashlib
import math
from collections.abc import Collection, Iterator, Mapping

from bartizan.identity.model import Device, Identity
from bartizan.ids import DeviceId, SiteId
from bartizan.policy.facts import Facts, site_facts, standbys
from bartizan.policy.model import Selector
from bartizan.policy.selectors import compile_selector
from bartizan.trust.content import Catalogue
from bartizan.trust.push import Push
from bartizan_controller.pushes.model import Stage

CANARY, REST = "canary", "the rest"
_ANY_DEVICE = Device(DeviceId("any"), Identity(), "")


def stages(push: Push, catalogue: Catalogue, gateways: Collection[SiteId]) -> tuple[Stage, ...]:
    """Return the stages of a push over these gateways. Each is in one of them; stages without any are left out.

    Waves are shares of the sites: a gateway that stands by for one goes with it, so that a take-over never brings
    another policy, and though it is none of these, so that people see it. Canaries are kept as they were signed, though
    none of these: they are waited for.
    """
    served = standbys(catalogue.sites)
    sites = [gateway for gateway in gateways if gateway not in served]
    made = [Stage(CANARY, push.canary)]
    left = [site for site in _shuffled(push.policy, sites) if site not in push.canary]
    for number, wave in enumerate(push.waves, 1):
        if wave.selector is not None:
            taken = [site for site in left if _matches(wave.selector, catalogue, site)]
        else:
            done = len(sites) - len(left)
            taken = left[: max(0, math.ceil(len(sites) * (wave.percent or 0) / 100) - done)]
        made.append(Stage(f"wave {number}", tuple(sorted(taken))))
        left = [site for site in left if site not in set(taken)]
    made.append(Stage(REST, tuple(sorted(left))))
    beside = {gateway: site for gateway, site in served.items() if gateway not in push.canary}
    return tuple(_with_standbys(stage, beside) for stage in made if stage.sites)


def _with_standbys(stage: Stage, served: Mapping[SiteId, SiteId]) -> Stage:
    beside: dict[SiteId, tuple[SiteId, ...]] = {}
    sites = set(stage.sites)
    for gateway, site in sorted(served.items()):
        if site in sites:
            beside[site] = (*beside.get(site, ()), gateway)
    return Stage(stage.name, stage.sites, beside)


def _matches(selector: Selector, catalogue: Catalogue, site: SiteId) -> bool:
    facts = Facts(site_facts(catalogue.sites, site), catalogue.makers, catalogue.advisories)
    return compile_selector(selector, facts)(_ANY_DEVICE) is True


def _shuffled(policy: int, sites: Collection[SiteId]) -> Iterator[SiteId]:
    return iter(sorted(sites, key=lambda site: hashlib.sha256(f"{policy}/{site}".encode()).digest()))
