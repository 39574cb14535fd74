"""ONVIF's device and media services (Core and Media specifications), as pages of a device's web server."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol
from xml.sax.saxutils import escape

from bartizan_lab.cameras.access import Allowed, Attempt
from bartizan_lab.cameras.camera import Camera
from bartizan_lab.cameras.faults import Fault, Spelling
from bartizan_lab.cameras.onvif.soap import Call, NotSoap, answer, fault, parse
from bartizan_lab.cameras.profile import StreamProfile
from bartizan_lab.cameras.web import Request, Response
from bartizan_lab.cameras.wsdiscovery import Scopes, with_odd_prefixes

DEVICE_PATH = "/onvif/device_service"
MEDIA_PATH = "/onvif/media_service"
TIME_SERVER = "10.0.0.1"
_SPELLING = Spelling()
_WITHOUT_LOGIN = frozenset({"GetSystemDateAndTime", "GetServices", "GetServiceCapabilities", "GetCapabilities"})
"""PRE_AUTH in ONVIF Core's access classes."""


@dataclass(frozen=True)
class OnvifFacts:
    """What a maker's device says of itself over ONVIF, and where its things are."""

    manufacturer: str
    hardware_id: str
    realm: str
    snapshot_path: str
    firmware: Callable[[], str]
    """The version as ONVIF shows it."""
    scopes: Callable[[], Scopes]
    tells_time: bool = True


class Upgradable(Protocol):
    """A device that takes firmware and hands out its configuration over ONVIF."""

    upload_path: str
    backup_path: str

    def begin_upload(self) -> None:
        """Expect an image at `upload_path`."""

    @property
    def down_seconds(self) -> int:
        """How long an upgrade takes, as announced."""


