"""The demonstration's estate: a sensitive town hall and an ordinary leisure centre."""

from bartizan.ids import SiteId, mac
from bartizan_lab.site import plan
from bartizan_lab.site.plan import CameraPlan, SitePlan

ORGANISATION = "county"
TOWN_HALL, LEISURE = SiteId("town-hall"), SiteId("leisure-centre")

OLD, NEW = ("V5.5.0", "2018-03-26"), ("V5.7.18", "2024-08-26")
MODEL, PLATFORM = "DS-2CD2143G2-I", "G5"
_OLD_FACTS = {"model": MODEL, "firmware": OLD[0], "build": OLD[1], "platform": PLATFORM}

SITES = (
    SitePlan(
        TOWN_HALL,
        1,
        (
            CameraPlan("gate", "hikvision", 0, mac("44:47:cc:00:01:00"), _OLD_FACTS),
            CameraPlan("yard", "hikvision", 1, mac("44:47:cc:00:01:01"), _OLD_FACTS),
            CameraPlan("chamber", "hikvision-oem", 2, mac("bc:ad:28:00:01:02")),
            CameraPlan("lobby", "axis", 3, mac("ac:cc:8e:00:01:03")),
            CameraPlan("stairs", "dahua", 4, mac("3c:ef:8c:00:01:04")),
            CameraPlan("copier", "printer", 5, mac("00:1b:a9:00:01:05")),
        ),
    ),
    SitePlan(
        LEISURE,
        2,
        (
            CameraPlan("pool", "hikvision", 0, mac("44:47:cc:00:02:00"), _OLD_FACTS),
            CameraPlan("car-park", "hikvision", 1, mac("44:47:cc:00:02:01"), _OLD_FACTS),
            CameraPlan("foyer", "dahua-oem", 2, mac("b4:4c:3b:00:02:02")),
            CameraPlan("gym", "onvif", 3, mac("00:02:d1:00:02:03")),
        ),
    ),
)
NEWCOMER = CameraPlan("newcomer", "dahua", 9, mac("3c:ef:8c:00:01:09"))
"""Plugged in at the town hall while nobody is there to tell anybody."""


def site_document() -> str:
    """Return what two people sign about the sites."""
    return "sites:\n" + "".join(
        f"""  - site: {site.id}
    organisation: {ORGANISATION}
    sensitivity: {"sensitive" if site.id == TOWN_HALL else "ordinary"}
    estate-networks: [{", ".join(plan.ESTATE_NETWORKS)}]
    recorders: ["{site.recorder}"]
    segments:
      - interface: {plan.CAMERA_INTERFACE}
        zone: cameras
        default-level: {"isolate" if site.id == TOWN_HALL else "block-egress"}
"""
        for site in SITES
    )


def credential_document() -> str:
    """Return the camera passwords of a site, as an operator keeps them."""
    from bartizan_lab.cameras.registry import BLUEPRINTS, PASSWORD

    users = {"hikvision": "hikvision", "dahua": "dahua", "axis": "axis"}
    return "".join(
        f'[makers.{maker}]\nusername = "{BLUEPRINTS[kind].user}"\npassword = "{PASSWORD}"\n'
        for maker, kind in users.items()
    )
