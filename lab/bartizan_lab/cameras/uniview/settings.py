"""LAPI's settings, as the `Data` of answers. Switches are 0 and 1, called `Enabled`, or `Enable` in older resources."""

from collections.abc import Mapping

from bartizan_lab.cameras.faults import Fault
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.state import DeviceState
from bartizan_lab.cameras.uniview.traits import UniviewTraits

Data = Mapping[str, object]


def setting(path: str, traits: UniviewTraits, streams: StreamProfile, state: DeviceState) -> Data | None:
    """Return what stands behind a path below the base; None where this generation of firmware has no such resource."""
    telnet = {"Enable": int(Fault.TELNET in state.faults)}
    found: dict[str, Data] = {
        "/Network/Cloud": {"Enabled": int(traits.cloud), "Domain": "ezcloud.uniview.com", "DeviceStatus": 0},
        "/Channel/0/NetWork/PortMap": {"Enabled": int(traits.port_mapping), "Mode": 1},
        "/System/Time/NTP": _time_servers(traits),
    }
    if traits.channel_addresses:
        found["/Channels/System/ChannelDetailInfos"] = _channels(traits.channel_addresses)
    if traits.basic_info_only:
        return (found | {"/Channel/0/NetWork/Telnet": telnet}).get(path)
    found |= {
        "/Network/SSH": {"Enabled": int(Fault.TELNET in state.faults)},
        "/Channels/0/Media/Video/Streams/DetailInfos": _streams(streams),
        "/Smart/Capabilities": {name: {"Support": 1} for name in traits.smart},
    }
    return found.get(path)


def _channels(addresses: tuple[str, ...]) -> Data:
    """The channels of a recorder, the last of them assigned to no camera."""
    cameras = [
        {
            "ID": number,
            "Name": f"IP Camera {number}",
            "Status": 1,
            "AddressInfo": {"AddressType": 0, "Address": address},
            "MAC": f"48:ea:63:00:01:{number:02x}",
        }
        for number, address in enumerate(addresses, start=1)
    ]
    empty = {"ID": len(cameras) + 1, "Status": 0, "AddressInfo": {"AddressType": 0, "Address": ""}}
    return {"Nums": len(cameras) + 1, "DetailInfos": [*cameras, empty]}


def _time_servers(traits: UniviewTraits) -> Data:
    server = {
        "Enabled": int(bool(traits.time_server)),
        "AddressType": 0,
        "IPAddress": traits.time_server or "0.0.0.0",
        "Port": 123,
        "SynchronizeInterval": 600,
    }
    return {"Num": 1, "NTPServerInfos": [server]}


def _streams(streams: StreamProfile) -> Data:
    def stream(number: int, width: int, height: int) -> Data:
        size = {"Width": width, "Height": height}
        return {"ID": number, "VideoEncodeInfo": {"EncodeFormat": 1, "Resolution": size, "FrameRate": 25}}

    return {"Num": 2, "VideoStreamInfos": [stream(0, streams.width, streams.height), stream(1, 720, 576)]}