class OnvifPages:
    """Answers SOAP requests for one camera."""

    def __init__(self, camera: Camera, facts: OnvifFacts, address: str, upgradable: Upgradable | None = None) -> None:
        self._camera = camera
        self._facts = facts
        self._address = address
        self._upgradable = upgradable
        self._actions: dict[str, Callable[[], Response]] = {
            "GetSystemDateAndTime": self._date_and_time,
            "GetServices": self._services,
            "GetServiceCapabilities": self._service_capabilities,
            "GetCapabilities": self._capabilities,
            "GetDeviceInformation": self._device_information,
            "GetScopes": self._scopes,
            "GetNTP": self._time_servers,
            "GetProfiles": self._profiles,
            "GetSnapshotUri": self._snapshot_uri,
            "GetStreamUri": self._stream_uri,
            "SystemReboot": self._reboot,
        }
        if upgradable is not None:
            self._actions["StartFirmwareUpgrade"] = self._start_upgrade
            self._actions["GetSystemUris"] = self._system_uris

    def answers(self, request: Request) -> bool:
        """Return whether this request is for ONVIF."""
        return request.path in {DEVICE_PATH, MEDIA_PATH}

    def answer(self, request: Request) -> Response:
        """Answer a SOAP request."""
        try:
            call = parse(request.body)
        except NotSoap:
            return fault(400, "Sender", "ter:WellFormed", "Well-formed Error")
        action = self._actions.get(call.action)
        if action is None:
            return fault(500, "Receiver", "ter:ActionNotSupported", "Optional Action Not Implemented")
        is_open = call.action in _WITHOUT_LOGIN or Fault.ONVIF_OPEN in self._camera.state.faults
        refusal = None if is_open else self._refusal(request, call)
        return self._styled(refusal or action())

    def _refusal(self, request: Request, call: Call) -> Response | None:
        """Accept a login at either level: HTTP digest, or a token in the envelope (ONVIF Core 5.9)."""
        if call.token is not None:
            right = call.token.is_right(self._camera.state.users, self._camera.now())
            verdict = self._camera.authorise_token(call.token.user, request.source, self._facts.realm, right=right)
            status = 400
        else:
            attempt = Attempt(request.method, request.headers.get("authorization"), request.source)
            verdict = self._camera.authorise(attempt, self._facts.realm)
            status = 401
        if isinstance(verdict, Allowed):
            return None
        refusal = fault(status, "Sender", "ter:NotAuthorized", "Sender not Authorized")
        return replace(refusal, headers=(("WWW-Authenticate", verdict.challenge),))

    def _styled(self, response: Response) -> Response:
        if Fault.NAMESPACE_ODD not in self._camera.state.faults:
            return response
        return replace(response, body=with_odd_prefixes(response.body.decode()).encode())

    def _flag(self, value: bool) -> str:  # noqa: FBT001 - renders an xs:boolean
        return _SPELLING.of(value, self._camera.state.faults)

    def _url(self, path: str) -> str:
        return f"http://{self._address}{path}"

    def _date_and_time(self) -> Response:
        if not self._facts.tells_time:
            local = "<tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType></tds:SystemDateAndTime>"
            return answer(f"<tds:GetSystemDateAndTimeResponse>{local}</tds:GetSystemDateAndTimeResponse>")
        now = self._camera.now()
        return answer(
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
            f"<tt:DaylightSavings>{self._flag(False)}</tt:DaylightSavings><tt:TimeZone><tt:TZ>GMT0</tt:TZ></tt:TimeZone>"
            f"<tt:UTCDateTime><tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
            f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
            f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime>"
            "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _time_servers(self) -> Response:
        return answer(
            f"<tds:GetNTPResponse><tds:NTPInformation><tt:FromDHCP>{self._flag(False)}</tt:FromDHCP>"
            f"<tt:NTPManual><tt:Type>IPv4</tt:Type><tt:IPv4Address>{TIME_SERVER}</tt:IPv4Address></tt:NTPManual>"
            "</tds:NTPInformation></tds:GetNTPResponse>"
        )

    def _services(self) -> Response:
        version = "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version>"
        services = "".join(
            f"<tds:Service><tds:Namespace>http://www.onvif.org/ver10/{name}/wsdl</tds:Namespace>"
            f"<tds:XAddr>{self._url(path)}</tds:XAddr>{version}</tds:Service>"
            for name, path in (("device", DEVICE_PATH), ("media", MEDIA_PATH))
        )
        return answer(f"<tds:GetServicesResponse>{services}</tds:GetServicesResponse>")

    def _service_capabilities(self) -> Response:
        upgrade = self._flag(self._upgradable is not None)
        return answer(
            "<tds:GetServiceCapabilitiesResponse><tds:Capabilities><tds:Network/>"
            f'<tds:Security HttpDigest="{self._flag(True)}" UsernameToken="{self._flag(True)}"/>'
            f'<tds:System HttpFirmwareUpgrade="{upgrade}" HttpSystemBackup="{upgrade}"/>'
            "</tds:Capabilities></tds:GetServiceCapabilitiesResponse>"
        )

    def _capabilities(self) -> Response:
        upgrade = self._flag(self._upgradable is not None)
        off = self._flag(False)
        return answer(
            "<tds:GetCapabilitiesResponse><tds:Capabilities>"
            f"<tt:Device><tt:XAddr>{self._url(DEVICE_PATH)}</tt:XAddr><tt:System>"
            f"<tt:DiscoveryResolve>{self._flag(True)}</tt:DiscoveryResolve><tt:DiscoveryBye>{off}</tt:DiscoveryBye>"
            f"<tt:RemoteDiscovery>{off}</tt:RemoteDiscovery><tt:SystemBackup>{upgrade}</tt:SystemBackup>"
            f"<tt:SystemLogging>{off}</tt:SystemLogging><tt:FirmwareUpgrade>{upgrade}</tt:FirmwareUpgrade>"
            "<tt:SupportedVersions><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tt:SupportedVersions>"
            f"<tt:Extension><tt:HttpFirmwareUpgrade>{upgrade}</tt:HttpFirmwareUpgrade></tt:Extension>"
            "</tt:System></tt:Device>"
            f"<tt:Media><tt:XAddr>{self._url(MEDIA_PATH)}</tt:XAddr><tt:StreamingCapabilities/></tt:Media>"
            "</tds:Capabilities></tds:GetCapabilitiesResponse>"
        )

    def _device_information(self) -> Response:
        state = self._camera.state
        values = (
            ("Manufacturer", self._facts.manufacturer),
            ("Model", state.model),
            ("FirmwareVersion", self._facts.firmware()),
            ("SerialNumber", state.serial),
            ("HardwareId", self._facts.hardware_id),
        )
        content = "".join(f"<tds:{name}>{escape(value)}</tds:{name}>" for name, value in values)
        return answer(f"<tds:GetDeviceInformationResponse>{content}</tds:GetDeviceInformationResponse>")

    def _scopes(self) -> Response:
        scopes = "".join(
            f"<tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef><tt:ScopeItem>{escape(uri)}</tt:ScopeItem></tds:Scopes>"
            for uri in self._facts.scopes().uris()
        )
        return answer(f"<tds:GetScopesResponse>{scopes}</tds:GetScopesResponse>")

    def _profiles(self) -> Response:
        streams = self._streams()
        profiles = "".join(
            f'<trt:Profiles token="profile{number}" fixed="true"><tt:Name>profile{number}</tt:Name>'
            f'<tt:VideoEncoderConfiguration token="encoder{number}"><tt:Name>encoder{number}</tt:Name>'
            f"<tt:UseCount>1</tt:UseCount><tt:Encoding>{streams.codec}</tt:Encoding>"
            f"<tt:Resolution><tt:Width>{streams.width}</tt:Width><tt:Height>{streams.height}</tt:Height></tt:Resolution>"
            f"<tt:Quality>3</tt:Quality></tt:VideoEncoderConfiguration></trt:Profiles>"
            for number, _ in enumerate(streams.paths, start=1)
        )
        return answer(f"<trt:GetProfilesResponse>{profiles}</trt:GetProfilesResponse>")

    def _snapshot_uri(self) -> Response:
        return _media_uri("GetSnapshotUri", self._url(self._facts.snapshot_path))

    def _stream_uri(self) -> Response:
        return _media_uri("GetStreamUri", f"rtsp://{self._address}:554{self._streams().paths[0]}")

    def _streams(self) -> StreamProfile:
        streams = self._camera.streams
        assert streams is not None, "ONVIF pages belong to a device with video"
        return streams

    def _reboot(self) -> Response:
        self._camera.reboot()
        return answer("<tds:SystemRebootResponse><tds:Message>Rebooting</tds:Message></tds:SystemRebootResponse>")

    def _start_upgrade(self) -> Response:
        assert self._upgradable is not None, "the action is registered for upgradable devices alone"
        self._upgradable.begin_upload()
        return answer(
            "<tds:StartFirmwareUpgradeResponse>"
            f"<tds:UploadUri>{self._url(self._upgradable.upload_path)}</tds:UploadUri><tds:UploadDelay>PT0S</tds:UploadDelay>"
            f"<tds:ExpectedDownTime>PT{self._upgradable.down_seconds}S</tds:ExpectedDownTime>"
            "</tds:StartFirmwareUpgradeResponse>"
        )

    def _system_uris(self) -> Response:
        assert self._upgradable is not None, "the action is registered for upgradable devices alone"
        return answer(
            "<tds:GetSystemUrisResponse>"
            f"<tds:SystemBackupUri>{self._url(self._upgradable.backup_path)}</tds:SystemBackupUri>"
            "</tds:GetSystemUrisResponse>"
        )


def _media_uri(action: str, uri: str) -> Response:
    return answer(
        f"<trt:{action}Response><trt:MediaUri><tt:Uri>{escape(uri)}</tt:Uri>"
        "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot>"
        f"<tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:{action}Response>"
    )
