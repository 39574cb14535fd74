"""What distinguishes one badge, and one generation of firmware, from another."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LineageTraits:
    """Fixed facts of a unit."""

    badge: str
    """Over ONVIF."""
    title: str
    """Of its page: `NETSurveillance WEB` shows Xiongmai."""
    onvif: bool = True
    nvms: bool = False
    """It has TVT's web interface."""
    numbered_login: bool = True
    """Of TVT's interface; older firmware wants the password itself."""
    cloud: bool = True
    """Peer-to-peer access, on as delivered."""
    upnp: bool = False
    time_server: str = "10.0.0.1"
    """Empty: its clock is set by hand."""
    upgrade_type: str = "notify"
    """What it does about its maker's new firmware: `close`, `notify`, `auto`."""
    capabilities: tuple[str, ...] = ("supportFaceMatch", "supportPOS")
    channel_addresses: tuple[str, ...] = ()
    """The cameras it records, by channel."""
