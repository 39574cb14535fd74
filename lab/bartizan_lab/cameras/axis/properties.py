"""What an Axis device says of itself: the properties of basicdeviceinfo and the older parameter tree."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from bartizan_lab.cameras.axis.traits import AxisTraits
from bartizan_lab.cameras.faults import Fault, Spelling
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.state import DeviceState

FIRMWARE_API_VERSION = "1.4"
TIME_SERVER = "10.0.0.1"
_SPELLING = Spelling(("yes", "no"), odd=("True", "0"))


class Properties:
    """Both views of one device."""

    def __init__(self, state: DeviceState, traits: AxisTraits, streams: StreamProfile) -> None:
        self._state = state
        self._traits = traits
        self._streams = streams

    def open_to_all(self) -> Mapping[str, str]:
        """Return what newer firmware tells without a login."""
        state, traits = self._state, self._traits
        name = f"AXIS {state.model}"
        return {
            "Brand": "AXIS",
            "BuildDate": f"{state.build:%b %d %Y} 06:50",
            "HardwareID": traits.hardware_id,
            "ProdFullName": f"{name} {traits.product_type}",
            "ProdNbr": state.model,
            "ProdShortName": name,
            "ProdType": traits.product_type,
            "ProdVariant": "",
            "SerialNumber": state.serial,
            "Version": state.firmware,
            "WebURL": "http://www.axis.com",
        }

    def restricted(self) -> Mapping[str, str]:
        """Return what takes a login on every firmware."""
        return {
            "Architecture": self._traits.architecture,
            "Soc": self._traits.soc,
            "SocSerialNumber": f"00000000-00000000-{self._state.serial}",
        }

    def parameters(self, groups: Iterable[str]) -> Mapping[str, str]:
        """Return the parameters of these groups; the leading `root.` of a group may be missing."""
        wanted = [f"{group}." if group.startswith("root") else f"root.{group}." for group in groups]
        return {
            name: value
            for name, value in self._tree().items()
            if any(f"{name}.".startswith(prefix) for prefix in wanted)
        }

    def _tree(self) -> Mapping[str, str]:
        state, traits = self._state, self._traits
        properties = self.open_to_all()
        return {
            **{f"root.Brand.{key}": properties[key] for key in ("Brand", "ProdFullName", "ProdNbr", "ProdShortName")},
            **{f"root.Brand.{key}": properties[key] for key in ("ProdType", "ProdVariant", "WebURL")},
            "root.Network.eth0.MACAddress": state.mac.upper(),
            "root.Network.SSH.Enabled": yes_or_no(False, state.faults),
            "root.Network.UPnP.Enabled": yes_or_no(True, state.faults),
            "root.RemoteService.Enabled": "oneclick",
            "root.Time.SyncSource": "NTP",
            "root.Time.NTP.Server": TIME_SERVER,
            "root.Time.NTP.VolatileServer": "0.0.0.0",
            "root.Properties.API.HTTP.Version": "3",
            "root.Properties.API.Metadata.Metadata": yes_or_no(True, state.faults),
            "root.Properties.API.Metadata.Version": "1.0",
            "root.Properties.EmbeddedDevelopment.Version": "2.16",
            "root.Properties.Firmware.BuildDate": properties["BuildDate"],
            "root.Properties.Firmware.BuildNumber": "26",
            "root.Properties.Firmware.Version": state.firmware,
            "root.Properties.FirmwareManagement.Version": FIRMWARE_API_VERSION,
            "root.Properties.Image.Format": "jpeg,mjpeg,h264",
            "root.Properties.Image.NbrOfViews": "1",
            "root.Properties.Image.Resolution": f"{self._streams.width}x{self._streams.height}",
            "root.Properties.Image.Rotation": "0,180",
            "root.Properties.System.Architecture": traits.architecture,
            "root.Properties.System.HardwareID": traits.hardware_id,
            "root.Properties.System.Language": "English",
            "root.Properties.System.LanguageType": "default",
            "root.Properties.System.SerialNumber": state.serial,
            "root.Properties.System.Soc": traits.soc,
        }


def yes_or_no(value: bool, faults: AbstractSet[Fault]) -> str:  # noqa: FBT001 - renders a boolean
    """Return a boolean as VAPIX writes it."""
    return _SPELLING.of(value, faults)
