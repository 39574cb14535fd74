"""SUNAPI's settings: sections in lines (`Channel.0.Profile.1.Name=…`) or in JSON, and what a model can do in XML."""

import json
from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

from bartizan_lab.cameras.faults import Spelling
from bartizan_lab.cameras.hanwha.traits import HanwhaTraits
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.state import DeviceState
from bartizan_lab.cameras.web import JSON, TEXT, XML, Request, Response

ATTRIBUTES_PATH = "/stw-cgi/attributes.cgi/attributes"
_SPELLING = Spelling(usual=("True", "False"), odd=("true", "flase"))
_KNOWN = ("MotionDetection", "TamperingDetection", "AudioDetection", "FaceDetection", "FaceRecognition", "PeopleCount")


class SunapiSettings:
    """The settings of one device, for reading."""

    def __init__(self, traits: HanwhaTraits, streams: StreamProfile, state: DeviceState) -> None:
        self._traits = traits
        self._streams = streams
        self._state = state

    def answer(self, request: Request) -> Response | None:
        """Return what is asked for; None where it is no setting."""
        if request.path == ATTRIBUTES_PATH:
            return Response(200, self._attributes(), XML)
        query = request.query
        asked = (request.path.removeprefix("/stw-cgi/"), query.get("msubmenu", ""), query.get("action", ""))
        sections = {
            ("network.cgi", "upnpdiscovery", "view"): ("UpnpDiscovery", "Interface.Network1", self._upnp()),
            ("network.cgi", "dynamicdns", "view"): ("DynamicDNS", "Interface.Network1", self._name_service()),
            ("media.cgi", "videoprofile", "view"): ("VideoProfiles", "Channel.0", self._profiles()),
        }
        found = sections.get(asked)
        if found is None:
            return None
        name, prefix, fields = found
        if self._traits.prefers_json or "application/json" in request.headers.get("accept", ""):
            return Response(200, json.dumps({name: [_nested(fields)]}).encode(), JSON)
        return Response(200, "".join(f"{prefix}.{key}={value}\r\n" for key, value in fields.items()).encode(), TEXT)

    def time_source(self, *, as_list: bool) -> Mapping[str, object]:
        """Return the fields of `date` that say whom it takes its time from."""
        servers = self._traits.time_servers
        return {
            "SyncType": "NTP" if servers else "Manual",
            "NTPURLList": list(servers) if as_list else ",".join(servers),
        }

    def _upnp(self) -> Mapping[str, str]:
        return {"Enable": self._flag(self._traits.upnp), "FriendlyName": f"WISENET-{self._state.model}"}

    def _name_service(self) -> Mapping[str, str]:
        return {"Type": self._traits.name_service, "SamsungServerName": "www.hanwha-security.com"}

    def _profiles(self) -> Mapping[str, str]:
        streams = self._streams
        return {
            "Profile.1.Name": "MJPEG",
            "Profile.1.EncodingType": "MJPEG",
            "Profile.1.Resolution": "800x600",
            "Profile.2.Name": streams.codec,
            "Profile.2.EncodingType": streams.codec,
            "Profile.2.Resolution": f"{streams.width}x{streams.height}",
        }

    def _attributes(self) -> bytes:
        support = "".join(
            f'<attribute name={quoteattr(name)} type="bool" value="{self._flag(name in self._traits.analytics)}"'
            ' accesslevel="guest"/>'
            for name in _KNOWN
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?><capabilities><attributes>'
            '<group name="System"><category name="Limit"><attribute name="MaxChannel" type="int" value="1"/></category>'
            '</group><group name="Eventsource"><category name="Support"><channel number="0">'
            f"{support}</channel></category></group></attributes></capabilities>"
        ).encode()

    def _flag(self, value: bool) -> str:  # noqa: FBT001 - renders a boolean
        return _SPELLING.of(value, self._state.faults)


def _nested(fields: Mapping[str, str]) -> Mapping[str, object]:
    """Return fields as JSON has them: `Profile.1.Name` in a list of profiles, booleans as such."""
    plain: dict[str, object] = {}
    profiles: dict[str, dict[str, object]] = {}
    for key, text in fields.items():
        value: object = {"True": True, "False": False}.get(text, text)
        if key.startswith("Profile."):
            _, number, name = key.split(".")
            profiles.setdefault(number, {"Profile": int(number)})[name] = value
        else:
            plain[key] = value
    return plain | ({"Channel": 0, "Profiles": list(profiles.values())} if profiles else {})
