"""SSDP (UPnP): search and announcements over UDP 1900, and the device description they point to."""

import re
from urllib.parse import urlsplit

from bartizan.identity.model import Fact, Source
from bartizan.ids import Address
from bartizan_agent.discovery import loose_xml
from bartizan_agent.discovery.answer import Answer, Heard, Rubbish, read_address, read_mac, say

PORT = 1900
GROUP = "239.255.255.250"
LIMIT = 8 * 1024  # octets of headers
_UUID = re.compile(r"uuid:([0-9a-fA-F-]{32,36})")
_START = re.compile(r"\A(HTTP/1\.[01] 200|NOTIFY |M-SEARCH )", re.IGNORECASE)


def request() -> bytes:
    """Return a search for root devices, to be answered within one second (MX)."""
    lines = (
        "M-SEARCH * HTTP/1.1",
        f"Host: {GROUP}:{PORT}",
        'Man: "ssdp:discover"',
        "MX: 1",
        "ST: upnp:rootdevice",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def parse(data: bytes) -> Answer:
    """Return where the description is, and the unique name, or that it leaves; another's search says nothing."""
    text = data[:LIMIT].decode("utf-8", "replace")
    start = _START.match(text)
    if not start:
        return Rubbish("SSDP message that is neither an answer nor an announcement")
    headers = _headers(text)
    if start.group(1).upper().startswith("M-SEARCH"):
        return None
    if headers.get("nts", "").lower() == "ssdp:byebye":
        return Heard(is_leaving=True)
    uuid = _UUID.search(headers.get("usn", ""))
    return Heard(
        evidence=say(Fact.UUID, uuid.group(1).lower() if uuid else "", Source.SSDP, 60, "USN"),
        location=headers.get("location", "")[:512],
    )


def description_target(location: str, sender: Address) -> tuple[int, str] | None:
    """Return port and path of a description, only where it lies on the sender itself: anything else is a lure."""
    try:
        url = urlsplit(location)
        port = url.port or 80
    except ValueError:
        return None
    path = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
    is_own = url.scheme == "http" and read_address(url.hostname or "") == sender
    return (port, path) if is_own and re.fullmatch(r"/[\x21-\x7e]*", path) else None


def parse_description(data: bytes) -> Answer:
    """Return what a device description says."""
    root = loose_xml.read(data)
    if isinstance(root, Rubbish):
        return root
    device = next(loose_xml.elements(root, "device"), None)
    if device is None:
        return Rubbish("UPnP description without a device")
    said = loose_xml.fields(device)
    serial = said.get("serialnumber", "")
    uuid = _UUID.search(said.get("udn", ""))
    return Heard(
        evidence=(
            *say(Fact.DEVICE_TYPE, said.get("devicetype", ""), Source.SSDP, 60, "deviceType"),
            *say(Fact.BRAND, said.get("manufacturer", ""), Source.SSDP, 50, "manufacturer"),
            *say(Fact.MODEL, _model(said), Source.SSDP, 55, "modelName, modelNumber"),
            *say(Fact.SERIAL, serial, Source.SSDP, 55, "serialNumber"),
            *say(Fact.UUID, uuid.group(1).lower() if uuid else "", Source.SSDP, 60, "UDN"),
        ),
        claimed_mac=read_mac(serial),
    )


def _model(said: dict[str, str]) -> str:
    """The number where the name is only a description: `modelNumber` is what stands on the label."""
    name, number = said.get("modelname", ""), said.get("modelnumber", "")
    return number if number and (not name or " " in name) and not re.fullmatch(r"[\d.]+", number) else name


def _headers(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.splitlines()[1:64])
    return {name.strip().lower(): value.strip() for name, colon, value in lines if colon}
