"""The page about what is supported, read off drivers, their models and the emulated cameras that prove them."""

from collections.abc import Iterator

from bartizan.firmware.model import Advisory
from bartizan.policy.model import Maker
from bartizan_agent.drivers import DRIVERS
from bartizan_agent.drivers.contract import Driver
from bartizan_lab.cameras.registry import BLUEPRINTS

INTRODUCTION = """\
# Supported devices

Made from the drivers, their `models.toml`, `policies/` and the lab's emulated cameras. A claim here never goes beyond its
evidence, and the evidence has three tiers:

| tier | what it means |
|---|---|
| described | written after the maker's documentation or code of others; never tried |
| emulated | whole updates, and what can go wrong in them, run in the tests against an emulated camera of this maker's kind, which clients of other projects take for a real one where there are such clients |
| real | tried on a real device, whose answers are recorded in the tests |

**Nothing is at the tier "real" yet.** No real camera was at hand. Before you update a model of yours for the first time, read its
driver's README, choose one unit that may fail, and roll out to it alone (`bartizan rollout start NAME --image IMAGE --device ID`).

Seeing and containing need no driver: a device of any maker, or of none that is known, is found and can be held at any level. Drivers
read cameras with a login and update them.

## Drivers

| driver | makers | tier | emulated as |
|---|---|---|---|
"""
MODELS = """\

## Models

A model is updated only if a family of its maker's driver covers it. "Longest" is how long one update may keep it from working,
at worst; it has to fit into the maintenance window. "Goes back" says whether the device can return to the image before.

| driver | family | models | image goes by | longest | goes back | what must be so | rests on |
|---|---|---|---|---|---|---|---|
"""
FOUND_BY = """\

## How devices are found

All of these are tried against emulated devices; ONVIF, mDNS and Hikvision's and Dahua's own protocols also with programs and libraries
of other projects, where such exist.

| way | who answers |
|---|---|
| ONVIF WS-Discovery | ONVIF cameras and recorders of any maker |
| SADP | Hikvision, and badges on its units |
| DHDiscover | Dahua, and badges on its units |
| Hanwha's own (UDP 7701) | Hanwha, and Samsung Techwin before it |
| mDNS | Axis among others (needs the extra `bartizan-agent[mdns]`) |
| SSDP | whatever has UPnP on |
| neighbour table and sweep | everything that has an address |
| HTTP, HTTPS and RTSP greetings, open ports | cameras that answer nothing else |
"""


def supported(makers: tuple[Maker, ...], advisories: tuple[Advisory, ...]) -> str:
    """Return the page, in Markdown."""
    names = {maker.id: maker.name for maker in makers}
    return "".join(
        (
            INTRODUCTION,
            *(_driver(driver, names) for driver in DRIVERS),
            MODELS,
            *(row for driver in DRIVERS for row in _families(driver)),
            FOUND_BY,
            _known(makers, advisories),
        )
    )


def emulated_as(driver: Driver) -> tuple[str, ...]:
    """Return the kinds of emulated device that the tests update with this driver."""
    return tuple(
        kind
        for kind, blueprint in BLUEPRINTS.items()
        if kind.partition("-")[0] == driver.name and driver.family(blueprint.model, "") is not None
    )


def _driver(driver: Driver, names: dict[str, str]) -> str:
    kinds = emulated_as(driver)
    link = f"[{driver.name}](agent/bartizan_agent/drivers/{driver.name}/README.md)"
    makers = ", ".join(names.get(maker, maker.title()) for maker in driver.makers)
    return f"| {link} | {makers} | {'emulated' if kinds else 'described'} | {', '.join(kinds) or '-'} |\n"


def _families(driver: Driver) -> Iterator[str]:
    for family in driver.families:
        minutes = f"{family.worst_case_seconds / 60:.0f} min"
        models = " ".join(f"`{pattern}`" for pattern in family.models)
        back = "yes" if family.rolls_back else "no"
        needs = "; ".join(family.needs) or "-"
        cells = (driver.name, family.name, models, family.upload.value, minutes, back, needs, family.source)
        yield f"| {' | '.join(cells)} |\n"


def _known(makers: tuple[Maker, ...], advisories: tuple[Advisory, ...]) -> str:
    ours = {name for driver in DRIVERS for name in driver.makers}
    others = ", ".join(sorted((maker.name for maker in makers if maker.id not in ours), key=str.lower))
    return (
        f"\n## What is known without a driver\n\n{len(makers)} makers ([makers.yaml](policies/makers.yaml)) and "
        f"{len(advisories)} published advisories ([advisories](policies/advisories)).\n"
        f"Units of these are recognised and contained, and nobody updates them from here: {others}.\n"
    )
