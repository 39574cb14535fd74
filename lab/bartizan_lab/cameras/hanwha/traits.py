"""What distinguishes one Hanwha model and firmware from another."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HanwhaTraits:
    """Fixed facts of a model."""

    brand: str = "Hanwha Techwin"
    """On its web page and over ONVIF; `Samsung Techwin` on units from before 2015."""
    device_type: str = "NWC"
    """In deviceinfo: NWC is a network camera."""
    realm: str = "iPolis"
    """Of HTTP."""
    rtsp_realm: str = "iPolis"
    """Samsung's own cameras say `NET-i`."""
    prefers_json: bool = False
    """It answers JSON to everybody; others only to who accepts nothing else."""
    modules: tuple[str, ...] = ("Kernel", "App", "Web", "ISP")
    """What an image consists of, in the order of writing."""
    onvif: bool = True
    upnp: bool = False
    """It answers UPnP's search, and its setting says so."""
    name_service: str = "Off"
    """Type of its dynamic DNS: `Off`, `SamsungDDNS` (its maker's own), `PublicDDNS`."""
    time_servers: tuple[str, ...] = ("pool.ntp.org", "europe.pool.ntp.org", "time.nist.gov")
    """As delivered; none: its clock is set by hand."""
    analytics: tuple[str, ...] = ("MotionDetection", "TamperingDetection", "FaceDetection")
    """Attributes of `Eventsource/Support` that are true."""
