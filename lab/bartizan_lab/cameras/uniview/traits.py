"""What distinguishes one Uniview model and firmware from another."""

from dataclasses import dataclass


@dataclass(frozen=True)
class UniviewTraits:
    """Fixed facts of a model."""

    brand: str = "Uniview"
    """On its web page and over ONVIF; the badge of an OEM stands here."""
    device_type: int = 1
    hardware_id: str = "A"
    basic_info_only: bool = False
    """Older cameras have DeviceBasicInfo and no DeviceInfo."""
    envelope: bool = True
    """Some firmware leaves it out."""
    done_status: int = 200
    """Some firmware gives 599 to what it has done."""
    main_stream: str = "/unicast/c1/s0/live"
    """Older cameras: `/media/video1`."""
    cloud: bool = True
    """EZCloud, its maker's; on as delivered."""
    port_mapping: bool = False
    """Through a router, by UPnP."""
    time_server: str = "10.0.0.1"
    """Empty: its clock is set by hand."""
    channel_addresses: tuple[str, ...] = ()
    """Of a recorder: the cameras it records, by channel."""
    smart: tuple[str, ...] = ("IntrusionDetection", "CrossLineDetection", "FaceDetection")
    """What `Smart/Capabilities` lists."""
