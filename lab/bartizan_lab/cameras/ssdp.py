"""SSDP and the UPnP description it points to (UPnP Device Architecture 1.0)."""

from collections.abc import Iterator
from dataclasses import dataclass

from bartizan_lab.cameras.datagrams import Datagram
from bartizan_lab.cameras.xmltext import document, element, fields

PORT = 1900
GROUP = "239.255.255.250"
PATH = "/upnpdevicedesc.xml"
"""Where the description lies on the device's own web server."""

_ROOT = "upnp:rootdevice"
_MAX_AGE_SECONDS = 1800


@dataclass(frozen=True)
class UpnpDevice:
    """A device as UPnP describes it."""

    uuid: str
    device_type: str
    friendly_name: str
    manufacturer: str
    model_name: str
    model_number: str
    serial: str
    address: str
    server: str
    """The `SERVER` header."""

    def respond(self, datagram: Datagram) -> Iterator[Datagram]:
        """Answer an M-SEARCH for everything, for root devices, for this type, or for this very device."""
        if not datagram.octets.startswith(b"M-SEARCH "):
            return
        lines = datagram.octets.decode("latin-1").split("\r\n")
        headers = {
            name.strip().upper(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        wanted = headers.get("ST", "")
        for target in self._targets() if wanted == "ssdp:all" else [wanted] if wanted in self._targets() else []:
            yield Datagram(self._message("HTTP/1.1 200 OK", ("EXT", ""), ("ST", target)), datagram.peer)

    def alive(self) -> Iterator[Datagram]:
        """Return the announcements of a device that has come up."""
        host = ("HOST", f"{GROUP}:{PORT}")
        for target in self._targets():
            message = self._message("NOTIFY * HTTP/1.1", host, ("NT", target), ("NTS", "ssdp:alive"))
            yield Datagram(message, (GROUP, PORT))

    def description(self) -> bytes:
        """Return the document at `PATH`."""
        device = fields(
            (
                ("deviceType", self.device_type),
                ("friendlyName", self.friendly_name),
                ("manufacturer", self.manufacturer),
                ("modelName", self.model_name),
                ("modelNumber", self.model_number),
                ("serialNumber", self.serial),
                ("UDN", f"uuid:{self.uuid}"),
                ("presentationURL", f"http://{self.address}/"),
            )
        )
        version = element("specVersion", fields((("major", "1"), ("minor", "0"))))
        return document(element("root", version + element("device", device), xmlns="urn:schemas-upnp-org:device-1-0"))

    def _targets(self) -> list[str]:
        return [_ROOT, f"uuid:{self.uuid}", self.device_type]

    def _message(self, first: str, *headers: tuple[str, str]) -> bytes:
        target = dict(headers).get("ST") or dict(headers).get("NT", "")
        name = f"uuid:{self.uuid}"
        lines = [
            first,
            *(f"{key}: {value}" for key, value in headers),
            f"CACHE-CONTROL: max-age={_MAX_AGE_SECONDS}",
            f"LOCATION: http://{self.address}:80{PATH}",
            f"SERVER: {self.server}",
            f"USN: {name if target == name else f'{name}::{target}'}",
        ]
        return "\r\n".join((*lines, "", "")).encode("latin-1")
