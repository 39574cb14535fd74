"""What distinguishes one Dahua-built model and firmware from another."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DahuaTraits:
    """Fixed facts of a model."""

    vendor: str = "Dahua"
    """Of getVendor and DHDiscover; the badge of an OEM stands here."""
    manufacturer: str = "General"
    """In DHDiscover."""
    device_class: str = "IPC"
    """In DHDiscover: IPC, NVR, VTO, BSC…"""
    family: str = "IPC-HDW5830R-Z"
    """`updateSerial`: which image the unit takes."""
    processor: str = "S3LM"
    hardware_version: str = "1.00"
    machine_name: str = "IPC"
    generic_type: bool = False
    """getDeviceType says `IP Camera` in place of the model."""
    sparse_system_info: bool = False
    """getSystemInfo has a number for the type and no serial number, as on some firmware."""
    space_before_build: bool = False
    """getSoftwareVersion puts a space after the comma."""
    progress_as_octet: bool = False
    """One firmware returns `Progress=` followed by a raw octet."""
    reboots_itself: bool = True
    """After writing an image."""
    strict_magic: bool = True
    """Ignores DHDiscover requests whose magic is reversed; some models answer them."""
    channel_addresses: tuple[str, ...] = ()
    """Of a recorder: the cameras it records, by channel."""
    onvif: bool = True
    upnp: bool = False
    scene: str = "Normal"
    """What its analytics are set to; `FaceDetection` where they look for faces."""
