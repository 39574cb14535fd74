"""The page about what is supported, read off drivers, their models and the emulated cameras that prove them."""

from collections.abc import Iterator

from bartizan.firmware.model import Advisory
from bartizan.policy.model import Maker
from bartizan_agent.drivers import DRIVERS
from bartizan_agent.drivers.contract import Driver, Tier
from bartizan_agent.recordings.model import Of, Recording, decode
from bartizan_lab.cameras.registry import BLUEPRINTS
from bartizan_lab.recordings import FOLDER

INTRODUCTION = """\
# Supported devices

Made from the drivers, their `models.toml`, `policies/` and the lab's emulated cameras. Seeing and containing need no driver: a device
of any maker, or of none that is known, is found and can be held at any level. Drivers log in to devices, and do so in tiers:

| tier | what its driver does |
|---|---|
| sees | reads who a device is: serial number, model, version |
| contains | reads its stream and picture as well, so that it is known whether a contained device still does its work |
| updates | gives it firmware as well, and proves that it works afterwards |

A claim here never goes beyond its evidence:

| evidence | what it means |
|---|---|
| description | written after the maker's documentation or code of others; never tried |
| emulator | what the tier says, and what can go wrong in it, runs in the tests against an emulated device of this maker's kind, which clients of other projects take for a real one where there are such clients |
| device | tried on a real device, whose answers are recorded in the tests |

"""
NOTHING_REAL = '**Nothing has the evidence "device" yet.** No real camera was at hand. '
ADVICE = """\
Before you update a model of yours for the first time, read its
driver's README, choose one unit that may fail, and roll out to it alone (`bartizan rollout start NAME --image IMAGE --device ID`).

## Drivers

| driver | makers | tier | evidence | emulated as |
|---|---|---|---|---|
"""
MODELS = """\

## Models

A model is updated only if a family of its maker's driver covers it. "Longest" is how long one update may keep it from working,
at worst: plan for it. "Goes back" says whether the device can return to the image before.

| driver | family | models | image goes by | longest | goes back | what must be so | rests on |
|---|---|---|---|---|---|---|---|
"""
RECORDED = """\

## Recorded

Devices whose answers are kept under `tests/recordings/` and read again by the tests of their driver. A recording of an emulator proves
that the driver fits the emulator, and no more. `bartizan-agent record DEVICE` makes one of a device of yours.

| driver | model | firmware | recorded of |
|---|---|---|---|
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
| mDNS | Axis, Arecont (needs the extra `bartizan-agent[mdns]`) |
| SSDP | whatever has UPnP on |
| DHCP requests, overheard | Axis: model and firmware |
| vendors' own broadcasts | Hanwha, Bosch, Vivotek, Foscam, Sony, Panasonic (i-PRO), Ubiquiti, 360 Vision, VStarcam, NiceVision, Eden Optima |
| neighbour table and sweep | everything that has an address |
| HTTP, HTTPS and RTSP greetings, open ports | cameras that answer nothing else |
"""
BUILD_NO_CAMERAS = frozenset({"realtek"})
"""Makers of parts, which stand in the catalogue for the advisories about these."""


def supported(makers: tuple[Maker, ...], advisories: tuple[Advisory, ...]) -> str:
    """Return the page, in Markdown."""
    names = {maker.id: maker.name for maker in makers}
    return "".join(
        (
            INTRODUCTION,
            "" if any(_evidence(driver) == Of.DEVICE.value for driver in DRIVERS) else NOTHING_REAL,
            ADVICE,
            *(_driver(driver, names) for driver in DRIVERS),
            MODELS,
            *(row for driver in DRIVERS for row in _families(driver)),
            RECORDED,
            *(row for driver in DRIVERS for row in _recorded(driver)),
            FOUND_BY,
            _known(makers, advisories),
        )
    )


def emulated_as(driver: Driver) -> tuple[str, ...]:
    """Return the kinds of emulated device with which the tests try all that the driver's tier says."""
    return tuple(
        kind
        for kind, blueprint in BLUEPRINTS.items()
        if kind.partition("-")[0] == driver.name
        and (driver.tier is not Tier.UPDATES or driver.family(blueprint.model, "") is not None)
    )


def recordings(driver: Driver) -> tuple[Recording, ...]:
    """Return what was recorded for the driver's tests."""
    return tuple(decode(path.read_bytes()) for path in sorted((FOLDER / driver.name).glob("*.json")))


def _driver(driver: Driver, names: dict[str, str]) -> str:
    kinds = emulated_as(driver)
    link = f"[{driver.name}](agent/bartizan_agent/drivers/{driver.name}/README.md)"
    makers = ", ".join(names.get(maker, maker.title()) for maker in driver.makers)
    return f"| {link} | {makers} | {driver.tier.value} | {_evidence(driver)} | {', '.join(kinds) or '-'} |\n"


def _evidence(driver: Driver) -> str:
    if any(recording.of is Of.DEVICE for recording in recordings(driver)):
        return Of.DEVICE.value
    return Of.EMULATOR.value if emulated_as(driver) else "description"


def _recorded(driver: Driver) -> Iterator[str]:
    for recording in recordings(driver):
        state = recording.state
        yield f"| {driver.name} | {state.model} | {state.firmware} | {recording.of.value} |\n"


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
    recognised = [maker for maker in makers if maker.id not in BUILD_NO_CAMERAS]
    others = ", ".join(sorted((maker.name for maker in recognised if maker.id not in ours), key=str.lower))
    return (
        f"\n## What is known without a driver\n\n{len(recognised)} makers ([makers.yaml](policies/makers.yaml)) and "
        f"{len(advisories)} published advisories ([advisories](policies/advisories)).\n"
        f"Units of these are recognised and contained, and nobody updates them from here: {others}.\n"
    )
