"""The kinds of emulated device, and making one of them with facts of one's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import Any

from bartizan import ids
from bartizan_lab.cameras.arecont import ArecontCamera
from bartizan_lab.cameras.axis.camera import AxisCamera
from bartizan_lab.cameras.axis.traits import AxisTraits
from bartizan_lab.cameras.bosch.camera import BoschCamera, BoschTraits
from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.dahua.camera import DahuaCamera
from bartizan_lab.cameras.dahua.traits import DahuaTraits
from bartizan_lab.cameras.hanwha.camera import HanwhaCamera
from bartizan_lab.cameras.hanwha.traits import HanwhaTraits
from bartizan_lab.cameras.hikvision.camera import HikvisionCamera
from bartizan_lab.cameras.hikvision.traits import NEUTRAL_NAMESPACE, HikvisionTraits, UpgradeForm
from bartizan_lab.cameras.lineage.camera import LineageRecorder
from bartizan_lab.cameras.lineage.traits import LineageTraits
from bartizan_lab.cameras.onvif.camera import OnvifCamera, OnvifTraits
from bartizan_lab.cameras.printer import Printer
from bartizan_lab.cameras.rarer_discovery import EDEN, NICEVISION, VISION360, VSTARCAM
from bartizan_lab.cameras.simple import SimpleCamera, SimpleTraits
from bartizan_lab.cameras.state import DeviceState, Setting
from bartizan_lab.cameras.uniview.camera import UniviewCamera
from bartizan_lab.cameras.uniview.traits import UniviewTraits
from bartizan_lab.cameras.vendor_discovery import FOSCAM, PANASONIC, SONY, UBIQUITI, VIVOTEK

PASSWORD = "Bartizan-lab-1"
"""Of every emulated device, unless told otherwise."""


@dataclass(frozen=True)
class Blueprint:
    """A kind of device with the facts it has unless told otherwise."""

    assemble: Callable[[DeviceState, Any, Setting], Camera]
    traits: Any
    model: str
    firmware: str
    build: date
    serial: str
    """A format of `model`, `number`, and `mac` without its colons."""
    oui: str
    user: str = "admin"


BLUEPRINTS: Mapping[str, Blueprint] = MappingProxyType(
    {
        "hikvision": Blueprint(
            HikvisionCamera,
            HikvisionTraits(),
            "DS-2CD2143G2-I",
            "V5.7.18",
            date(2024, 8, 26),
            "{model}20220919AAWRK{number:08}",
            "44:47:cc",
        ),
        "hikvision-oem": Blueprint(
            HikvisionCamera,
            HikvisionTraits(
                brand="Annke",
                manufacturer="",
                oem_code=26,
                platform="G3",
                namespace=NEUTRAL_NAMESPACE,
                server="webserver",
            ),
            "I51DL",
            "V5.5.800",
            date(2021, 6, 28),
            "{model}20210704AAWRF{number:08}",
            "bc:ad:28",
        ),
        "hikvision-nvr": Blueprint(
            HikvisionCamera,
            HikvisionTraits(
                platform="K21B1",
                device_type="NVR",
                hardware_version="B-R-K21B1-00",
                server="DNVRS-Webs",
                device_class=1,
                upgrade_form=UpgradeForm.PUT_RAW,
            ),
            "DS-7616NI-K2/16P",
            "V4.62.210",
            date(2023, 10, 12),
            "{model}1620201105CCWR{number:09}WCVU",
            "c0:56:e3",
        ),
        "dahua": Blueprint(
            DahuaCamera,
            DahuaTraits(),
            "IPC-HDW5831R-ZE",
            "2.800.0000016.0.R",
            date(2020, 6, 5),
            "5A04B5FPAG{number:05}",
            "3c:ef:8c",
        ),
        "dahua-oem": Blueprint(
            DahuaCamera,
            DahuaTraits(vendor="Intelbras", manufacturer="Intelbras", family="VIP-3230", processor="S3L"),
            "VIP-3230-D",
            "2.800.00IB004.0.R",
            date(2021, 3, 22),
            "NHKJ3801127{number:02}",
            "b4:4c:3b",
        ),
        "axis": Blueprint(
            AxisCamera,
            AxisTraits(),
            "P3265-V",
            "11.11.160",
            date(2025, 5, 20),
            "{mac}",
            "ac:cc:8e",
            user="root",
        ),
        "hanwha": Blueprint(
            HanwhaCamera,
            HanwhaTraits(),
            "QNV-8080R",
            "1.41.14_20230526_R372",
            date(2023, 5, 26),
            "ZPKE70GT{number:06}X",
            "e4:30:22",
        ),
        "hanwha-samsung": Blueprint(
            HanwhaCamera,
            HanwhaTraits(brand="Samsung Techwin", rtsp_realm="NET-i", modules=("Kernel", "App", "Web")),
            "SNB-6004",
            "3.10_141209",
            date(2014, 12, 9),
            "C0IV6V3F{number:06}K",
            "00:09:18",
        ),
        "uniview": Blueprint(
            UniviewCamera,
            UniviewTraits(),
            "IPC3614SB-ADF28KM",
            "DIPC-B1216.5.7.230109",
            date(2023, 1, 9),
            "210235C5{number:012}",
            "48:ea:63",
        ),
        "uniview-old": Blueprint(
            UniviewCamera,
            UniviewTraits(basic_info_only=True, main_stream="/media/video1"),
            "IPC3232ER3-DVZ28",
            "IPC_G6103 B6103.16.10.B25.201218",
            date(2020, 12, 18),
            "210235T2{number:012}",
            "6c:f1:7e",
        ),
        "uniview-nvr": Blueprint(
            UniviewCamera,
            UniviewTraits(done_status=599, device_type=2),
            "NVR301-04S2-P4",
            "NVR-B3801.20.17.240507",
            date(2024, 5, 7),
            "210235X4{number:012}",
            "88:26:3f",
        ),
        "bosch": Blueprint(
            BoschCamera,
            BoschTraits(),
            "NBE-3503-AL",
            "9.40.0025",
            date(2024, 11, 12),
            "0949205{number:011}",
            "00:04:63",
            user="service",
        ),
        "bosch-old": Blueprint(
            BoschCamera,
            BoschTraits(binary_discovery=True),
            "NBC-265-P",
            "5.97.0005",
            date(2015, 3, 2),
            "0440225{number:011}",
            "00:04:63",
            user="service",
        ),
        "lineage-tvt": Blueprint(
            LineageRecorder,
            LineageTraits(badge="Provision-ISR", title="WEB Client", nvms=True),
            "NVR5-8200PX",
            "1.4.11",
            date(2023, 4, 20),
            "N9A1{number:08}",
            "58:5b:69",
        ),
        "lineage-xiongmai": Blueprint(
            LineageRecorder,
            LineageTraits(badge="General", title="NETSurveillance WEB"),
            "NBD8016",
            "4.03.11",
            date(2018, 8, 30),
            "5d8e2f{number:010x}",
            "02:58:4d",  # of no maker: Xiongmai has no prefix that is known here
        ),
        "onvif": Blueprint(
            OnvifCamera, OnvifTraits(), "NC-200", "1.2.3", date(2023, 1, 9), "NC200-{number:06}", "00:02:d1"
        ),
        "vivotek": Blueprint(
            SimpleCamera,
            SimpleTraits(VIVOTEK, "VIVOTEK Inc."),
            "IB9387-H",
            "VVTK-0200c",
            date(2022, 5, 17),
            "{mac}",
            "00:02:d1",
            user="root",
        ),
        "foscam": Blueprint(
            SimpleCamera,
            SimpleTraits(FOSCAM, "Foscam"),
            "FI8910W",
            "11.37.2.49",
            date(2014, 4, 3),
            "{mac}",
            "00:62:6e",
        ),
        "sony": Blueprint(
            SimpleCamera,
            SimpleTraits(SONY, "Sony"),
            "SNC-VB770",
            "2.7.0",
            date(2019, 3, 5),
            "{number:07}",
            "00:01:4a",
        ),
        "panasonic": Blueprint(
            SimpleCamera,
            SimpleTraits(PANASONIC, "Panasonic"),
            "WV-S2136L",
            "3.00",
            date(2023, 6, 20),
            "XAV{number:05}",
            "d4:2d:c5",
        ),
        "ubiquiti": Blueprint(
            SimpleCamera,
            SimpleTraits(UBIQUITI, "Ubiquiti"),
            "UVC",
            "3.10.13",
            date(2020, 2, 11),
            "{mac}",
            "dc:9f:db",
            user="ubnt",
        ),
        "vision360": Blueprint(
            SimpleCamera,
            SimpleTraits(VISION360, "360 Vision Technology"),
            "IPDOME",
            "5.12",
            date(2017, 6, 1),
            "{mac}",
            "02:36:0a",  # of no maker: 360 Vision has no prefix that is known here
        ),
        "vstarcam": Blueprint(
            SimpleCamera,
            SimpleTraits(VSTARCAM, "VStarcam"),
            "C7824WIP",
            "66.81.204.19",
            date(2016, 4, 8),
            "VSTA{number:06}ABCDE",
            "02:86:00",  # as above
        ),
        "nicevision": Blueprint(
            SimpleCamera,
            SimpleTraits(NICEVISION, "NICE Systems"),
            "NVE1008",
            "4.1.0.12",
            date(2013, 9, 16),
            "{mac}",
            "02:20:07",  # as above
        ),
        "eden": Blueprint(
            SimpleCamera,
            SimpleTraits(EDEN, "Eden Innovations"),
            "Optima box",
            "3.0",
            date(2019, 2, 4),
            "{mac}",
            "02:80:88",  # as above
        ),
        "arecont": Blueprint(
            lambda state, _, setting: ArecontCamera(state, setting),
            None,
            "AV2256PM",
            "65203",
            date(2017, 3, 2),
            "{mac}",
            "00:1a:07",
        ),
        "printer": Blueprint(
            lambda state, _, setting: Printer(state, setting),
            None,
            "Example LaserJob 400",
            "20230915",
            date(2023, 9, 15),
            "LJ4{number:08}",
            "00:1b:a9",
        ),
    }
)
KINDS = tuple(BLUEPRINTS)

_STATE_FACTS = frozenset({"model", "firmware", "build", "serial", "mac", "users", "factory_state", "faults"})


def make(kind: str, *, number: int = 1, setting: Setting | None = None, **facts: Any) -> Camera:
    """Return a device of that kind.

    Args:
        kind: One of `KINDS`.
        number: Tells devices of a kind apart: serial number and MAC follow from it.
        setting: What surrounds it; one of its own, without a cloud, if left out.
        facts: Fields of `DeviceState` and of the maker's traits. `build` may be ISO 8601 text; `password` is that of
            the kind's own user. What is left out is as the blueprint has it.

    Raises:
        ValueError: There is no such kind.
        TypeError: A fact is none of these fields.
    """
    blueprint = BLUEPRINTS.get(kind)
    if blueprint is None:
        raise ValueError(f"there is no kind {kind!r}: choose one of {', '.join(KINDS)}")
    users = {blueprint.user: facts.pop("password", PASSWORD)}
    state_facts = {name: facts.pop(name) for name in _STATE_FACTS & facts.keys()}
    if facts and blueprint.traits is None:
        raise TypeError(f"a {kind} has no {', '.join(sorted(facts))}")
    traits = replace(blueprint.traits, **facts) if facts else blueprint.traits
    state = _state(blueprint, number, {"users": users, **state_facts})
    return blueprint.assemble(state, traits, setting or Setting())


def _state(blueprint: Blueprint, number: int, facts: dict[str, Any]) -> DeviceState:
    model = facts.pop("model", blueprint.model)
    mac = ids.mac(facts.pop("mac", f"{blueprint.oui}{number:06x}"))
    serial = blueprint.serial.format(model=model, number=number, mac=mac.replace(":", "").upper())
    build = facts.pop("build", blueprint.build)
    factory_state = facts.pop("factory_state", False)
    return DeviceState(
        model=model,
        serial=facts.pop("serial", serial),
        mac=mac,
        firmware=facts.pop("firmware", blueprint.firmware),
        build=build if isinstance(build, date) else date.fromisoformat(build),
        users={} if factory_state else dict(facts.pop("users")),
        factory_state=factory_state,
        faults=set(facts.pop("faults", ())),
    )
