"""The sites of these tests, and the documents that people sign about them."""

from bartizan.ids import SiteId, mac
from bartizan_lab.cameras.registry import BLUEPRINTS, PASSWORD
from bartizan_lab.site import plan
from bartizan_lab.site.plan import CameraPlan, SitePlan

ORGANISATION = "county"
KINDS = ("hikvision", "hikvision-oem", "dahua", "dahua-oem", "axis", "onvif", "printer")
LISTED = ("hikvision", "dahua")
"""Who really built the kinds of camera that the policy uk-hcws386 speaks of."""
_MAC_PREFIXES = {kind: BLUEPRINTS[kind].oui for kind in KINDS}


def site(name: str, number: int, *cameras: CameraPlan) -> SitePlan:
    """Return a site with these cameras; its number makes its addresses."""
    return SitePlan(SiteId(name), number, cameras)


def camera(name: str, kind: str, number: int, **facts: object) -> CameraPlan:
    """Return a camera of a kind, with a MAC address that its maker could have given it."""
    return CameraPlan(name, kind, number, mac(f"{_MAC_PREFIXES[kind]}:00:77:{number:02x}"), facts)


def listed(place: SitePlan) -> tuple[CameraPlan, ...]:
    """Return the cameras of a site that uk-hcws386 speaks of, by the lab's own truth of who made them."""
    return tuple(each for each in place.cameras if each.kind.partition("-")[0] in LISTED)


def addresses(place: SitePlan, *cameras: CameraPlan) -> tuple[str, ...]:
    """Return the IPv4 and IPv6 addresses of cameras."""
    return tuple(
        address
        for each in cameras
        for address in (str(place.camera(each.number)), f"{place.prefix6(1)}::{10 + each.number:x}")
    )


def site_document(place: SitePlan, level: str, *, sensitivity: str = "sensitive") -> str:
    """Return what two people sign about a site."""
    return f"""sites:
  - site: {place.id}
    organisation: {ORGANISATION}
    sensitivity: {sensitivity}
    estate-networks: [{", ".join(plan.ESTATE_NETWORKS)}]
    recorders: ["{place.recorder}"]
    segments:
      - interface: {plan.CAMERA_INTERFACE}
        zone: cameras
        default-level: {level}
"""


def credential_document() -> str:
    """Return the cameras' passwords, as an operator keeps them."""
    makers = {"hikvision": "hikvision", "dahua": "dahua", "axis": "axis"}
    return "".join(
        f'[makers.{maker}]\nusername = "{BLUEPRINTS[kind].user}"\npassword = "{PASSWORD}"\n'
        for maker, kind in makers.items()
    )
